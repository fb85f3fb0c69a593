#ifndef SALLYPORT_TESTS_SRC_DIFF_PATCH_H_
#define SALLYPORT_TESTS_SRC_DIFF_PATCH_H_

// What a diff must be true to: applied to the old text it gives the new one,
// and no script is shorter. Slow and plain.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "src/text_diff.h"

namespace sallyport::testing {

inline std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

// `before` after `diff`; "?" if it does not apply. REQUIRES: it is complete.
inline std::string Patch(std::string_view before, const TextDiff& diff) {
  const std::vector<std::string> old_lines = LinesOf(before);
  std::string out;
  size_t at = 0;  // lines of the old text taken
  for (size_t i = 0; i < diff.lines.size(); ++i) {
    const std::string& line = diff.lines[i];
    const bool unended =
        i + 1 < diff.lines.size() && diff.lines[i + 1].starts_with('\\');
    const std::string text = line.substr(1) + (unended ? "" : "\n");
    switch (line[0]) {
      case '@': {
        // "@@ -FIRST,COUNT +..."
        const size_t first = std::strtoul(line.c_str() + 4, nullptr, 10);
        const bool nothing = line.find(",0 +") != line.npos;
        const size_t begin = nothing ? first : first - 1;
        if (begin < at || begin > old_lines.size()) return "?";
        while (at < begin) out += old_lines[at++];
        break;
      }
      case '+':
        out += text;
        break;
      case ' ':
        out += text;
        [[fallthrough]];
      case '-':
        if (at >= old_lines.size() || old_lines[at++] != text) return "?";
        break;
      case '\\':
        break;
      default:
        return "?";
    }
  }
  while (at < old_lines.size()) out += old_lines[at++];
  return out;
}

// Lines to add and to remove, at least.
inline size_t EditDistance(std::string_view before, std::string_view after) {
  const auto a = LinesOf(before), b = LinesOf(after);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = a[i - 1] == b[j - 1] ? diagonal : 1 + std::min(up, row[j - 1]);
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace sallyport::testing

#endif  // SALLYPORT_TESTS_SRC_DIFF_PATCH_H_
