#include "tools/rule_toml.h"

#include <nlohmann/json.hpp>

#include "rules/rule_schema_json.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"

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

absl::StatusOr<Rule> RuleOfJson(const Json& json) {
  Rule rule;
  for (const auto& [name, value] : json.items()) {
    const RuleField* field = FindRuleField(name);
    if (field == nullptr) {
      return absl::InvalidArgumentError(UnknownFieldMessage("field", name));
    }
    const absl::Status status = FieldFromJson(*field, value, &rule);
    if (!status.ok()) {
      return absl::InvalidArgumentError(Concat(name, ": ", MessageOf(status)));
    }
  }
  if (absl::Status status = ValidateRule(rule); !status.ok()) return status;
  return rule;
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
