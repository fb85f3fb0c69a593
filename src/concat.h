#ifndef SALLYPORT_SRC_CONCAT_H_
#define SALLYPORT_SRC_CONCAT_H_

// absl::StrCat that takes std::string_view too: an Abseil that was built for
// C++14 (Debian 12) has a string_view of its own, which does not convert.

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sallyport {

inline absl::string_view ForAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}
template <typename T>
const T& ForAbsl(const T& part) {
  return part;
}
inline std::string_view ForStd(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  return absl::StrCat(ForAbsl(parts)...);
}

}  // namespace sallyport

#endif  // SALLYPORT_SRC_CONCAT_H_
