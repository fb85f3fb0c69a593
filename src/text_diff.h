#ifndef SALLYPORT_SRC_TEXT_DIFF_H_
#define SALLYPORT_SRC_TEXT_DIFF_H_

// The difference of two texts by lines, as `diff -u` shows it: the shortest
// script of lines added and removed, after E. Myers, "An O(ND) Difference
// Algorithm" (1986), forward search only. Bounded in time, memory and output:
// where the texts differ too much there are counts, but no lines. The texts may
// be hostile; what comes out is as raw as what went in (escape.h). Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

struct DiffLimits {
  // Lines added and removed together. The search remembers its square: 1,000
  // are 4 MiB for a moment.
  size_t max_edits = 1000;
  size_t max_steps = 4'000'000;     // lines compared: some ten milliseconds
  size_t max_bytes = 16 << 10;      // of all that is shown
  size_t max_line_bytes = 1 << 10;  // of one line that is shown
};

struct TextDiff {
  // Lines. Beyond the limits of the search: those that the other text has not
  // as often, wherever they stand.
  size_t added = 0;
  size_t removed = 0;
  // "@@ -1,3 +1,4 @@", then " same", "-old", "+new", without line ends.
  std::vector<std::string> lines;
  bool complete = true;  // false: `lines` are cut short, or left out

  bool operator==(const TextDiff&) const = default;
};

TextDiff DiffTexts(std::string_view before, std::string_view after,
                   const DiffLimits& limits = {});

}  // namespace sallyport

#endif  // SALLYPORT_SRC_TEXT_DIFF_H_
