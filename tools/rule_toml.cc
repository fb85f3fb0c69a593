#include "tools/rule_toml.h"

#include <nlohmann/json.hpp>

#include "rules/rule_schema_json.h"
#include "rules/rule_text.h"

namespace sallyport::cli {

std::string RuleToToml(const Json& json) {
  Rule rule;
  for (const RuleField& field : RuleFields()) {
    const auto at = json.find(field.name);
    // The daemon's own rules: a value that we do not know is a newer daemon's.
    if (at != json.end()) (void)FieldFromJson(field, *at, &rule);
  }
  return PrintRules({&rule, 1});
}

Json RuleToApi(const Rule& rule) {
  Json json = Json::object();
  for (const RuleField& field : RuleFields()) {
    if (!field.is_required && IsDefault(field, rule)) continue;
    json[std::string(field.name)] = FieldToJson<Json>(field, rule);
  }
  return json;
}

}  // namespace sallyport::cli
