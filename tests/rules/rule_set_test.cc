#include "rules/rule_set.h"

#include <gtest/gtest.h>

#include "rules/builtin_rules.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

Subject By(const App& app, std::optional<uint32_t> uid = 1000) {
  return {&app, uid};
}

TEST(RuleSet, EmptySetMatchesNothing) {
  const auto rules = Built({});
  const App app = MakeApp("/bin/x");
  EXPECT_EQ(rules->Match(By(app), MakeFlow("192.0.2.1")).rule, kNoRule);
  EXPECT_EQ(rules->Match({}, MakeFlow("::1")).rule, kNoRule);
}

TEST(RuleSet, BuildRefusesWhatCannotBeMeant) {
  const Rule good = MakeRule("good", RulePolicy::kAllow, "/bin/x");
  Rule twin = good;
  twin.origin = "b.toml";
  EXPECT_EQ(RuleSet::Build({good, twin}).status().message(),
            "b.toml: rule 'good': name: already used by another rule");
  Rule relative = MakeRule("relative", RulePolicy::kAllow, "x");
  relative.origin = "a.toml";
  EXPECT_EQ(RuleSet::Build({relative}).status().message(),
            "a.toml: rule 'relative': app: 'x' is not an absolute path; write "
            "the full path, a glob such as /opt/**/name, or \"any\"");
  Rule unresolved = MakeRule("unresolved", RulePolicy::kDeny, "any");
  unresolved.user = {{"nobody-knows-me", std::nullopt}};
  EXPECT_EQ(RuleSet::Build({unresolved}).status().message(),
            "rule 'unresolved': user: 'nobody-knows-me' is not known on this "
            "system");
  unresolved.enabled = false;
  EXPECT_TRUE(RuleSet::Build({unresolved}).ok());
  std::vector<Rule> many(kMaxRules + 1, good);
  EXPECT_EQ(RuleSet::Build(std::move(many)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RuleSet, DisabledRulesAreListedButNeverMatch) {
  const auto rules = FromToml(R"(
[[rule]]
name = "off"
policy = "deny"
app = "any"
enabled = false
)");
  ASSERT_EQ(rules->rules().size(), 1u);
  const App app = MakeApp("/bin/x");
  EXPECT_EQ(rules->Match(By(app), MakeFlow("192.0.2.1")).rule, kNoRule);
}

TEST(RuleSet, A_RuleWithPortIsForFlowsThatHavePorts) {
  const auto rules = FromToml(R"(
[[rule]]
name = "web"
policy = "deny"
app = "any"
port = [0, 443]
)");
  const App app = MakeApp("/bin/x");
  for (uint8_t protocol :
       {kProtoTcp, kProtoUdp, kProtoUdpLite, kProtoSctp, uint8_t{33}}) {
    EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1", 443, protocol)),
              "web");
    EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1", 80, protocol)), "");
  }
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1", 0, kProtoIcmp)), "");
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("::1", 0, kProtoIcmpV6)), "");
}

TEST(RuleSet, NobodyFoundIsMatchedByAnyAlone) {
  const auto rules = FromToml(R"(
[[rule]]
name = "path"
policy = "deny"
app = "/bin/x"
[[rule]]
name = "glob"
policy = "deny"
app = "/**"
[[rule]]
name = "any"
policy = "deny"
app = "any"
user = 7
)");
  EXPECT_EQ(Winner(*rules, {nullptr, 7}, MakeFlow("192.0.2.1")), "any");
  EXPECT_EQ(Winner(*rules, {nullptr, 8}, MakeFlow("192.0.2.1")), "");
  EXPECT_EQ(Winner(*rules, {nullptr, std::nullopt}, MakeFlow("192.0.2.1")), "");
}

