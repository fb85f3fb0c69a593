#include "rules/explain.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

std::map<std::string, std::string> LosersByName(const PolicySnapshot& policy,
                                                const Explanation& e) {
  std::map<std::string, std::string> losers;
  for (const Loser& loser : e.losers) {
    losers[policy.rules->rules()[loser.rule].name] = loser.why;
  }
  return losers;
}

TEST(Explain, EveryLoserSaysWhy) {
  const PolicySnapshot policy = Snapshot(FromToml(R"(
[[rule]]
name = "winner"
policy = "deny"
app = "/bin/x"
priority = 10
[[rule]]
name = "off"
policy = "deny"
app = "/bin/x"
enabled = false
[[rule]]
name = "other-port"
policy = "deny"
app = "/bin/x"
port = [80, "8000-9000"]
[[rule]]
name = "other-user"
policy = "deny"
app = "any"
user = 0
[[rule]]
name = "other-proto"
policy = "deny"
app = "any"
protocol = ["udp", "icmp"]
[[rule]]
name = "other-place"
policy = "deny"
app = "/bin/*"
to = ["10.0.0.0/8", "lan"]
[[rule]]
name = "other-address"
policy = "deny"
app = "/bin/*"
to = "192.0.2.9"
[[rule]]
name = "pinned"
policy = "allow"
app = "/bin/x"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
[[rule]]
name = "lower"
policy = "allow"
app = "/bin/x"
[[rule]]
name = "somebody-else"
policy = "allow"
app = "/bin/y"
)"));
  const App app = MakeApp("/bin/x");
  const Explanation e = Explain(policy, {&app, 1000}, MakeFlow("192.0.2.1"));
  EXPECT_EQ(policy.rules->rules()[e.winner].name, "winner");
  EXPECT_EQ(e.judgement.decision.verdict, Verdict::kDeny);
  EXPECT_EQ(LosersByName(policy, e),
            (std::map<std::string, std::string>{
                {"off", "disabled"},
                {"other-port", "port 443 is not 80 or 8000-9000"},
                {"other-user", "user 1000 is not 0"},
                {"other-proto", "protocol tcp is not udp or icmp"},
                {"other-place", "192.0.2.1 is not in 10.0.0.0/8 or lan"},
                {"other-address", "192.0.2.1 is not 192.0.2.9"},
                {"pinned", "the app's sha256 is not computed yet"},
                {"lower", "lower precedence than 'winner': priority 0 < 10"},
            }));
  EXPECT_TRUE(std::is_sorted(
      e.losers.begin(), e.losers.end(),
      [](const Loser& a, const Loser& b) { return a.rule < b.rule; }));
}

TEST(Explain, EveryStepOfPrecedenceHasItsWords) {
  const struct {
    const char* loser;
    const char* winner;
    const char* why;
  } cases[] = {
      {R"(policy="deny", app="any")", R"(policy="allow", app="/bin/*")",
       "lower precedence than 'winner': any app is less specific than a glob"},
      {R"(policy="deny", app="/bin/*")", R"(policy="allow", app='/bin/x')",
       "lower precedence than 'winner': a glob is less specific than a path"},
      {R"(policy="deny", app="/**")", R"(policy="allow", app='/bin/*')",
       "lower precedence than 'winner': its glob is less specific"},
      {R"(policy="deny", app="any")",
       R"(policy="allow", app="any", to="internet")",
       "lower precedence than 'winner': its destination is less specific"},
      {R"(policy="allow", app="any")", R"(policy="local-only", app="any")",
       "lower precedence than 'winner': allow comes after local-only"},
      {R"(policy="allow", app="any", name="z")", R"(policy="allow", app="any")",
       "lower precedence than 'winner': its name comes later"},
  };
  for (const auto& c : cases) {
    std::string loser = c.loser;
    if (loser.find("name") == loser.npos) loser += R"(, name="loser")";
    const PolicySnapshot policy = Snapshot(FromToml(
        "rule = [{" + loser + "}, {name=\"winner\", " + c.winner + "}]"));
    const App app = MakeApp("/bin/x");
    const Explanation e = Explain(policy, {&app, 0}, MakeFlow("192.0.2.1"));
    ASSERT_EQ(e.losers.size(), 1u);
    EXPECT_EQ(e.losers[0].why, c.why);
  }
}

TEST(Explain, A04_ReplacedFileIsNamedAsTheReason) {
  const PolicySnapshot policy =
      Snapshot(Built({MakeRule("allow-x", RulePolicy::kAllow, "/bin/x")}));
  const App app = MakeApp("/bin/x", false);
  const Explanation e = Explain(policy, {&app, 0}, MakeFlow("192.0.2.1"));
  EXPECT_EQ(e.winner, kNoRule);
  ASSERT_EQ(e.losers.size(), 1u);
  EXPECT_EQ(e.losers[0].why,
            "the app's path is no longer this file: a rule for the path can "
            "only restrict");
}

TEST(Explain, NobodyFoundAndNoPorts) {
  Rule user = MakeRule("u", RulePolicy::kDeny, "any");
  user.user = {{"5", 5}};
  Rule port = MakeRule("p", RulePolicy::kDeny, "any");
  port.port = {{1, 1}};
  Rule pinned = MakeRule("s", RulePolicy::kDeny, "any");
  pinned.sha256 = {std::string(64, 'a')};
  const PolicySnapshot policy = Snapshot(Built({user, port, pinned}));
  const Explanation e =
      Explain(policy, {}, MakeFlow("192.0.2.1", 0, kProtoIcmp));
  EXPECT_EQ(LosersByName(policy, e),
            (std::map<std::string, std::string>{
                {"u", "an unknown user is not 5"},
                {"p", "icmp has no ports"},
                {"s", "nobody was found to take a hash of"}}));
  EXPECT_EQ(ExplanationText(policy, e)[1],
            "no rule matches; the default decides");
}

TEST(Explain, TextTellsMonitorAndWinner) {
  PolicySnapshot policy =
      Snapshot(Built({MakeRule("no-x", RulePolicy::kDeny, "/bin/x"),
                      MakeRule("all", RulePolicy::kAllow, "any")}),
               Mode::kMonitor);
  const App app = MakeApp("/bin/x");
  const Explanation e = Explain(policy, {&app, 0}, MakeFlow("192.0.2.1"));
  EXPECT_EQ(ExplanationText(policy, e),
            (std::vector<std::string>{
                "allow (rule, mode monitor); the rules say deny",
                "winner: no-x (deny /bin/x)",
                "not all (allow): lower precedence than 'no-x': any app is "
                "less specific than a path"}));
}

TEST(Explain, LosersAreBounded) {
  std::vector<Rule> list;
  for (int i = 0; i < 1000; ++i) {
    list.push_back(
        MakeRule("r" + std::to_string(i), RulePolicy::kDeny, "/bin/x"));
  }
  const PolicySnapshot policy = Snapshot(Built(list));
  const App app = MakeApp("/bin/x");
  const Explanation e = Explain(policy, {&app, 0}, MakeFlow("192.0.2.1"));
  EXPECT_EQ(e.losers.size(), kMaxLosers);
  EXPECT_EQ(e.losers_left_out, 999 - kMaxLosers);
  EXPECT_EQ(ExplanationText(policy, e).back(), "and 899 rules more");
}

}  // namespace
}  // namespace sallyport
