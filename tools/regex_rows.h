#ifndef SALLYPORT_TOOLS_REGEX_ROWS_H_
#define SALLYPORT_TOOLS_REGEX_ROWS_H_

// A regular expression taken apart into rows: alternatives without
// alternation, each a sequence of "this many bytes of this set". For reading
// the expressions in other firewalls' rules as lists of paths, names and
// addresses; not a matcher. Understands what stands in such rules (Go's RE2
// syntax): literals, . [] () | ? * + {m,n} ^ $ \d \w \s (?i) (?:); the rest is
// an error that names it. Pure; bounded by the limits below.
//
//   ^/usr/bin/(a|b)$   two rows: "/usr/bin/a", "/usr/bin/b", both anchored
//   .*\.example\.com$  one row: "." "example" "." "com", open at its begin

#include <bitset>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport::cli {

using ByteSet = std::bitset<256>;

struct RegexStep {
  static constexpr size_t kNoEnd = std::numeric_limits<size_t>::max();

  ByteSet set;
  size_t min = 1;
  size_t max = 1;  // kNoEnd: any number

  bool IsOne() const { return min == 1 && max == 1; }
  // One byte that is always the same.
  bool IsLiteral() const { return IsOne() && set.count() == 1; }
  // "." and the like: everything but the newline.
  bool IsAny() const { return (ByteSet(set).set('\n')).all(); }
  char literal() const;  // REQUIRES: IsLiteral()
};

struct RegexRow {
  std::vector<RegexStep> steps;
  // Anchored by ^ and $. A ".*" at an end is taken away: that end is open.
  bool begin = false;
  bool end = false;
  bool says_open_end = false;  // there was a ".*", not just no $
};

struct Regex {
  std::vector<RegexRow> rows;  // none has an anchor inside
  size_t lost_rows = 0;        // those that had
  bool ignores_case = false;   // (?i)
  // \D and the like: what lower-casing the expression would turn around.
  bool has_upper_class = false;
};

inline constexpr size_t kMaxRegexBytes = 4096;  // as PATH_MAX
inline constexpr size_t kMaxRegexDepth = 32;    // of groups
inline constexpr size_t kMaxRegexRows = 256;    // alternatives, multiplied out
inline constexpr size_t kMaxRegexSteps = 16'384;  // of all rows: 1 MB
inline constexpr size_t kMaxRegexRepeat = 1000;   // RE2's own limit of {n}

absl::StatusOr<Regex> ParseRegex(std::string_view text);

// Whether `regex` matches `text`; only for short texts (at most 63 bytes).
// Rows that were lost do not count.
bool RegexMatches(const Regex& regex, std::string_view text);

// `text` as an expression that matches it and nothing else.
std::string QuoteRegex(std::string_view text);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_REGEX_ROWS_H_
