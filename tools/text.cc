#include "tools/text.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_format.h"
#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

bool IsControl(char32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

const char* Sgr(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kBold:
      return "\033[1m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kCyan:
      return "\033[36m";
  }
  return "";
}

// The byte where column `column` of well-formed UTF-8 begins.
size_t ByteOfColumn(std::string_view text, size_t column) {
  size_t at = 0;
  while (at < text.size() && column > 0) {
    ++at;
    while (at < text.size() &&
           (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) {
      ++at;
    }
    --column;
  }
  return at;
}

}  // namespace

std::string EscapeForTerminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    char32_t code_point = 0;
    const size_t length = Utf8Length(text, at, &code_point);
    const std::string_view bytes = text.substr(at, std::max<size_t>(length, 1));
    at += bytes.size();
    if (length == 0 || IsControl(code_point)) {
      for (char c : bytes) {
        absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(c));
      }
    } else if (IsInvisible(code_point)) {
      absl::StrAppendFormat(&out, "\\u{%04x}",
                            static_cast<uint32_t>(code_point));
    } else {
      out.append(bytes);
    }
  }
  return out;
}

std::string EscapeLines(std::string_view text, size_t indent) {
  std::string out;
  for (std::string_view line : Split(text, '\n')) {
    if (!out.empty()) {
      out.push_back('\n');
      out.append(indent, ' ');
    }
    AppendTo(&out, EscapeForTerminal(line));
  }
  return out;
}

std::string Paint(Colour colour, std::string_view text, bool enabled) {
  if (!enabled || colour == Colour::kNone || text.empty()) {
    return std::string(text);
  }
  return Concat(Sgr(colour), text, "\033[0m");
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  size_t end = 0;
  while ((end = text.find(separator)) != text.npos) {
    out.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  out.push_back(text);
  return out;
}

size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string Fit(std::string_view text, size_t columns) {
  std::string safe = EscapeForTerminal(text);
  const size_t width = Width(safe);
  if (width <= columns) return safe.append(columns - width, ' ');
  if (columns == 0) return "";
  const size_t head = (columns - 1) / 2;
  const size_t tail = columns - 1 - head;
  return Concat(
      std::string_view(safe).substr(0, ByteOfColumn(safe, head)), "…",
      std::string_view(safe).substr(ByteOfColumn(safe, width - tail)));
}

void Table::AddRow(std::vector<Cell> row) {
  assert(row.size() == head_.size());
  for (Cell& cell : row) cell.text = EscapeForTerminal(cell.text);
  rows_.push_back(std::move(row));
}

std::string Table::Render(bool colour) const {
  std::vector<size_t> widths(head_.size(), 0);
  size_t last = 0;
  for (size_t c = 0; c < head_.size(); ++c) {
    for (const auto& row : rows_) {
      widths[c] = std::max(widths[c], Width(row[c].text));
    }
    if (widths[c] == 0) continue;  // nobody has it: no column
    widths[c] = std::max(widths[c], Width(head_[c]));
    last = c;
  }
  std::string out;
  const auto append = [&](size_t c, std::string_view text, Colour paint) {
    if (widths[c] == 0) return;
    AppendTo(&out, Paint(paint, text, colour));
    if (c == last) return;
    out.append(widths[c] - Width(text) + 2, ' ');
  };
  for (size_t c = 0; c < head_.size(); ++c) {
    append(c, head_[c], Colour::kDim);
  }
  out.push_back('\n');
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) {
      append(c, row[c].text, row[c].colour);
    }
    while (out.ends_with(' ')) out.pop_back();
    out.push_back('\n');
  }
  return out;
}

}  // namespace sallyport::cli
