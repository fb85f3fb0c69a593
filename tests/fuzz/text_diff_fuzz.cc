// Two texts, the first up to the first zero byte: whatever they are, the diff
// ends, keeps its bounds, and where it says it is complete it leads from the
// one to the other.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "src/text_diff.h"
#include "tests/src/diff_patch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(
      size == 0 ? "" : reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view before = input.substr(0, zero);
  const std::string_view after = input.substr(std::min(zero + 1, input.size()));
  // Small limits too, so that small inputs reach them.
  for (const sallyport::DiffLimits& limits :
       {sallyport::DiffLimits(), sallyport::DiffLimits{.max_edits = 8,
                                 .max_steps = 100,
                                 .max_bytes = 64,
                                 .max_line_bytes = 8}}) {
    const sallyport::TextDiff diff =
        sallyport::DiffTexts(before, after, limits);
    size_t bytes = 0;
    for (const std::string& line : diff.lines) bytes += line.size() + 1;
    if (bytes > limits.max_bytes) std::abort();
    if (before == after && (!diff.lines.empty() || !diff.complete)) {
      std::abort();
    }
    if (diff.complete && sallyport::testing::Patch(before, diff) != after) {
      std::abort();
    }
  }
  return 0;
}
