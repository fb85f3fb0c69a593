#include "src/text_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "rules/text_util.h"
#include "src/escape.h"

namespace sallyport {
namespace {

constexpr size_t kContextLines = 3;  // as diff -u

using Lines = std::vector<std::string_view>;

// A run of lines [old_begin, old_end) that became [new_begin, new_end).
struct Change {
  size_t old_begin, old_end;
  size_t new_begin, new_end;
};

// With their line ends: a last line without one is another line.
Lines SplitLines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == text.npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

// Lines as numbers, equal ones the same, so that comparing costs the same for
// all.
class Numbers {
 public:
  std::vector<uint32_t> Of(const Lines& lines, size_t begin, size_t end) {
    std::vector<uint32_t> numbers;
    numbers.reserve(end - begin);
    for (size_t i = begin; i < end; ++i) {
      const auto next = static_cast<uint32_t>(known_.size());
      numbers.push_back(
          known_.try_emplace(ToAbsl(lines[i]), next).first->second);
    }
    return numbers;
  }
  size_t count() const { return known_.size(); }

 private:
  absl::flat_hash_map<absl::string_view, uint32_t> known_;
};

// The search. x counts lines of the old text, y of the new, k = x - y is a
// diagonal; reach[k] is how far along it the best path with d edits has come.
class Search {
 public:
  Search(const std::vector<uint32_t>& old_lines,
         const std::vector<uint32_t>& new_lines, const DiffLimits& limits)
      : old_(old_lines), new_(new_lines), steps_left_(limits.max_steps) {
    const size_t most = std::min(old_.size() + new_.size(), limits.max_edits);
    max_edits_ = static_cast<int64_t>(most);
  }

  // False: the texts differ too much.
  bool Run() {
    const auto n = static_cast<int64_t>(old_.size());
    const auto m = static_cast<int64_t>(new_.size());
    for (int64_t d = 0; d <= max_edits_; ++d) {
      std::vector<int32_t> next(static_cast<size_t>(2 * d + 1), -1);
      for (int64_t k = -d; k <= d; k += 2) {
        int64_t x = d == 0 ? 0 : Start(trace_.back(), d, k);
        int64_t y = x - k;
        while (x < n && y < m && Same(x, y)) {
          ++x, ++y;
          if (steps_left_-- == 0) return false;
        }
        if (steps_left_ == 0) return false;
        --steps_left_;
        next[static_cast<size_t>(k + d)] = static_cast<int32_t>(x);
        if (x >= n && y >= m) {
          trace_.push_back(std::move(next));
          return true;
        }
      }
      trace_.push_back(std::move(next));
    }
    return false;
  }

  // The way that Run found, in order. REQUIRES: it did.
  std::vector<Change> Changes() const {
    std::vector<Change> changes;  // the last one first
    auto x = static_cast<int64_t>(old_.size());
    auto y = static_cast<int64_t>(new_.size());
    for (auto d = static_cast<int64_t>(trace_.size()) - 1; d > 0; --d) {
      const std::vector<int32_t>& reach = trace_[static_cast<size_t>(d - 1)];
      const int64_t k = x - y;
      const int64_t before_k = CameDown(reach, d, k) ? k + 1 : k - 1;
      const int64_t before_x = At(reach, d - 1, before_k);
      const int64_t before_y = before_x - before_k;
      // One line, after which the two went side by side.
      const bool added = before_k == k + 1;
      Prepend(static_cast<size_t>(before_x), static_cast<size_t>(before_y),
              added, &changes);
      x = before_x;
      y = before_y;
    }
    std::reverse(changes.begin(), changes.end());
    return changes;
  }

 private:
  bool Same(int64_t x, int64_t y) const {
    return old_[static_cast<size_t>(x)] == new_[static_cast<size_t>(y)];
  }
  static int64_t At(const std::vector<int32_t>& reach, int64_t d, int64_t k) {
    return reach[static_cast<size_t>(k + d)];
  }
  // Whether the best way to diagonal `k` with d edits adds a line. `reach` is
  // of d - 1.
  static bool CameDown(const std::vector<int32_t>& reach, int64_t d,
                       int64_t k) {
    if (k == -d) return true;
    return k != d && At(reach, d - 1, k - 1) < At(reach, d - 1, k + 1);
  }
  static int64_t Start(const std::vector<int32_t>& reach, int64_t d,
                       int64_t k) {
    return CameDown(reach, d, k) ? At(reach, d - 1, k + 1)
                                 : At(reach, d - 1, k - 1) + 1;
  }

  // Puts the edit at (x, y) before those in `changes`, into the last of them
  // if it touches it.
  static void Prepend(size_t x, size_t y, bool added,
                      std::vector<Change>* changes) {
    const Change edit = {x, x + (added ? 0 : 1), y, y + (added ? 1 : 0)};
    if (!changes->empty() && changes->back().old_begin == edit.old_end &&
        changes->back().new_begin == edit.new_end) {
      changes->back().old_begin = edit.old_begin;
      changes->back().new_begin = edit.new_begin;
    } else {
      changes->push_back(edit);
    }
  }