// A path that names another file by now (deleted, replaced, in another mount
// namespace, a memfd): what it may do must not grow by its name.
TEST(RuleSet, A04_A06_A07_PathThatIsNotTheExeOnlyRestricts) {
  const char* kApps[] = {"/bin/x", "/bin/*"};
  for (const char* app_text : kApps) {
    const auto set = [&](RulePolicy policy) {
      return Built({MakeRule("r", policy, app_text)});
    };
    const App gone = MakeApp("/bin/x", /*path_is_exe=*/false);
    const Flow far = MakeFlow("192.0.2.1");
    const Flow near = MakeFlow("10.0.0.1");
    EXPECT_EQ(Winner(*set(RulePolicy::kAllow), By(gone), far), "");
    EXPECT_EQ(Winner(*set(RulePolicy::kDeny), By(gone), far), "r");
    EXPECT_EQ(Winner(*set(RulePolicy::kReject), By(gone), far), "r");
    EXPECT_EQ(Winner(*set(RulePolicy::kLocalOnly), By(gone), far), "r");
    EXPECT_EQ(Winner(*set(RulePolicy::kLocalOnly), By(gone), near), "");
    const App here = MakeApp("/bin/x");
    EXPECT_EQ(Winner(*set(RulePolicy::kAllow), By(here), far), "r");
    EXPECT_EQ(Winner(*set(RulePolicy::kLocalOnly), By(here), near), "r");
  }
  const auto any = Built({MakeRule("r", RulePolicy::kAllow, "any")});
  EXPECT_EQ(Winner(*any, By(MakeApp("/bin/x", false)), MakeFlow("192.0.2.1")),
            "r");
}

TEST(RuleSet, A_SkippedAllowLetsTheNextRuleDecide) {
  const auto rules = FromToml(R"(
[[rule]]
name = "allow-x"
policy = "allow"
app = "/bin/x"
[[rule]]
name = "deny-rest"
policy = "deny"
app = "any"
)");
  EXPECT_EQ(Winner(*rules, By(MakeApp("/bin/x")), MakeFlow("192.0.2.1")),
            "allow-x");
  EXPECT_EQ(Winner(*rules, By(MakeApp("/bin/x", false)), MakeFlow("192.0.2.1")),
            "deny-rest");
}

TEST(RuleSet, HashIsAskedForOnlyWhereItCouldDecide) {
  const std::string good(64, 'a');
  const std::string bad(64, 'b');
  Rule pinned = MakeRule("pinned", RulePolicy::kAllow, "/bin/x");
  pinned.sha256 = {std::string(64, 'c'), good};
  pinned.port = {{443, 443}};
  const Rule rest = MakeRule("rest", RulePolicy::kDeny, "any");
  const auto rules = Built({pinned, rest});
  App app = MakeApp("/bin/x");

  MatchResult match = rules->Match(By(app), MakeFlow("192.0.2.1"));
  EXPECT_TRUE(match.needs == kNeedsSha256);
  match = rules->Match(By(app), MakeFlow("192.0.2.1", 80));
  EXPECT_FALSE(match.needs == kNeedsSha256)
      << "another port: the pin cannot decide";
  app.sha256 = good;
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1")), "pinned");
  app.sha256 = bad;
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1")), "rest");
  EXPECT_FALSE(rules->Match(By(app), MakeFlow("192.0.2.1")).needs ==
               kNeedsSha256);

  // A rule that goes before the pinned one settles it without the hash.
  Rule first = MakeRule("first", RulePolicy::kDeny, "any");
  first.priority = 1;
  const auto settled = Built({pinned, rest, first});
  app.sha256.clear();
  EXPECT_FALSE(settled->Match(By(app), MakeFlow("192.0.2.1")).needs ==
               kNeedsSha256);
  // Nobody found: there is nothing to take a hash of.
  EXPECT_FALSE(rules->Match({}, MakeFlow("192.0.2.1")).needs == kNeedsSha256);
}

TEST(RuleSet, PinnedAnyAllowsAMemfdOfThatHash) {  // CASES A06
  Rule pinned = MakeRule("pinned", RulePolicy::kAllow, "any");
  pinned.sha256 = {std::string(64, 'a')};
  const auto rules = Built({pinned});
  App memfd = MakeApp("/memfd:firefox (deleted)", false);
  memfd.kind = App::Kind::kMemfd;
  EXPECT_TRUE(rules->Match(By(memfd), MakeFlow("192.0.2.1")).needs ==
              kNeedsSha256);
  memfd.sha256 = std::string(64, 'a');
  EXPECT_EQ(Winner(*rules, By(memfd), MakeFlow("192.0.2.1")), "pinned");
}

