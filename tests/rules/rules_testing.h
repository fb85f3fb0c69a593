#ifndef SALLYPORT_TESTS_RULES_RULES_TESTING_H_
#define SALLYPORT_TESTS_RULES_RULES_TESTING_H_

// Short ways to make rules, apps and flows for tests.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/judge.h"
#include "rules/rule_fields.h"
#include "rules/rule_set.h"
#include "rules/rule_text.h"

namespace sallyport {

inline IpAddress Address(std::string_view text) {
  auto address = ParseIpAddress(text);
  EXPECT_TRUE(address.ok()) << text;
  return address.ok() ? *address : IpAddress();
}

inline App MakeApp(std::string path, bool path_is_exe = true) {
  App app;
  app.path_hash = HashAppPath(path);
  app.path = std::move(path);
  app.path_is_exe = path_is_exe;
  return app;
}

inline Flow MakeFlow(std::string_view dst, uint16_t port = 443,
                     uint8_t protocol = kProtoTcp) {
  Flow flow;
  flow.dst = Address(dst);
  flow.src = flow.dst.IsV4() ? Address("192.0.2.200") : Address("2001:db8::99");
  flow.is_v6 = !flow.dst.IsV4();
  flow.protocol = protocol;
  if (flow.HasPorts()) {
    flow.src_port = 40000;
    flow.dst_port = port;
  }
  return flow;
}

inline Rule MakeRule(std::string name, RulePolicy policy, std::string app) {
  Rule rule;
  rule.name = std::move(name);
  rule.policy = policy;
  rule.app = std::move(app);
  return rule;
}

inline std::vector<Destination> To(const std::vector<std::string>& texts) {
  std::vector<Destination> to;
  for (const std::string& text : texts) to.push_back(*ParseDestination(text));
  return to;
}

inline std::shared_ptr<const RuleSet> Built(std::vector<Rule> rules) {
  auto set = RuleSet::Build(std::move(rules));
  EXPECT_TRUE(set.ok()) << set.status();
  return set.ok() ? *set : nullptr;
}

// From the text of a rule file.
inline std::shared_ptr<const RuleSet> FromToml(std::string_view toml) {
  RuleParse parse = ParseRules(toml, "test.toml");
  EXPECT_EQ(FormatRuleErrors("test.toml", parse.errors), "");
  return Built(std::move(parse.rules));
}

// Name of the rule that wins, "" if none does.
inline std::string Winner(const RuleSet& rules, const Subject& subject,
                          const Flow& flow) {
  const MatchResult match = rules.Match(subject, flow);
  return match.rule == kNoRule ? "" : rules.rules()[match.rule].name;
}

inline PolicySnapshot Snapshot(std::shared_ptr<const RuleSet> rules,
                               Mode mode = Mode::kEnforce) {
  PolicySnapshot policy;
  policy.rules = std::move(rules);
  policy.settings.mode = mode;
  policy.settings.default_verdict = Verdict::kAllow;
  policy.settings.unattributed_verdict = Verdict::kAllow;
  policy.generation = 1;
  return policy;
}

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_RULES_RULES_TESTING_H_
