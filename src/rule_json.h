#ifndef SALLYPORT_SRC_RULE_JSON_H_
#define SALLYPORT_SRC_RULE_JSON_H_

// Rules as JSON: the RULE shape of DESIGN.md. Include in .cc files only
// (nlohmann's header is heavy). Pure; any thread.

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "rules/rule.h"
#include "src/api_json.h"
#include "src/rule_store.h"

namespace sallyport {

nlohmann::json RuleToJson(const StoredRule& stored);
nlohmann::json RuleToJson(const Rule& rule);

// Sets the fields of `rule` that `object` has. Fields we add when showing
// (origin, read_only, index) are accepted and ignored, so that what GET gave
// can be PUT back. Unknown field, wrong type or bad value: a FieldError that
// names the field.
absl::Status ApplyRuleJson(const nlohmann::json& object, Rule* rule);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_JSON_H_