TEST(RuleSet, A38_RuleForAHostilePathMatchesThatPathAlone) {
  const std::string path = "/tmp/a\n\x1b[31m\xff*?[x]\\";
  const auto rules =
      Built({MakeRule("odd", RulePolicy::kDeny, ExactAppText(path))});
  EXPECT_EQ(Winner(*rules, By(MakeApp(path)), MakeFlow("192.0.2.1")), "odd");
  EXPECT_EQ(Winner(*rules, By(MakeApp(path + "x")), MakeFlow("192.0.2.1")), "");
}

TEST(RuleSet, AppWithoutAHashOfItsPathIsFoundAllTheSame) {
  const auto rules = Built({MakeRule("r", RulePolicy::kDeny, "/bin/x")});
  App app = MakeApp("/bin/x");
  app.path_hash = 0;
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1")), "r");
}

TEST(RuleSet, PathsOfOneHashAreToldApartByTheirBytes) {
  const auto rules = Built({MakeRule("x", RulePolicy::kDeny, "/bin/x")});
  App app = MakeApp("/bin/y");
  app.path_hash = HashAppPath("/bin/x");
  EXPECT_EQ(Winner(*rules, By(app), MakeFlow("192.0.2.1")), "");
}

TEST(RuleSet, InboundAndForwardedFlowsMatchNoOutboundRule) {
  const auto rules = Built({MakeRule("r", RulePolicy::kDeny, "any")});
  Flow flow = MakeFlow("192.0.2.1");
  flow.direction = Direction::kIn;
  EXPECT_EQ(Winner(*rules, {}, flow), "");
}

TEST(RuleSet, BuiltinLoopbackYieldsToRulesThatNameAnApp) {
  const auto rules =
      Built({BuiltinLoopbackRule(), MakeRule("x", RulePolicy::kDeny, "/bin/x"),
             MakeRule("all", RulePolicy::kDeny, "any")});
  EXPECT_TRUE(ValidateRule(BuiltinLoopbackRule()).ok());
  EXPECT_EQ(Winner(*rules, By(MakeApp("/bin/x")), MakeFlow("::1")), "x");
  EXPECT_EQ(Winner(*rules, By(MakeApp("/bin/y")), MakeFlow("127.0.0.53", 53)),
            kBuiltinLoopbackName);
  EXPECT_EQ(Winner(*rules, By(MakeApp("/bin/y")), MakeFlow("192.0.2.1")),
            "all");
}

// More single ports in one place than are looked through one by one.
TEST(RuleSet, PortListsKeepPrecedence) {
  std::vector<Rule> list;
  for (uint16_t port = 1000; port < 1040; ++port) {
    Rule rule = MakeRule("p" + std::to_string(port), RulePolicy::kAllow, "any");
    rule.port = {{port, port}};
    if (port % 2 == 0) rule.protocol = {kProtoTcp};
    list.push_back(rule);
  }
  Rule twin = list[7];  // 1007, any protocol
  twin.name = "a-twin";
  list.push_back(twin);
  Rule range = MakeRule("range", RulePolicy::kDeny, "any");
  range.port = {{1020, 1030}};
  list.push_back(range);
  const auto rules = Built(list);
  const Subject nobody;
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 1006)), "p1006");
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 1006, kProtoUdp)), "");
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 1007, kProtoUdp)),
            "a-twin");
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 1025)), "range");
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 1039, kProtoSctp)),
            "p1039");
  EXPECT_EQ(Winner(*rules, nobody, MakeFlow("192.0.2.1", 0, kProtoIcmp)), "");
}

TEST(RuleSet, RulesAboutAnAppAreThoseOfItsPathGlobsAndAny) {
  Rule off = MakeRule("off", RulePolicy::kDeny, "/bin/x");
  off.enabled = false;
  const auto rules = Built({off, MakeRule("glob", RulePolicy::kDeny, "/bin/*"),
                            MakeRule("other", RulePolicy::kDeny, "/bin/y"),
                            MakeRule("any", RulePolicy::kDeny, "any")});
  const App app = MakeApp("/bin/x");
  std::vector<std::string> names;
  for (uint32_t i : rules->RulesAbout(&app)) {
    names.push_back(rules->rules()[i].name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"off", "glob", "any"}));
  EXPECT_EQ(rules->RulesAbout(nullptr).size(), 1u);
}

