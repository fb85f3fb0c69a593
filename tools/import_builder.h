#ifndef SALLYPORT_TOOLS_IMPORT_BUILDER_H_
#define SALLYPORT_TOOLS_IMPORT_BUILDER_H_

// ImportBuilder: collects the rules and notes of one import, gives the rules
// names and priorities. One thread.
//
// Rules come in the order in which the source asks them, and the first that
// matches is meant to decide. Ours are asked by priority, app, destination
// (rules/rule_set.h), so order becomes priority, but only where it can matter:
// neighbours of the same policy share one.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

class ImportBuilder {
 public:
  explicit ImportBuilder(int32_t base_priority)
      : base_priority_(base_priority) {}

  // A note on the whole import.
  void Note(std::string text);
  // "WHERE: rule 'NAME': TEXT". `where` is a file, or file:line.
  void Note(std::string_view where, std::string_view rule,
            std::string_view text);
  // The same, for a rule that is not taken over.
  void LeaveOut(std::string_view where, std::string_view rule,
                std::string_view policy, std::string_view why);

  // `rule` has everything but name and priority. It is asked after all that
  // were added before.
  void Add(std::string_view wanted_name, Json rule);

  size_t rules() const { return rules_.size(); }

  // ResourceExhausted if there are more rules than a set may have.
  absl::StatusOr<ImportResult> Finish();

 private:
  void GivePriorities();
  std::string UniqueName(std::string_view wanted);

  const int32_t base_priority_;
  std::vector<Json> rules_;
  std::vector<std::string> notes_;
  size_t notes_lost_ = 0;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, size_t> next_number_;  // by base of name
};

// The end of a note on a rule of that policy that is not taken over. A lost
// deny may let through what other rules allow: that is said too.
std::string LeftOutText(std::string_view policy);

// [a-z0-9-], 1 to 64 bytes, made of `text`; "rule" if nothing is left of it.
std::string SlugOf(std::string_view text);

// Errors of several files or fields as one status, a line each.
class ImportErrors {
 public:
  void Add(std::string error);
  bool empty() const { return lines_.empty(); }
  absl::Status ToStatus() const;  // InvalidArgument. REQUIRES: !empty()

 private:
  std::vector<std::string> lines_;
  size_t lost_ = 0;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_BUILDER_H_
