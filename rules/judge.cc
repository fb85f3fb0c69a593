#include "rules/judge.h"

#include <algorithm>
#include <cassert>

namespace sallyport {
namespace {

Verdict VerdictOf(RulePolicy policy, const Flow& flow) {
  switch (policy) {
    case RulePolicy::kAllow:
      return Verdict::kAllow;
    case RulePolicy::kReject:
      return Verdict::kReject;
    case RulePolicy::kLocalOnly:
      return Restricts(policy, flow) ? Verdict::kDeny : Verdict::kAllow;
    case RulePolicy::kDeny:
      break;
  }
  return Verdict::kDeny;
}

bool IsLoopback(const Flow& flow) {
  return ((ScopesOf(flow.dst) | ScopesOf(flow.src)) & kScopeLoopback) != 0;
}

Decision ByRule(const RuleSet& rules, uint32_t rule, const Flow& flow) {
  Decision decision;
  decision.judged = VerdictOf(rules.policy(rule), flow);
  decision.reason = Reason::kRule;
  decision.rule = rule;
  decision.log = rules.log(rule);
  return decision;
}

Decision ByDefault(const JudgeSettings& settings, const Subject& subject) {
  const bool known =
      subject.app != nullptr && subject.app->kind != App::Kind::kKernel;
  Decision decision;
  decision.judged =
      known ? settings.default_verdict : settings.unattributed_verdict;
  decision.reason = known ? Reason::kDefault : Reason::kUnattributed;
  return decision;
}

bool PassesLockdown(const RuleSet& rules, const Decision& decision,
                    const Flow& flow) {
  if (IsLoopback(flow)) return true;
  // A denying rule of that priority also keeps its name on the decision.
  return decision.rule != kNoRule &&
         rules.priority(decision.rule) >= kLockdownPriority;
}

// The strictest first: Verdict's values are in that order. What is done comes
// before what is only said: in mode learn a rule's reject is done, a default's
// deny is not. Learn also prefers what is to be learned.
bool Stricter(const Decision& a, const Decision& b) {
  if (a.verdict != b.verdict) return a.verdict < b.verdict;
  if (a.judged != b.judged) return a.judged < b.judged;
  return a.mode == Mode::kLearn && a.rule == kNoRule && b.rule != kNoRule;
}
static_assert(Verdict::kDeny < Verdict::kReject &&
              Verdict::kReject < Verdict::kAllow);

// Nothing stricter can come.
bool IsStrictest(const Decision& decision) {
  return decision.judged == Verdict::kDeny &&
         (decision.verdict == Verdict::kDeny ||
          decision.mode == Mode::kMonitor);
}

}  // namespace

Judgement JudgeSubject(const PolicySnapshot& policy, const Flow& flow,
                       const Subject& subject) {
  assert(policy.rules != nullptr);
  const RuleSet& rules = *policy.rules;
  const MatchResult match = rules.Match(subject, flow);
  Judgement judgement;
  judgement.needs = match.needs;
  Decision& decision = judgement.decision;
  decision = match.rule != kNoRule ? ByRule(rules, match.rule, flow)
                                   : ByDefault(policy.settings, subject);
  decision.mode = policy.settings.mode;
  switch (policy.settings.mode) {
    case Mode::kMonitor:
      decision.verdict = Verdict::kAllow;
      return judgement;
    case Mode::kLearn:
      decision.verdict =
          match.rule == kNoRule ? Verdict::kAllow : decision.judged;
      return judgement;
    case Mode::kEnforce:
      decision.verdict = decision.judged;
      return judgement;
    case Mode::kLockdown:
      if (!PassesLockdown(rules, decision, flow)) {
        decision.judged = Verdict::kDeny;
        decision.reason = Reason::kLockdown;
        decision.rule = kNoRule;
        decision.log = true;
      }
      decision.verdict = decision.judged;
      return judgement;
  }
  return judgement;
}

Judgement Judge(const PolicySnapshot& policy, const Flow& flow,
                const Ownership& ownership) {
  if (ownership.owners.empty()) {
    return JudgeSubject(policy, flow, {nullptr, ownership.socket_uid});
  }
  Judgement strictest;
  Needs needs = 0;
  // `decisive_owner` has eight bits; beyond them the count says enough.
  size_t index = 0;
  for (const auto& owner : ownership.owners) {
    Judgement judgement =
        JudgeSubject(policy, flow, {owner->app.get(), owner->uid});
    judgement.decisive_owner =
        static_cast<uint8_t>(std::min<size_t>(index, UINT8_MAX));
    // A deny that hangs on nothing settles the matter.
    if (judgement.needs == 0 && IsStrictest(judgement.decision)) {
      return judgement;
    }
    needs |= judgement.needs;
    if (index == 0 || Stricter(judgement.decision, strictest.decision)) {
      strictest = judgement;
    }
    ++index;
  }
  strictest.needs = needs;
  return strictest;
}

void CountFlow(const PolicySnapshot& policy, const Ownership& ownership,
               int64_t now_ns, Judgement* judgement) {
  Decision& decision = judgement->decision;
  if (decision.rule == kNoRule || decision.judged != Verdict::kAllow) return;
  RateLimiter* limiter = policy.rules->limiter(decision.rule);
  if (limiter == nullptr) return;
  uint64_t app_key = 1;  // all whose program was not found are one
  if (judgement->decisive_owner < ownership.owners.size()) {
    const App* app = ownership.owners[judgement->decisive_owner]->app.get();
    if (app != nullptr) app_key = HashAppPath(app->path) | 1;
  }
  if (limiter->Take(app_key, now_ns)) return;
  decision.judged = Verdict::kDeny;
  decision.reason = Reason::kRate;
  if (decision.mode != Mode::kMonitor) decision.verdict = Verdict::kDeny;
}

}  // namespace sallyport
