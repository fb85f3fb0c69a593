#ifndef SALLYPORT_SRC_RULE_UNDO_H_
#define SALLYPORT_SRC_RULE_UNDO_H_

// RuleUndo: what our rule files were before several of them are changed as one
// change. It is a file of its own, STATE/rules.undo, and stands there from
// before the first file is touched until the change is whole and wanted; so
// whoever finds it after a crash can put the files back. A plain value, and its
// text (JSON; contents in base64, since a file that somebody edited may hold
// any bytes). Pure; any thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport {

struct RuleUndo {
  struct File {
    std::string name;                    // in rules.d, without directory
    std::optional<std::string> content;  // none: it was not there
    bool operator==(const File&) const = default;
  };

  std::string what;  // the change, for people
  // All files are as the change wants them, and it waits to be confirmed.
  // False: they may be half changed.
  bool is_complete = false;
  std::vector<File> files;
  bool operator==(const RuleUndo&) const = default;
};

// All our rules, in base64.
inline constexpr size_t kMaxRuleUndoBytes = size_t{96} << 20;

std::string RuleUndoText(const RuleUndo& undo);
// Names that could lead out of the directory are refused.
absl::StatusOr<RuleUndo> ParseRuleUndo(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_UNDO_H_
