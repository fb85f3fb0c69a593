#ifndef SALLYPORT_SRC_API_JSON_H_
#define SALLYPORT_SRC_API_JSON_H_

// JSON in and out of the control API. Parsing is bounded (depth, size is the
// server's) and never throws; printing never fails on text that is not UTF-8.
// An error can carry the field it is about. Include in .cc files only.

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

inline constexpr int kMaxJsonDepth = 32;  // levels; our bodies need four

// A status with the name of the field at fault (F28: clients are told).
absl::Status FieldError(std::string_view field, std::string_view message);
std::string FieldOf(const absl::Status& status);  // "" if it has none

// The whole text is one JSON object, no duplicate keys.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text);

// The same, and no member has another name than `known`.
absl::StatusOr<nlohmann::json> ParseBody(
    std::string_view text, std::initializer_list<std::string_view> known);

// A message that quotes what it needs to quote: control characters (but for
// line ends), what is not UTF-8 and what reorders text become \xNN; backslashes
// stay. (For text of programs: Escape.)
std::string SafeMessage(std::string_view message);

// One line. Text that is not UTF-8 does not fail (Escape it first, escape.h).
std::string PrintJson(const nlohmann::json& json);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_JSON_H_
