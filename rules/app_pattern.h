#ifndef SALLYPORT_RULES_APP_PATTERN_H_
#define SALLYPORT_RULES_APP_PATTERN_H_

// The `app` field: its text, and the pattern it stands for. Values; any thread
// may read one at once; Matches does not allocate and is bounded by
// wildcards x path length, whatever the two are.
//
// The text is UTF-8 without control characters, so that it can stand in TOML,
// JSON, a terminal and a log as it is, while the path it names is any bytes:
//
//   any               everything, also packets that nobody was found for
//   /usr/bin/curl     this path, byte for byte
//   \xNN              the byte NN (a newline: \x0a). In TOML: 'C:\x0a' or
//                     "C:\\x0a"
//   \* \? \[ \] \\    that character itself
//   *                 bytes within one path component, also none
//   **                bytes, also '/'; as a whole component ("/opt/**/bin")
//                     any number of components, also none
//   ?                 one byte, not '/'
//   [abc] [a-z] [!a]  one byte of the set, or not of it; never '/'
//
// The text of a path: ExactAppText("/tmp/a\n*") is "/tmp/a\x0a\*" (CASES A38).

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport {

inline constexpr std::string_view kAnyApp = "any";

// PATH_MAX: what the kernel can hand out as a path.
inline constexpr size_t kMaxAppPathBytes = 4096;
// Every byte written as \xNN.
inline constexpr size_t kMaxAppTextBytes = 4 * kMaxAppPathBytes;
// More than anybody needs; bounds the time of one Matches.
inline constexpr size_t kMaxGlobWildcards = 64;

class AppPattern {
 public:
  enum class Kind : uint8_t { kAny, kExact, kGlob };

  // The status says what is wrong with `text` and what to write instead.
  static absl::StatusOr<AppPattern> Parse(std::string_view text);

  // `path` as the kernel gives it. kAny matches everything.
  bool Matches(std::string_view path) const;

  Kind kind() const { return kind_; }
  // kExact: the path. kGlob: what every match begins with.
  const std::string& prefix() const { return prefix_; }
  // Bytes that are in every match: how specific the pattern is. The slash of a
  // "**/" component is not one of them.
  size_t literal_bytes() const { return literal_bytes_; }

 private:
  enum class Step : uint8_t {
    kLiteral,
    kOneByte,     // ?
    kSet,         // [...]
    kWithinName,  // *
    kAcross,      // **
    kComponents,  // **/ at the begin of a component
  };
  struct Token {
    Step step;
    std::string literal;   // kLiteral
    std::bitset<256> set;  // kSet
  };
  class Parser;
  class Positions;

  bool MatchTokens(std::string_view path) const;
  void Finish();

  Kind kind_ = Kind::kAny;
  std::string prefix_;
  std::string suffix_;  // what every match ends with
  size_t literal_bytes_ = 0;
  std::vector<Token> tokens_;  // kGlob: what follows `prefix_`
};

// The text that stands for exactly `path` (any bytes but NUL).
std::string ExactAppText(std::string_view path);

// `typed` with invisible characters and bytes that are not UTF-8 written as
// \xNN, wildcards kept: for what a shell, a TOML string or JSON hands in.
std::string CleanAppText(std::string_view typed);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_APP_PATTERN_H_
