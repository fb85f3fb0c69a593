// Whatever stands in the files that tell how a change goes back: no crash; what
// is taken prints, parses again to the same, and leads out of no directory.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "src/pending_change.h"
#include "src/rule_undo.h"
#include "src/rule_version.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text(
      size == 0 ? "" : reinterpret_cast<const char*>(data), size);
  if (const auto undo = ParseRuleUndo(text); undo.ok()) {
    if (*ParseRuleUndo(RuleUndoText(*undo)) != *undo) std::abort();
    for (const RuleUndo::File& file : undo->files) {
      if (file.name.find('/') != file.name.npos) std::abort();
    }
  }
  if (const auto change = ParsePendingChange(text); change.ok()) {
    if (*ParsePendingChange(PendingChangeText(*change)) != *change) {
      std::abort();
    }
  }
  if (const auto if_match = IfMatch::Parse(text); if_match.ok()) {
    if (!if_match->is_set()) std::abort();
    if_match->Check("abc", "it").IgnoreError();
  }
  return 0;
}
