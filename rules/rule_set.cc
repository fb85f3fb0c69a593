#include "rules/rule_set.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// How specific one destination is; a prefix counts by its length.
int Specificity(const Destination& destination) {
  if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
    return 2 + prefix->length;
  }
  return std::holds_alternative<AddressRange>(destination) ? 1 : 0;
}

int Specificity(const std::vector<Destination>& to) {
  if (to.empty()) return -1;
  int widest = 2 + 128;
  for (const Destination& destination : to) {
    widest = std::min(widest, Specificity(destination));
  }
  return widest;
}

int PolicyOrder(RulePolicy policy) {
  switch (policy) {
    case RulePolicy::kDeny:
    case RulePolicy::kReject:
      return 0;
    case RulePolicy::kLocalOnly:
      return 1;
    case RulePolicy::kAllow:
      return 2;
  }
  return 0;
}

// Smaller sorts first. `name` borrows from the rule.
using Precedence =
    std::tuple<int64_t, int, int64_t, int, int, std::string_view>;

Precedence PrecedenceOf(const Rule& rule, const AppPattern& pattern) {
  const bool glob = pattern.kind() == AppPattern::Kind::kGlob;
  const auto literal = static_cast<int64_t>(pattern.literal_bytes());
  return {-int64_t{rule.priority},
          pattern.kind() == AppPattern::Kind::kExact ? 0 : (glob ? 1 : 2),
          glob ? -literal : 0,
          -Specificity(rule.to),
          PolicyOrder(rule.policy),
          rule.name};
}

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
    if (rule.enabled && !rule.user.empty() && !rule.user_id.has_value()) {
      return RuleError(rule, Concat("user: ", QuoteForMessage(rule.user),
                                    " is not known on this system"));
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

}  // namespace

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSet::Build(
    std::vector<Rule> rules) {
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
  set->patterns_.reserve(rules.size());
  set->heads_.reserve(rules.size());
  for (uint32_t i : order) {
    set->heads_.push_back({rules[i].priority, rules[i].policy, rules[i].log});
    set->patterns_.push_back(std::move(patterns[i]));
    set->rules_.push_back(std::move(rules[i]));
  }
  return std::shared_ptr<const RuleSet>(std::move(set));
}

MatchResult RuleSet::Match(const Subject& subject, const Flow& flow) const {
  MatchResult result;
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    const Mismatch mismatch = CheckRule(rules_[i], patterns_[i], subject, flow);
    if (mismatch == Mismatch::kSha256Unknown) result.needs_sha256 = true;
    if (mismatch == Mismatch::kNone) {
      result.rule = i;
      break;
    }
  }
  return result;
}

}  // namespace sallyport
