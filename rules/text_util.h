#ifndef SALLYPORT_RULES_TEXT_UTIL_H_
#define SALLYPORT_RULES_TEXT_UTIL_H_

// Small helpers for texts that people typed and messages that people read.
// Pure; any thread.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sallyport {

// Abseil may have been built with a string_view of its own (Debian's is). These
// let std::string_view through in either case.
inline absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}
template <typename T>
const T& ToAbslArgument(const T& value) {
  return value;
}
inline absl::string_view ToAbslArgument(std::string_view text) {
  return ToAbsl(text);
}
template <typename... Args>
std::string Concat(const Args&... args) {
  return absl::StrCat(ToAbslArgument(args)...);
}
template <typename... Args>
void AppendTo(std::string* out, const Args&... args) {
  absl::StrAppend(out, ToAbslArgument(args)...);
}
inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}

// Long enough for any honest value; a hostile one must not fill the log.
inline constexpr size_t kMaxQuotedBytes = 120;

// 'text' for a message: control characters and bytes that are not UTF-8 become
// \xNN, and what is longer than kMaxQuotedBytes is cut.
std::string QuoteForMessage(std::string_view text);

// Bytes of the UTF-8 character that starts at `text[at]`; 0 if there is none
// (malformed, overlong, surrogate, above U+10FFFF). Its code point goes to
// `code_point`, which may be null.
size_t Utf8Length(std::string_view text, size_t at, char32_t* code_point);

// Characters that a reviewer of a rule file cannot see or that reorder what he
// sees: control characters, bidi controls, zero-width and line separators.
bool IsInvisible(char32_t code_point);

// The candidate nearest to `text`, if it is near enough to be a slip of the
// finger (edit distance of at most 2, and less than half of the word).
std::optional<std::string_view> NearestWord(
    std::string_view text, std::span<const std::string_view> candidates);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_TEXT_UTIL_H_
