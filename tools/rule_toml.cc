#include "tools/rule_toml.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "rules/rule_fields.h"

namespace sallyport::cli {
namespace {

// In the order in which people read a rule, as DESIGN shows it.
constexpr const char* kFields[] = {
    "name",    "policy", "app",        "sha256",    "user",
    "to",      "port",   "protocol",   "direction", "priority",
    "enabled", "log",    "description"};

bool IsDefault(const std::string& field, const Json& value) {
  if (value.is_null()) return true;
  if (value.is_array()) return value.empty();
  if (value.is_string()) return value == "";
  if (field == "priority") return value == 0;
  if (field == "enabled" || field == "log") return value == true;
  return false;
}

// JSON's strings, numbers, booleans and arrays are TOML's too, but for DEL,
// which TOML wants escaped.
std::string TomlValue(const Json& value) {
  const std::string text =
      value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return absl::StrReplaceAll(text, {{"\x7f", "\\u007f"}});
}

}  // namespace

std::string RuleToToml(const Json& rule) {
  std::string out = "[[rule]]\n";
  for (const char* field : kFields) {
    const auto at = rule.find(field);
    if (at == rule.end() || IsDefault(field, *at)) continue;
    if (std::string_view(field) == "direction" && *at == "out") continue;
    absl::StrAppendFormat(&out, "%-11s = %s\n", field, TomlValue(*at));
  }
  return out;
}

Json RuleToApi(const Rule& rule) {
  Json json = {{"name", rule.name},
               {"policy", RulePolicyName(rule.policy)},
               {"app", rule.app}};
  if (!rule.sha256.empty()) json["sha256"] = rule.sha256;
  for (const Destination& destination : rule.to) {
    json["to"].push_back(DestinationToString(destination));
  }
  for (const PortRange& range : rule.port) {
    if (range.first == range.last) {
      json["port"].push_back(range.first);
    } else {
      json["port"].push_back(PortToString(range));
    }
  }
  for (uint8_t protocol : rule.protocol) {
    json["protocol"].push_back(ProtocolName(protocol));
  }
  if (!rule.user.empty()) json["user"] = rule.user;
  json["priority"] = rule.priority;
  json["enabled"] = rule.enabled;
  json["log"] = rule.log;
  if (!rule.description.empty()) json["description"] = rule.description;
  return json;
}

}  // namespace sallyport::cli
