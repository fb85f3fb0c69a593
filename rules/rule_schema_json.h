#ifndef SALLYPORT_RULES_RULE_SCHEMA_JSON_H_
#define SALLYPORT_RULES_RULE_SCHEMA_JSON_H_

// Fields of rules as JSON, for the daemon and the CLI. Templates over the JSON
// type (nlohmann's), so that rules/ itself needs no JSON library. Pure.

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rules/rule_schema.h"

namespace sallyport {

template <typename Json>
FieldValue FieldValueFromJson(const Json& value) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (value.is_string()) return value.template get<std::string>();
  if (value.is_boolean()) return value.template get<bool>();
  // A huge one must not wrap to something small; no field takes kMost either.
  if (value.is_number_unsigned() && value.template get<uint64_t>() > kMost) {
    return static_cast<int64_t>(kMost);
  }
  if (value.is_number_integer()) return value.template get<int64_t>();
  if (value.is_number()) return OtherValue{"a fraction"};
  if (value.is_array()) return OtherValue{"a list"};
  return OtherValue{value.is_null() ? "null" : "an object"};
}

// A list, a value, or null for a value that is not set.
template <typename Json>
Json FieldToJson(const RuleField& field, const Rule& rule) {
  Json list = Json::array();
  for (FieldValue& value : field.write(rule)) {
    if (auto* text = std::get_if<std::string>(&value)) {
      list.push_back(std::move(*text));
    } else if (const auto* number = std::get_if<int64_t>(&value)) {
      list.push_back(*number);
    } else if (const auto* boolean = std::get_if<bool>(&value)) {
      list.push_back(*boolean);
    } else if (const auto* time = std::get_if<absl::Time>(&value)) {
      list.push_back(FieldTimeText(*time));
    }
  }
  if (field.is_list) return list;
  return list.empty() ? Json(nullptr) : std::move(list.front());
}

// Sets the field to `value`: what FieldToJson gives, or the only element of a
// list. Unlike in rule files an empty list is no limit, and null is not set.
// The status does not name the field.
template <typename Json>
absl::Status FieldFromJson(const RuleField& field, const Json& value,
                           Rule* rule) {
  if (!field.is_required) field.clear(rule);
  if (value.is_null() && !field.is_required) return absl::OkStatus();
  if (!field.is_list || !value.is_array()) {
    return field.read(FieldValueFromJson(value), rule);
  }
  for (const Json& element : value) {
    const absl::Status status = field.read(FieldValueFromJson(element), rule);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_SCHEMA_JSON_H_
