#include "rules/text_util.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"

namespace sallyport {
namespace {

// Two neighbours swapped count as one slip.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substituted});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

size_t Utf8Length(std::string_view text, size_t at, char32_t* code_point) {
  if (at >= text.size()) return 0;
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[at + i]);
  };
  const unsigned char lead = byte(0);
  size_t length = 1;
  char32_t value = lead;
  char32_t least = 0;
  if (lead >= 0x80) {
    if ((lead & 0xe0) == 0xc0) {
      length = 2, value = lead & 0x1f, least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      length = 3, value = lead & 0x0f, least = 0x800;
    } else if ((lead & 0xf8) == 0xf0) {
      length = 4, value = lead & 0x07, least = 0x10000;
    } else {
      return 0;
    }
    if (text.size() - at < length) return 0;
    for (size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return 0;
      value = value << 6 | (byte(i) & 0x3f);
    }
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < least || value > 0x10ffff || surrogate) return 0;
  }
  if (code_point != nullptr) *code_point = value;
  return length;
}

bool IsInvisible(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) ||  // C0, DEL, C1
         c == 0xad || c == 0x61c ||              // soft hyphen, Arabic mark
         (c >= 0x200b && c <= 0x200f) ||         // zero width, LRM, RLM
         (c >= 0x2028 && c <= 0x202e) ||         // separators, bidi embedding
         (c >= 0x2060 && c <= 0x206f) ||         // joiners, bidi isolates
         c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe007f);  // tags
}

std::string QuoteForMessage(std::string_view text) {
  std::string quoted = "'";
  for (size_t i = 0; i < text.size();) {
    if (quoted.size() >= kMaxQuotedBytes) {
      AppendTo(&quoted, "...");
      break;
    }
    char32_t code_point = 0;
    const size_t length = Utf8Length(text, i, &code_point);
    if (length != 0 && !IsInvisible(code_point)) {
      AppendTo(&quoted, text.substr(i, length));
      i += length;
    } else {
      const size_t bytes = std::max<size_t>(length, 1);
      for (size_t j = 0; j < bytes; ++j, ++i) {
        absl::StrAppendFormat(&quoted, "\\x%02x",
                              static_cast<unsigned char>(text[i]));
      }
    }
  }
  AppendTo(&quoted, "'");
  return quoted;
}

std::optional<std::string_view> NearestWord(
    std::string_view text, std::span<const std::string_view> candidates) {
  if (text.size() > kMaxQuotedBytes) return std::nullopt;
  size_t least = 3;
  std::optional<std::string_view> nearest;
  for (std::string_view candidate : candidates) {
    const size_t distance = EditDistance(text, candidate);
    if (distance < least && distance * 2 < std::max<size_t>(text.size(), 2)) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace sallyport
