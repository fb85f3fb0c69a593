#include "src/escape.h"

#include <array>
#include <cstdint>

namespace sallyport {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Bytes that are copied as they are, whatever stands beside them.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x7f; ++c) {
    plain[static_cast<size_t>(c)] = c != '\\' && c != '"';
  }
  return plain;
}();

uint8_t ByteAt(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// Length of the UTF-8 character at `i`, and its code point; 0 if there is
// none (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
size_t DecodeUtf8(std::string_view text, size_t i, uint32_t* code_point) {
  const uint8_t lead = ByteAt(text, i);
  size_t length = 0;
  uint32_t low = 0;
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  } else if ((lead & 0xe0) == 0xc0) {
    length = 2, low = 0x80, *code_point = lead & 0x1f;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, low = 0x800, *code_point = lead & 0x0f;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, low = 0x10000, *code_point = lead & 0x07;
  } else {
    return 0;
  }
  if (text.size() - i < length) return 0;
  for (size_t k = 1; k < length; ++k) {
    const uint8_t next = ByteAt(text, i + k);
    if ((next & 0xc0) != 0x80) return 0;
    *code_point = *code_point << 6 | (next & 0x3f);
  }
  const bool surrogate = *code_point >= 0xd800 && *code_point <= 0xdfff;
  if (*code_point < low || *code_point > 0x10ffff || surrogate) return 0;
  return length;
}

// Characters that are valid and yet not kept.
bool IsHazard(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) ||        // C0, DEL, C1
         c == 0x061c || c == 0x200e || c == 0x200f ||  // bidi marks
         (c >= 0x2028 && c <= 0x202e) ||  // separators, embeddings, overrides
         (c >= 0x2066 && c <= 0x2069) ||  // isolates
         c == 0xfeff;                     // byte order mark
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
         (c >= 'A' && c <= 'F');
}

bool LooksEscaped(std::string_view text, size_t i) {
  return text.size() - i >= 4 && text[i + 1] == 'x' &&
         IsHexDigit(text[i + 2]) && IsHexDigit(text[i + 3]);
}

template <bool kJson>
void AppendHex(uint8_t byte, std::string* out) {
  if (kJson) out->push_back('\\');
  const char hex[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  out->append(hex, sizeof(hex));
}

template <bool kJson>
void AppendText(std::string_view text, std::string* out) {
  size_t i = 0;
  while (i < text.size()) {
    const size_t begin = i;
    while (i < text.size() && kPlain[ByteAt(text, i)]) ++i;
    out->append(text, begin, i - begin);
    if (i == text.size()) return;
    const char c = text[i];
    if (c == '"') {
      out->append(kJson ? "\\\"" : "\"");
      ++i;
      continue;
    }
    if (c == '\\') {
      if (LooksEscaped(text, i)) {
        AppendHex<kJson>('\\', out);
      } else {
        out->append(kJson ? "\\\\" : "\\");
      }
      ++i;
      continue;
    }
    uint32_t code_point = 0;
    const size_t length = DecodeUtf8(text, i, &code_point);
    if (length > 0 && !IsHazard(code_point)) {
      out->append(text, i, length);
      i += length;
      continue;
    }
    const size_t end = i + (length > 0 ? length : 1);
    for (; i < end; ++i) AppendHex<kJson>(ByteAt(text, i), out);
  }
}

}  // namespace

void AppendEscaped(std::string_view text, std::string* out) {
  AppendText<false>(text, out);
}

std::string Escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  AppendEscaped(text, &out);
  return out;
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendText<true>(text, out);
  out->push_back('"');
}

std::string_view TruncateUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  // At most three steps back: what is not UTF-8 is cut anywhere.
  for (int step = 0; step < 3 && end > 0; ++step) {
    if ((ByteAt(text, end) & 0xc0) != 0x80) return text.substr(0, end);
    --end;
  }
  if ((ByteAt(text, end) & 0xc0) != 0x80) return text.substr(0, end);
  return text.substr(0, max_bytes);
}

}  // namespace sallyport
