#include "rules/learned.h"

#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "rules/app_pattern.h"
#include "rules/rule_fields.h"
#include "rules/rule_match.h"
#include "rules/text_util.h"
#include "rules/verdict.h"

namespace sallyport {
namespace {

// `rule` with those of its conditions that a learned flow can be asked for.
// Named one by one: a field that is new is not understood.
Rule UnderstoodPart(const Rule& rule) {
  Rule part;
  part.name = rule.name;
  part.policy = rule.policy;
  part.app = rule.app;
  part.user = rule.user;
  part.not_user = rule.not_user;
  part.to = rule.to;
  part.not_to = rule.not_to;
  part.port = rule.port;
  part.not_port = rule.not_port;
  part.protocol = rule.protocol;
  part.direction = rule.direction;
  part.priority = rule.priority;
  part.enabled = rule.enabled;
  part.log = rule.log;
  part.description = rule.description;
  part.origin = rule.origin;
  return part;
}

// The rules as far as they say what holds at any time.
class LastingRules {
 public:
  explicit LastingRules(const RuleSet& rules) {
    std::vector<Rule> lasting;
    for (uint32_t i = 0; i < rules.rules().size(); ++i) {
      const Rule& rule = rules.rules()[i];
      if (rules.asleep(i) == Mismatch::kExpired) continue;
      Rule part = UnderstoodPart(rule);
      if (part != rule) {
        if (rule.policy == RulePolicy::kAllow) continue;
        partly_.insert(rule.name);
      }
      lasting.push_back(std::move(part));
    }
    // They were valid with more conditions.
    auto built = RuleSet::Build(std::move(lasting));
    if (built.ok()) rules_ = *std::move(built);
  }

  bool Decide(const Subject& subject, const Flow& flow) const {
    if (rules_ == nullptr) return false;
    const uint32_t index = rules_->Match(subject, flow).rule;
    if (index == kNoRule) return false;
    // Of a local-only rule the half that allows.
    return Restricts(rules_->policy(index), flow) ||
           !partly_.contains(rules_->rules()[index].name);
  }

 private:
  std::shared_ptr<const RuleSet> rules_;
  absl::flat_hash_set<std::string> partly_;  // names
};

bool IsDecided(const LastingRules& rules, const LearnedFlow& learned) {
  App app;
  if (learned.naming != AppNaming::kNobody) {
    const absl::StatusOr<AppPattern> pattern = AppPattern::Parse(learned.app);
    if (!pattern.ok()) return false;
    app.path = pattern->prefix();
    app.path_hash = HashAppPath(app.path);
    app.path_is_exe = learned.naming == AppNaming::kByPath;
  }
  Flow flow;
  flow.dst = learned.address;
  flow.is_v6 = !flow.dst.IsV4();
  flow.protocol = learned.protocol;
  flow.dst_port = learned.port;
  const Subject subject = {
      learned.naming == AppNaming::kNobody ? nullptr : &app, learned.uid};
  return rules.Decide(subject, flow);
}

}  // namespace

const char* AppNamingName(AppNaming naming) {
  switch (naming) {
    case AppNaming::kByPath:
      return "path";
    case AppNaming::kNotItsPath:
      return "not-its-path";
    case AppNaming::kNobody:
      return "nobody";
  }
  return "nobody";
}

std::string DestinationText(const LearnedFlow& flow) {
  return flow.name.empty() ? flow.address.ToString() : flow.name;
}

std::string ServiceText(uint8_t protocol, uint16_t port) {
  const std::string name = ProtocolName(protocol);
  return Flow{.protocol = protocol}.HasPorts() ? Concat(name, " ", port) : name;
}

std::vector<size_t> Undecided(const RuleSet& rules,
                              std::span<const LearnedFlow> flows) {
  std::vector<size_t> undecided;
  const LastingRules lasting(rules);
  for (size_t i = 0; i < flows.size(); ++i) {
    if (!IsDecided(lasting, flows[i])) undecided.push_back(i);
  }
  return undecided;
}

}  // namespace sallyport
