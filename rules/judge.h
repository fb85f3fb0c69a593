#ifndef SALLYPORT_RULES_JUDGE_H_
#define SALLYPORT_RULES_JUDGE_H_

// From a flow and its owners to a decision. Pure; wait-free; no allocation; any
// thread may call it with a snapshot that it holds.
//
// Monitor: the verdict is always allow, `judged` is what rules and defaults
// say. Learn: what a rule says is done, what none speaks of is allowed, with
// `judged` as the defaults say. Lockdown: denied, but what a rule of
// kLockdownPriority or more allows, and what comes from or goes to loopback,
// which is judged as in enforce. So no mode but monitor ever lets through what
// a rule turns away in enforce, and lockdown lets through nothing more at all.

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

// Rules that still allow in mode lockdown have at least this priority.
inline constexpr int32_t kLockdownPriority = 1000;

struct Judgement {
  Decision decision;
  Needs needs = 0;             // if any, `decision` is not to be used yet
  uint8_t decisive_owner = 0;  // index of the owner that decided
};

// The most restrictive decision over all owners: deny over reject over allow;
// of equals the first owner decides, in mode learn the first that no rule
// speaks of. Nothing is needed where another owner's deny has settled it
// anyway.
// No owner (also Confidence::kKernel): rules with app = "any" still apply, with
// the uid of the socket, then the unattributed default. An owner without an
// app, or with Kind::kKernel, is no known app: same default.
Judgement Judge(const PolicySnapshot& policy, const Flow& flow,
                const Ownership& ownership);

// Counts the flow against the `rate` of the rule that allows it; where that is
// used up, the judgement becomes deny, Reason::kRate. For packets, once each,
// after nothing is needed any more; not for what is only asked (explain) or was
// allowed before. `now_ns` is MonotonicNs. Lock-free.
void CountFlow(const PolicySnapshot& policy, const Ownership& ownership,
               int64_t now_ns, Judgement* judgement);

// The same for one owner: what Judge and Explain are made of.
Judgement JudgeSubject(const PolicySnapshot& policy, const Flow& flow,
                       const Subject& subject);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_JUDGE_H_
