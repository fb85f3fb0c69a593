#ifndef SALLYPORT_RULES_DESTINATION_NAME_H_
#define SALLYPORT_RULES_DESTINATION_NAME_H_

// Names of destinations as rules speak of them, and which part of a name is
// one owner's. Pure; any thread; every input is bounded by kMaxNameBytes.

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport {

inline constexpr size_t kMaxNameBytes = 253;  // RFC 1035, 2.3.4, as text
inline constexpr size_t kMaxLabelBytes = 63;

// `name` in lower case and without a final dot, if a rule can speak of it: at
// least two labels of a-z, 0-9, '-' and '_', the last of them no number. Else
// "": what looks like an address or a keyword of `to` must not become one.
std::string NormalName(std::string_view name);

// The domain that somebody has registered and `name` belongs to, itself if
// need be: "a.b.example.com" -> "example.com", "a.example.co.uk" ->
// "example.co.uk". "" if it belongs to nobody alone:
//   - a suffix under which anybody may register: two labels, the last a
//     country's two letters and the first a word such as co, com, ac, gov, or
//     one of a short list (idv.tw);
//   - a domain whose names are lent to strangers (cloudfront.net, github.io),
//     and everything below it.
// A list of the world's suffixes has ten thousand lines and ages; what this
// one lacks is a domain that groups too much, which the proposal shows.
// REQUIRES: NormalName(name) == name
std::string_view RegisteredDomain(std::string_view name);

// What a name in `to` stands for: "example.com" for itself and what is below
// it, "*.example.com" only for what is below.
bool NamePatternCovers(std::string_view pattern, std::string_view name);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_DESTINATION_NAME_H_