  const std::vector<uint32_t>& old_;
  const std::vector<uint32_t>& new_;
  int64_t max_edits_ = 0;
  size_t steps_left_;
  std::vector<std::vector<int32_t>> trace_;  // reach for each d, from -d on
};

// Writes hunks until there is no room.
class HunkWriter {
 public:
  HunkWriter(const Lines& before, const Lines& after, const DiffLimits& limits,
             TextDiff* diff)
      : before_(before), after_(after), limits_(limits), diff_(*diff) {}

  void Write(const std::vector<Change>& changes) {
    for (size_t i = 0; i < changes.size();) {
      size_t last = i;
      while (last + 1 < changes.size() &&
             changes[last + 1].old_begin - changes[last].old_end <=
                 2 * kContextLines) {
        ++last;
      }
      if (!WriteHunk({&changes[i], last - i + 1})) {
        diff_.complete = false;
        return;
      }
      i = last + 1;
    }
  }

 private:
  bool WriteHunk(std::span<const Change> changes) {
    const Change& first = changes.front();
    const size_t lead = std::min(kContextLines, first.old_begin);
    const size_t tail =
        std::min(kContextLines, before_.size() - changes.back().old_end);
    const size_t old_begin = first.old_begin - lead;
    const size_t new_begin = first.new_begin - lead;
    const size_t old_end = changes.back().old_end + tail;
    const size_t new_end = changes.back().new_end + tail;
    if (!Add(Concat("@@ -", Range(old_begin, old_end), " +",
                    Range(new_begin, new_end), " @@"))) {
      return false;
    }
    size_t at = old_begin;
    for (const Change& change : changes) {
      if (!AddLines(' ', before_, at, change.old_begin) ||
          !AddLines('-', before_, change.old_begin, change.old_end) ||
          !AddLines('+', after_, change.new_begin, change.new_end)) {
        return false;
      }
      at = change.old_end;
    }
    return AddLines(' ', before_, at, old_end);
  }

  // "FIRST,COUNT"; of nothing the line before it, as diff has it.
  static std::string Range(size_t begin, size_t end) {
    const size_t count = end - begin;
    if (count == 1) return std::to_string(begin + 1);
    return Concat(count == 0 ? begin : begin + 1, ",", count);
  }

  bool AddLines(char mark, const Lines& lines, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      std::string_view line = lines[i];
      const bool ended = line.ends_with('\n');
      if (ended) line.remove_suffix(1);
      std::string text(1, mark);
      const std::string_view shown = TruncateUtf8(line, limits_.max_line_bytes);
      text.append(shown);
      if (shown.size() < line.size()) {
        AppendTo(&text, "... (", line.size() - shown.size(), " bytes more)");
        diff_.complete = false;
      }
      if (!Add(std::move(text))) return false;
      if (!ended && !Add("\\ No newline at end of file")) return false;
    }
    return true;
  }

  bool Add(std::string line) {
    bytes_ += line.size() + 1;
    if (bytes_ > limits_.max_bytes) return false;
    diff_.lines.push_back(std::move(line));
    return true;
  }

  const Lines& before_;
  const Lines& after_;
  const DiffLimits& limits_;
  TextDiff& diff_;
  size_t bytes_ = 0;
};

// For texts that differ too much: each line against its like, wherever it is.
void CountOnly(const std::vector<uint32_t>& old_lines,
               const std::vector<uint32_t>& new_lines, size_t numbers,
               TextDiff* diff) {
  std::vector<int64_t> surplus(numbers, 0);
  for (const uint32_t line : old_lines) --surplus[line];
  for (const uint32_t line : new_lines) ++surplus[line];
  for (const int64_t count : surplus) {
    if (count > 0) diff->added += static_cast<size_t>(count);
    if (count < 0) diff->removed += static_cast<size_t>(-count);
  }
  diff->complete = false;
}

}  // namespace

TextDiff DiffTexts(std::string_view before, std::string_view after,
                   const DiffLimits& limits) {
  TextDiff diff;
  const Lines old_lines = SplitLines(before);
  const Lines new_lines = SplitLines(after);
  const size_t shorter = std::min(old_lines.size(), new_lines.size());
  size_t head = 0;
  while (head < shorter && old_lines[head] == new_lines[head]) ++head;
  size_t tail = 0;
  while (tail < shorter - head && old_lines[old_lines.size() - 1 - tail] ==
                                      new_lines[new_lines.size() - 1 - tail]) {
    ++tail;
  }
  Numbers numbers;
  const auto old_numbers = numbers.Of(old_lines, head, old_lines.size() - tail);
  const auto new_numbers = numbers.Of(new_lines, head, new_lines.size() - tail);

  std::vector<Change> changes;
  if (old_numbers.empty() || new_numbers.empty()) {
    // All added or all removed: nothing to search.
    changes.push_back({0, old_numbers.size(), 0, new_numbers.size()});
    if (old_numbers.size() + new_numbers.size() == 0) changes.clear();
  } else if (Search search(old_numbers, new_numbers, limits); search.Run()) {
    changes = search.Changes();
  } else {
    CountOnly(old_numbers, new_numbers, numbers.count(), &diff);
    return diff;
  }
  for (Change& change : changes) {
    diff.removed += change.old_end - change.old_begin;
    diff.added += change.new_end - change.new_begin;
    change.old_begin += head, change.old_end += head;
    change.new_begin += head, change.new_end += head;
  }
  HunkWriter(old_lines, new_lines, limits, &diff).Write(changes);
  return diff;
}

}  // namespace sallyport
