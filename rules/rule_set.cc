#include "rules/rule_set.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "rules/app_pattern.h"
#include "rules/precedence.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

absl::Status RuleError(const Rule& rule, const std::string& what) {
  return absl::InvalidArgumentError(
      Concat(rule.origin, rule.origin.empty() ? "" : ": ", "rule ",
             QuoteForMessage(rule.name), ": ", what));
}

absl::Status CheckRules(const std::vector<Rule>& rules) {
  if (rules.size() > kMaxRules) {
    return absl::ResourceExhaustedError(
        Concat(rules.size(), " rules; the limit is ", kMaxRules));
  }
  size_t destinations = 0;
  absl::flat_hash_map<std::string, const Rule*> by_name;
  by_name.reserve(rules.size());
  for (const Rule& rule : rules) {
    const absl::Status status = ValidateRule(rule);
    if (!status.ok()) return RuleError(rule, MessageOf(status));
    // Such a rule would match nobody: a deny would be lost in silence.
    for (const auto& [field, users] : {std::pair("user", &rule.user),
                                       std::pair("not_user", &rule.not_user)}) {
      for (const RuleUser& user : *users) {
        if (!rule.enabled || user.id.has_value()) continue;
        return RuleError(rule, Concat(field, ": ", QuoteForMessage(user.text),
                                      " is not known on this system"));
      }
    }
    const auto [first, fresh] = by_name.try_emplace(rule.name, &rule);
    if (!fresh) {
      return RuleError(
          rule, first->second->origin.empty()
                    ? "name: already used by another rule"
                    : Concat("name: already used in ", first->second->origin));
    }
    destinations += rule.to.size();
  }
  if (destinations > kMaxDestinations) {
    return absl::ResourceExhaustedError(
        Concat(destinations, " destinations; the limit is ", kMaxDestinations));
  }
  return absl::OkStatus();
}

// kNone if the rule is awake; `change` becomes the moment at which that ends.
Mismatch AsleepAt(const Rule& rule, const Moment& moment, absl::Time* change) {
  if (!rule.enabled) return Mismatch::kDisabled;
  if (rule.expires.has_value()) {
    const absl::Time end =
        rule.ends_at_boot_ns.has_value()
            ? moment.time +
                  absl::Nanoseconds(*rule.ends_at_boot_ns - moment.boot_ns)
            : *rule.expires;
    if (end <= moment.time) return Mismatch::kExpired;
    *change = end;
  }
  if (!rule.during.has_value()) return Mismatch::kNone;
  *change =
      std::min(*change, rule.during->NextChange(moment.time, moment.zone));
  return rule.during->ActiveAt(moment.time, moment.zone) ? Mismatch::kNone
                                                         : Mismatch::kNotDuring;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSet::Build(
    std::vector<Rule> rules, const Moment& moment, const RuleSet* before) {
  const absl::Status status = CheckRules(rules);
  if (!status.ok()) return status;

  std::vector<AppPattern> patterns;
  std::vector<Precedence> precedences;
  patterns.reserve(rules.size());
  precedences.reserve(rules.size());
  for (const Rule& rule : rules) {
    patterns.push_back(*AppPattern::Parse(rule.app));  // validated above
    precedences.push_back(PrecedenceOf(rule, patterns.back()));
  }
  std::vector<uint32_t> order(rules.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return precedences[a] < precedences[b];
  });

  std::shared_ptr<RuleSet> set(new RuleSet);
  set->rules_.reserve(rules.size());
  set->heads_.reserve(rules.size());
  set->bucket_of_.reserve(rules.size());
  for (uint32_t i : order) {
    set->heads_.push_back(
        {rules[i].priority, rules[i].policy, rules[i].log, nullptr});
    set->bucket_of_.push_back(set->apps_.Add(rules[i].app, patterns[i]));
    set->rules_.push_back(std::move(rules[i]));
  }
  set->apps_.Finish();
  if (before != nullptr) set->GoOnFrom(*before);
  set->MakeLimiters();
  set->FallAsleep(moment);
  set->destinations_.Build(set->rules_, set->asleep_, set->bucket_of_,
                           set->apps_.bucket_count());
  return std::shared_ptr<const RuleSet>(std::move(set));
}

void RuleSet::GoOnFrom(const RuleSet& before) {
  absl::flat_hash_map<std::string_view, int64_t> deadlines;
  for (const Rule& rule : before.rules_) {
    if (rule.ends_at_boot_ns.has_value()) {
      deadlines.emplace(rule.name, *rule.ends_at_boot_ns);
    }
  }
  for (Rule& rule : rules_) {
    // Who sets another `expires` says so by a deadline of its own, or none.
    const auto found = deadlines.find(rule.name);
    if (found == deadlines.end() || rule.ends_at_boot_ns.has_value()) continue;
    const auto& old = *std::ranges::find(before.rules_, rule.name, &Rule::name);
    if (rule.expires == old.expires) rule.ends_at_boot_ns = found->second;
  }
  for (const Rule& rule : rules_) {
    const auto found = before.limiters_.find(rule.name);
    if (rule.rate.has_value() && found != before.limiters_.end() &&
        found->second->rate() == *rule.rate) {
      limiters_.insert(*found);
    }
  }
}

void RuleSet::MakeLimiters() {
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (!rules_[i].rate.has_value()) continue;
    std::shared_ptr<RateLimiter>& limiter = limiters_[rules_[i].name];
    if (limiter == nullptr) {
      limiter = std::make_shared<RateLimiter>(*rules_[i].rate);
    }
    heads_[i].limiter = limiter.get();
  }
}

void RuleSet::FallAsleep(const Moment& moment) {
  asleep_.reserve(rules_.size());
  for (const Rule& rule : rules_) {
    absl::Time change = absl::InfiniteFuture();
    asleep_.push_back(AsleepAt(rule, moment, &change));
    next_change_ = std::min(next_change_, change);
  }
}

std::vector<uint32_t> RuleSet::RulesAbout(const App* app) const {
  absl::flat_hash_set<uint32_t> buckets;
  apps_.ForEachBucket(app, [&](uint32_t bucket) { buckets.insert(bucket); });
  std::vector<uint32_t> about;
  for (uint32_t i = 0; i < bucket_of_.size(); ++i) {
    if (buckets.contains(bucket_of_[i])) about.push_back(i);
  }
  return about;
}

MatchResult RuleSet::Match(const Subject& subject, const Flow& flow) const {
  // Every rule has direction out, see ValidateRule.
  if (flow.direction != Direction::kOut) return {};
  const FlowKey key(flow);
  BestRule best;
  apps_.ForEachBucket(subject.app, [&](uint32_t bucket) {
    destinations_.Search(bucket, bucket != AppIndex::kAnyBucket, subject, key,
                         &best);
  });
  return {best.rank, best.needs()};
}

}  // namespace sallyport