constexpr int64_t kSecondNs = 1'000'000'000;

Moment At(int hour, int minute, int64_t boot_s = 0) {
  // A Monday.
  return {absl::FromCivil(absl::CivilMinute(2026, 3, 2, hour, minute),
                          absl::UTCTimeZone()),
          absl::UTCTimeZone(), boot_s * kSecondNs};
}

TEST(RuleSet, HoursComeAndGo) {
  Rule rule = MakeRule("office", RulePolicy::kAllow, "/bin/a");
  rule.during = *Schedule::Parse("mon-fri 09:00-17:00");
  const App app = MakeApp("/bin/a");
  const auto early = *RuleSet::Build({rule}, At(8, 59));
  EXPECT_EQ(Winner(*early, By(app), MakeFlow("192.0.2.1")), "");
  EXPECT_EQ(early->asleep(0), Mismatch::kNotDuring);
  EXPECT_EQ(early->next_change(), At(9, 0).time);
  const auto open = *RuleSet::Build({rule}, At(9, 0));
  EXPECT_EQ(Winner(*open, By(app), MakeFlow("192.0.2.1")), "office");
  EXPECT_EQ(open->next_change(), At(17, 0).time);
}

TEST(RuleSet, F19_AnExpiryIsOfTheWallClockAWhileIsNot) {
  Rule until = MakeRule("until", RulePolicy::kAllow, "/bin/a");
  until.expires = At(10, 0).time;
  Rule a_while = MakeRule("a-while", RulePolicy::kAllow, "/bin/b");
  a_while.expires = At(10, 0).time;
  a_while.ends_at_boot_ns = 3600 * kSecondNs;
  const auto names_awake = [](const RuleSet& set) {
    std::string names;
    for (uint32_t i = 0; i < set.rules().size(); ++i) {
      if (set.asleep(i) == Mismatch::kNone) names += set.rules()[i].name + " ";
    }
    return names;
  };
  const auto first = *RuleSet::Build({until, a_while}, At(9, 0, 0));
  EXPECT_EQ(names_awake(*first), "a-while until ");
  EXPECT_EQ(first->next_change(), At(10, 0).time);
  // The clock is set ten years ahead after a minute: the hour goes on. The
  // files say nothing of the deadline; the set before does.
  a_while.ends_at_boot_ns.reset();
  Moment ahead = At(9, 1, 60);
  ahead.time += absl::Hours(24 * 3650);
  const auto jumped = *RuleSet::Build({until, a_while}, ahead, first.get());
  EXPECT_EQ(names_awake(*jumped), "a-while ");
  EXPECT_EQ(jumped->next_change(), ahead.time + absl::Minutes(59));
  // And ten years back: it ends all the same.
  Moment back = At(9, 0, 3600);
  back.time -= absl::Hours(24 * 3650);
  const auto ended = *RuleSet::Build({until, a_while}, back, jumped.get());
  EXPECT_EQ(names_awake(*ended), "until ");
}

TEST(RuleSet, ARateIsCountedOnAcrossSets) {
  Rule rule = MakeRule("few", RulePolicy::kAllow, "/bin/a");
  rule.rate = Rate{2, RateUnit::kHour, 2};
  const auto first = Built({rule});
  EXPECT_TRUE(first->limiter(0)->Take(7, 0));
  const auto second = *RuleSet::Build(
      {rule, MakeRule("other", RulePolicy::kDeny, "any")}, {}, first.get());
  const auto index =
      static_cast<uint32_t>(second->rules()[0].name == "few" ? 0 : 1);
  EXPECT_TRUE(second->limiter(index)->Take(7, 0));
  EXPECT_FALSE(second->limiter(index)->Take(7, 0));
  EXPECT_EQ(second->limiter(1 - index), nullptr);
  rule.rate->count = 3;
  const auto third = *RuleSet::Build({rule}, {}, second.get());
  EXPECT_TRUE(third->limiter(0)->Take(7, 0)) << "another rate is a new one";
}

}  // namespace
}  // namespace sallyport
