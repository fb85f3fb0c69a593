#ifndef SALLYPORT_RULES_RULE_SET_H_
#define SALLYPORT_RULES_RULE_SET_H_

// RuleSet: an immutable, indexed set of rules. Built aside by one thread, then
// read by any number of threads at once without synchronisation. Match never
// locks, allocates or waits, and costs the same however many rules other apps
// have. (Members are the implementer's.)

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rules/flow.h"
#include "rules/owner.h"
#include "rules/rule.h"

namespace sallyport {

// One holder of the socket, as rules see it. `app` null: nobody was found.
struct Subject {
  const App* app = nullptr;
  std::optional<uint32_t> uid;
};

struct MatchResult {
  uint32_t rule = UINT32_MAX;  // index into rules(), kNoRule if none matched
  // A rule that could win asks for a hash that `app` does not have yet: compute
  // it (slow lane), then match again.
  bool needs_sha256 = false;
};

class RuleSet {
 public:
  // Takes the rules in any order; disabled ones are kept for listing but never
  // match. Errors: InvalidArgument (duplicate name, rule invalid),
  // ResourceExhausted (more than kMaxRules).
  static absl::StatusOr<std::shared_ptr<const RuleSet>> Build(
      std::vector<Rule> rules);

  MatchResult Match(const Subject& subject, const Flow& flow) const;

  // All rules in order of precedence: the first that matches wins.
  std::span<const Rule> rules() const;
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_SET_H_
