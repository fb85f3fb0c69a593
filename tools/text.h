#ifndef SALLYPORT_TOOLS_TEXT_H_
#define SALLYPORT_TOOLS_TEXT_H_

// Text as a terminal may see it. What programs choose (paths, arguments,
// descriptions) can hold escape sequences, newlines and bidi overrides that
// make one line look like another (CASES A38); everything here goes through
// EscapeForTerminal, so a table cannot be forged by the name of a binary.
//
//   Table table({"NAME", "POLICY"});
//   table.AddRow({{"curl"}, {"allow", Colour::kGreen}});
//   std::fputs(table.Render(session.colour).c_str(), stdout);
//
// Pure functions and values; any thread.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace sallyport::cli {

// Control characters, and bytes that are no UTF-8, become \xNN; code points
// that change direction, join or hide become \u{XXXX}. The rest stays.
std::string EscapeForTerminal(std::string_view text);

// The same for a text of several lines (the daemon's list of errors): the line
// breaks stay, each followed by `indent` blanks.
std::string EscapeLines(std::string_view text, size_t indent);

enum class Colour : uint8_t {
  kNone,
  kBold,
  kDim,
  kRed,
  kGreen,
  kYellow,
  kCyan
};

// `text` between the SGR codes of `colour`; `text` alone if not `enabled`.
std::string Paint(Colour colour, std::string_view text, bool enabled);

// The parts of `text` between `separator`s, empty ones too.
std::vector<std::string_view> Split(std::string_view text, char separator);

// All of `text` as a decimal number.
template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stop == end && !text.empty();
}

// Columns that escaped `text` takes: one per code point.
size_t Width(std::string_view text);

// Escaped `text` brought to `columns`: padded, or cut with an ellipsis in the
// middle, where paths differ least.
std::string Fit(std::string_view text, size_t columns);

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
};

// Left-aligned columns, two blanks apart, the last one unpadded. Empty columns
// are left out.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : head_(std::move(head)) {}

  // REQUIRES: as many cells as the head has.
  void AddRow(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }
  std::string Render(bool colour) const;

 private:
  const std::vector<std::string> head_;
  std::vector<std::vector<Cell>> rows_;  // texts are escaped already
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_TEXT_H_
