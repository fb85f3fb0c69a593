#include "rules/builtin_rules.h"

#include "rules/app_pattern.h"

namespace sallyport {

Rule BuiltinLoopbackRule() {
  Rule rule;
  rule.name = std::string(kBuiltinLoopbackName);
  rule.policy = RulePolicy::kAllow;
  rule.app = std::string(kAnyApp);
  rule.to = {ScopeKeyword::kLoopback};
  rule.log = false;
  rule.description = "programs may talk to this machine itself";
  rule.origin = std::string(kBuiltinOrigin);
  return rule;
}

}  // namespace sallyport
