#ifndef SALLYPORT_RULES_RULE_SET_H_
#define SALLYPORT_RULES_RULE_SET_H_

// RuleSet: an immutable, indexed set of rules. Built aside by one thread, then
// read by any number of threads at once without synchronisation. Match never
// locks, allocates or waits, and costs the same however many rules other apps
// have.
//
// Precedence, the first difference decides:
//   1. higher `priority`;
//   2. more specific app: a path, then globs by their number of literal bytes,
//      then "any";
//   3. more specific destination: an address or longer prefix, then a range,
//      a keyword, everywhere. A rule with several counts as its widest;
//   4. deny and reject, then local-only, then allow;
//   5. name.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rules/app_index.h"
#include "rules/destination_index.h"
#include "rules/flow.h"
#include "rules/owner.h"
#include "rules/rule.h"
#include "rules/rule_match.h"

namespace sallyport {

// When a set is built: rules that have expired or are outside their hours are
// listed, but do not match.
struct Moment {
  absl::Time time = absl::UnixEpoch();
  absl::TimeZone zone = absl::UTCTimeZone();
  int64_t boot_ns = 0;  // CLOCK_BOOTTIME
};

struct MatchResult {
  uint32_t rule = UINT32_MAX;  // index into rules(), kNoRule if none matched
  // Rules that could win ask for these facts, which are not known yet: look
  // them up (slow lane), then match again. 0: `rule` is the answer.
  Needs needs = 0;
};

class RuleSet {
 public:
  // Takes the rules in any order; those that are disabled or asleep at `moment`
  // are kept for listing but never match. Rules that stand in `before` too go
  // on with their buckets (`rate`) and deadlines. Errors: InvalidArgument
  // (duplicate name, rule invalid), ResourceExhausted (more than kMaxRules).
  static absl::StatusOr<std::shared_ptr<const RuleSet>> Build(
      std::vector<Rule> rules, const Moment& moment = {},
      const RuleSet* before = nullptr);

  // The moment at which another set has to be built of the same rules, since
  // one expires or its hours begin or end; InfiniteFuture if never.
  absl::Time next_change() const { return next_change_; }
  // kNone, kDisabled, kExpired or kNotDuring.
  // REQUIRES: index < rules().size()
  Mismatch asleep(uint32_t index) const { return asleep_[index]; }

  MatchResult Match(const Subject& subject, const Flow& flow) const;

  // All rules in order of precedence: the first that matches wins.
  std::span<const Rule> rules() const { return rules_; }

  // What a verdict needs of a rule, without touching the rule itself.
  // REQUIRES: index < rules().size()
  RulePolicy policy(uint32_t index) const { return heads_[index].policy; }
  bool log(uint32_t index) const { return heads_[index].log; }
  int32_t priority(uint32_t index) const { return heads_[index].priority; }
  // What counts the flows of a rule with `rate`; null: it has none.
  RateLimiter* limiter(uint32_t index) const { return heads_[index].limiter; }

  // True if rules()[index] names its apps by path or glob, not "any".
  // REQUIRES: index < rules().size()
  bool ByPath(uint32_t index) const {
    return bucket_of_[index] != AppIndex::kAnyBucket;
  }

  // Indexes of the rules whose app field matches `app` (null: "any" only),
  // whatever their other conditions, disabled ones too. Allocates; looks at
  // every rule; for explain, not for packets.
  std::vector<uint32_t> RulesAbout(const App* app) const;

 private:
  struct Head {
    int32_t priority;
    RulePolicy policy;
    bool log;
    RateLimiter* limiter;  // limiters_ has it
  };

  RuleSet() = default;
  void GoOnFrom(const RuleSet& before);
  void MakeLimiters();
  void FallAsleep(const Moment& moment);

  // Constant after Build. Parallel, in order of precedence.
  std::vector<Rule> rules_;
  std::vector<Head> heads_;
  std::vector<uint32_t> bucket_of_;  // in apps_
  std::vector<Mismatch> asleep_;
  absl::Time next_change_ = absl::InfiniteFuture();
  // Shared with the sets before and after, so that a change of other rules
  // fills nobody's bucket.
  absl::flat_hash_map<std::string, std::shared_ptr<RateLimiter>> limiters_;
  AppIndex apps_;
  DestinationIndex destinations_;  // borrows rules_
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_SET_H_
