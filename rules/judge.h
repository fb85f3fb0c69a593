#ifndef SALLYPORT_RULES_JUDGE_H_
#define SALLYPORT_RULES_JUDGE_H_

// From a flow and its owners to a decision. Pure; wait-free; no allocation.

#include <memory>

#include "rules/flow.h"
#include "rules/owner.h"
#include "rules/rule_set.h"
#include "rules/verdict.h"

namespace sallyport {

struct JudgeSettings {
  Mode mode = Mode::kMonitor;
  Verdict default_verdict = Verdict::kAllow;       // known app, no rule
  Verdict unattributed_verdict = Verdict::kAllow;  // no owner, no rule
  bool operator==(const JudgeSettings&) const = default;
};

// What workers judge by: published as one, so that no packet sees the rules of
// one moment and the mode of another.
struct PolicySnapshot {
  std::shared_ptr<const RuleSet> rules;
  JudgeSettings settings;
  uint64_t generation = 0;  // counts publications
};

struct Judgement {
  Decision decision;
  bool needs_sha256 = false;  // then `decision` is not to be used yet
  uint8_t decisive_owner = 0;  // index of the owner that decided
};

// The most restrictive decision over all owners (deny over reject over allow).
// No owner: rules with app = "any" still apply, then the unattributed default.
Judgement Judge(const PolicySnapshot& policy, const Flow& flow,
                const Ownership& ownership);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_JUDGE_H_
