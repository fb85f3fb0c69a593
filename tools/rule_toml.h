#ifndef SALLYPORT_TOOLS_RULE_TOML_H_
#define SALLYPORT_TOOLS_RULE_TOML_H_

// Rules between the API's JSON and the text of rule files. Pure functions.

#include <string>

#include "absl/status/statusor.h"
#include "rules/rule.h"
#include "tools/api_client.h"

namespace sallyport::cli {

// RULE as a [[rule]] table; what only the API shows (origin, read_only, index)
// and defaults are left out.
std::string RuleToToml(const Json& rule);

// The rule of which `json` is the text, if this version has rules like it: all
// of its fields are known and right. The status is "FIELD: what is wrong".
absl::StatusOr<Rule> RuleOfJson(const Json& json);

// A parsed rule as the API takes it.
Json RuleToApi(const Rule& rule);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_TOML_H_
