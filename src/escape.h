#ifndef SALLYPORT_SRC_ESCAPE_H_
#define SALLYPORT_SRC_ESCAPE_H_

// Text that a program chose (paths, command lines, user names), made harmless
// for logs, JSON and terminals (CASES A38). Valid UTF-8 is kept; every byte of
// what is not becomes the four characters \xNN (lower-case hex): C0 and C1
// control characters, DEL, bytes that are not UTF-8, line and paragraph
// separators, and the characters that reorder text (bidi marks, embeddings,
// overrides, isolates). A backslash is kept, unless it is followed by xNN in
// the original: then it becomes \x5c, so that no two texts look alike. Pure.

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport {

// Appends `text`, escaped as above.
void AppendEscaped(std::string_view text, std::string* out);
std::string Escape(std::string_view text);

// Appends `text` as a JSON string with its quotes: escaped as above, then as
// JSON asks. The result is valid JSON whatever `text` is.
void AppendJsonString(std::string_view text, std::string* out);

// The longest prefix of `text` of at most `max_bytes` that does not cut a
// UTF-8 character in two.
std::string_view TruncateUtf8(std::string_view text, size_t max_bytes);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_ESCAPE_H_
