#ifndef SALLYPORT_SRC_RULE_CHANGE_H_
#define SALLYPORT_SRC_RULE_CHANGE_H_

// What another hand did to a rule file: the event `rules_changed`. Found by the
// rule store, which compares the files with what it read or wrote last. Who it
// was is not known: the kernel tells only its audit daemon; the file's owner
// and time of change are what is left. Plain values and pure functions.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/event_notice.h"
#include "src/text_diff.h"

namespace sallyport {

// Names of rules that one event tells; the rest is a number.
inline constexpr size_t kMaxRulesNamed = 64;
// Changes told of one read of all files; the rest is a number.
inline constexpr size_t kMaxChangesTold = 32;

// Names of rules, in order; a file's rules in force against those before.
struct RuleNameChanges {
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> changed;
};

struct RuleFileChange {
  enum class What : uint8_t {
    kAdded,
    kChanged,
    kRemoved,
    kTaken,  // no change, but one that was told before is in force only now
  };
  What what = What::kChanged;
  std::string file;
  // Of a file that is there.
  std::optional<uid_t> owner;
  std::optional<absl::Time> modified;
  // Unset: too large to be remembered.
  std::optional<TextDiff> diff;
  // In force: then `rules` says what that changed. Else why not, a line or
  // more; the last good rules stay.
  bool in_force = false;
  RuleNameChanges rules;
  std::string error;
  // Not 0: so many files more have changed, and all else is empty.
  size_t more_files = 0;
};

// The event. `owner_name` is "" if the owner has none.
EventNotice NoticeOf(const RuleFileChange& change,
                     const std::string& owner_name, int64_t time_ns);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_CHANGE_H_
