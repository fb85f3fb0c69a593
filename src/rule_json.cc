#include "src/rule_json.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "rules/rule_schema_json.h"
#include "rules/text_util.h"
#include "src/escape.h"

namespace sallyport {
namespace {

using nlohmann::json;

// Shown, not set.
constexpr std::string_view kOnlyShown[] = {"origin", "read_only", "index"};

}  // namespace

json RuleToJson(const Rule& rule) {
  json out = json::object();
  for (const RuleField& field : RuleFields()) {
    out[std::string(field.name)] = FieldToJson<json>(field, rule);
  }
  out["origin"] = Escape(rule.origin);
  return out;
}

json RuleToJson(const StoredRule& stored) {
  json out = RuleToJson(stored.rule);
  out["read_only"] = stored.read_only;
  out["index"] = stored.index;
  return out;
}

absl::Status ApplyRuleJson(const json& object, Rule* rule) {
  for (const auto& [name, value] : object.items()) {
    const RuleField* field = FindRuleField(name);
    if (field == nullptr) {
      if (std::find(std::begin(kOnlyShown), std::end(kOnlyShown), name) !=
          std::end(kOnlyShown)) {
        continue;
      }
      return FieldError(name, UnknownFieldMessage("field", name));
    }
    const absl::Status status = FieldFromJson(*field, value, rule);
    if (!status.ok()) return FieldError(name, MessageOf(status));
  }
  return absl::OkStatus();
}

}  // namespace sallyport
