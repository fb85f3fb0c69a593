#include "rules/judge.h"

#include <gtest/gtest.h>

#include "rules/builtin_rules.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

std::shared_ptr<const Process> Owner(App app, uint32_t uid = 1000) {
  auto process = std::make_shared<Process>();
  process->uid = uid;
  process->app = std::make_shared<App>(std::move(app));
  return process;
}

Ownership Owned(std::vector<std::shared_ptr<const Process>> owners) {
  Ownership ownership;
  ownership.confidence =
      owners.size() == 1 ? Confidence::kExact : Confidence::kAmbiguous;
  ownership.owners.assign(owners.begin(), owners.end());
  return ownership;
}

constexpr const char* kRules = R"(
[[rule]]
name = "allow-a"
policy = "allow"
app = "/bin/a"
log = false
[[rule]]
name = "deny-d"
policy = "deny"
app = "/bin/d"
[[rule]]
name = "reject-r"
policy = "reject"
app = "/bin/r"
[[rule]]
name = "local-l"
policy = "local-only"
app = "/bin/l"
[[rule]]
name = "allow-vpn"
policy = "allow"
app = "/bin/vpn"
priority = 1000
[[rule]]
name = "deny-vip"
policy = "deny"
app = "/bin/vip"
priority = 1000
)";

std::string RuleName(const PolicySnapshot& policy, const Decision& decision) {
  return decision.rule == kNoRule ? ""
                                  : policy.rules->rules()[decision.rule].name;
}

TEST(Judge, ATableOfModesAppsAndPlaces) {
  constexpr Verdict kAllow = Verdict::kAllow;
  constexpr Verdict kDeny = Verdict::kDeny;
  constexpr Verdict kReject = Verdict::kReject;
  const struct {
    Mode mode;
    const char* app;
    const char* to;
    Verdict verdict;
    Verdict judged;
    Reason reason;
    const char* rule;
  } cases[] = {
      {Mode::kEnforce, "/bin/a", "192.0.2.1", kAllow, kAllow, Reason::kRule,
       "allow-a"},
      {Mode::kEnforce, "/bin/d", "192.0.2.1", kDeny, kDeny, Reason::kRule,
       "deny-d"},
      {Mode::kEnforce, "/bin/r", "192.0.2.1", kReject, kReject, Reason::kRule,
       "reject-r"},
      {Mode::kEnforce, "/bin/l", "192.0.2.1", kDeny, kDeny, Reason::kRule,
       "local-l"},
      {Mode::kEnforce, "/bin/l", "10.0.0.1", kAllow, kAllow, Reason::kRule,
       "local-l"},
      {Mode::kEnforce, "/bin/l", "ff02::fb", kAllow, kAllow, Reason::kRule,
       "local-l"},
      {Mode::kEnforce, "/bin/other", "192.0.2.1", kReject, kReject,
       Reason::kDefault, ""},
      {Mode::kMonitor, "/bin/d", "192.0.2.1", kAllow, kDeny, Reason::kRule,
       "deny-d"},
      {Mode::kMonitor, "/bin/r", "192.0.2.1", kAllow, kReject, Reason::kRule,
       "reject-r"},
      {Mode::kMonitor, "/bin/other", "192.0.2.1", kAllow, kReject,
       Reason::kDefault, ""},
      {Mode::kLearn, "/bin/a", "192.0.2.1", kAllow, kAllow, Reason::kRule,
       "allow-a"},
      {Mode::kLearn, "/bin/d", "192.0.2.1", kDeny, kDeny, Reason::kRule,
       "deny-d"},
      {Mode::kLearn, "/bin/r", "192.0.2.1", kReject, kReject, Reason::kRule,
       "reject-r"},
      {Mode::kLearn, "/bin/l", "192.0.2.1", kDeny, kDeny, Reason::kRule,
       "local-l"},
      {Mode::kLearn, "/bin/other", "192.0.2.1", kAllow, kReject,
       Reason::kDefault, ""},
      {Mode::kLockdown, "/bin/a", "192.0.2.1", kDeny, kDeny, Reason::kLockdown,
       ""},
      {Mode::kLockdown, "/bin/r", "192.0.2.1", kDeny, kDeny, Reason::kLockdown,
       ""},
      {Mode::kLockdown, "/bin/other", "192.0.2.1", kDeny, kDeny,
       Reason::kLockdown, ""},
      {Mode::kLockdown, "/bin/vpn", "192.0.2.1", kAllow, kAllow, Reason::kRule,
       "allow-vpn"},
      {Mode::kLockdown, "/bin/vip", "192.0.2.1", kDeny, kDeny, Reason::kRule,
       "deny-vip"},
      {Mode::kLockdown, "/bin/a", "127.0.0.1", kAllow, kAllow, Reason::kRule,
       "allow-a"},
      {Mode::kLockdown, "/bin/d", "::1", kDeny, kDeny, Reason::kRule, "deny-d"},
  };
  const auto rules = FromToml(kRules);
  for (const auto& c : cases) {
    PolicySnapshot policy = Snapshot(rules, c.mode);
    policy.settings.default_verdict = kReject;
    const Judgement judgement =
        Judge(policy, MakeFlow(c.to), Owned({Owner(MakeApp(c.app))}));
    const Decision& decision = judgement.decision;
    SCOPED_TRACE(std::string(ModeName(c.mode)) + " " + c.app + " " + c.to);
    EXPECT_EQ(decision.verdict, c.verdict);
    EXPECT_EQ(decision.judged, c.judged);
    EXPECT_EQ(decision.reason, c.reason);
    EXPECT_EQ(decision.mode, c.mode);
    EXPECT_EQ(RuleName(policy, decision), c.rule);
    EXPECT_EQ(decision.would_deny(), c.verdict != c.judged);
    EXPECT_EQ(decision.log, std::string(c.rule) != "allow-a");
    EXPECT_FALSE(judgement.needs != 0);
  }
}

TEST(Judge, LockdownKeepsWhatComesFromLoopback) {
  Flow reply = MakeFlow("192.0.2.1");
  reply.src = Address("127.0.0.1");
  const PolicySnapshot policy = Snapshot(FromToml(kRules), Mode::kLockdown);
  EXPECT_EQ(
      Judge(policy, reply, Owned({Owner(MakeApp("/bin/a"))})).decision.verdict,
      Verdict::kAllow);
}

// CASES A17, A18: several holders, any of which may have sent it.
TEST(Judge, A17_A18_TheStrictestOwnerDecides) {
  const PolicySnapshot policy = Snapshot(FromToml(kRules));
  const auto a = Owner(MakeApp("/bin/a"));
  const auto d = Owner(MakeApp("/bin/d"));
  const auto r = Owner(MakeApp("/bin/r"));
  const auto other = Owner(MakeApp("/bin/other"));
  const struct {
    std::vector<std::shared_ptr<const Process>> owners;
    const char* rule;
    uint8_t decisive;
  } cases[] = {
      {{a, a}, "allow-a", 0},     {{a, d}, "deny-d", 1},
      {{d, a}, "deny-d", 0},      {{a, r}, "reject-r", 1},
      {{r, d, a}, "deny-d", 1},   {{a, r, other, d}, "deny-d", 3},
      {{a, other}, "allow-a", 0}, {{other, a}, "", 0},
  };
  for (const auto& c : cases) {
    const Judgement judgement =
        Judge(policy, MakeFlow("192.0.2.1"), Owned(c.owners));
    EXPECT_EQ(RuleName(policy, judgement.decision), c.rule);
    EXPECT_EQ(judgement.decisive_owner, c.decisive);
  }
}

// A default's deny is only said in mode learn, a rule's reject is done: the
// order by what is said alone let the rejected app out.
TEST(Judge, LearnDoesWhatARuleSaysOfAnyOwner) {
  PolicySnapshot policy = Snapshot(FromToml(kRules), Mode::kLearn);
  policy.settings.default_verdict = Verdict::kDeny;
  const auto a = Owner(MakeApp("/bin/a"));
  const auto d = Owner(MakeApp("/bin/d"));
  const auto r = Owner(MakeApp("/bin/r"));
  const auto other = Owner(MakeApp("/bin/other"));
  for (const auto& owners :
       {Owned({other, r}), Owned({r, other}), Owned({a, other, r})}) {
    const Decision decision =
        Judge(policy, MakeFlow("192.0.2.1"), owners).decision;
    EXPECT_EQ(decision.verdict, Verdict::kReject);
    EXPECT_EQ(RuleName(policy, decision), "reject-r");
  }
  EXPECT_EQ(Judge(policy, MakeFlow("192.0.2.1"), Owned({other, r, d}))
                .decision.verdict,
            Verdict::kDeny);
  // What no rule speaks of is what is to be learned, whatever the default.
  for (Verdict fallback : {Verdict::kAllow, Verdict::kDeny}) {
    policy.settings.default_verdict = fallback;
    for (const auto& owners : {Owned({a, other}), Owned({other, a})}) {
      const Judgement judgement = Judge(policy, MakeFlow("192.0.2.1"), owners);
      EXPECT_EQ(judgement.decision.verdict, Verdict::kAllow);
      EXPECT_EQ(judgement.decision.judged, fallback);
      EXPECT_EQ(judgement.decision.reason, Reason::kDefault);
    }
  }
}

TEST(Judge, LearnAllowsNobodysPacketsToo) {
  PolicySnapshot policy = Snapshot(FromToml(kRules), Mode::kLearn);
  policy.settings.unattributed_verdict = Verdict::kDeny;
  const Decision decision =
      Judge(policy, MakeFlow("192.0.2.1"), Ownership()).decision;
  EXPECT_EQ(decision.verdict, Verdict::kAllow);
  EXPECT_TRUE(decision.would_deny());
  EXPECT_EQ(decision.reason, Reason::kUnattributed);
}

TEST(Judge, HundredsOfOwnersAreAllAsked) {
  std::vector<std::shared_ptr<const Process>> owners(300,
                                                     Owner(MakeApp("/bin/a")));
  owners.push_back(Owner(MakeApp("/bin/d")));
  const PolicySnapshot policy = Snapshot(FromToml(kRules));
  const Judgement judgement =
      Judge(policy, MakeFlow("192.0.2.1"), Owned(owners));
  EXPECT_EQ(judgement.decision.verdict, Verdict::kDeny);
  EXPECT_EQ(judgement.decisive_owner, 255);
}

// CASES A01, A30: no owner, but the socket's uid and the destination count.
TEST(Judge, A01_A30_WithoutOwnerRulesForAnyApplyThenTheDefault) {
  PolicySnapshot policy = Snapshot(FromToml(R"(
[[rule]]
name = "no-dns-for-7"
policy = "deny"
app = "any"
port = 53
user = 7
[[rule]]
name = "path"
policy = "allow"
app = "/bin/a"
)"));
  policy.settings.unattributed_verdict = Verdict::kReject;
  for (Confidence confidence : {Confidence::kNone, Confidence::kKernel}) {
    Ownership nobody;
    nobody.confidence = confidence;
    nobody.socket_uid = 7;
    Judgement judgement = Judge(policy, MakeFlow("192.0.2.1", 53), nobody);
    EXPECT_EQ(RuleName(policy, judgement.decision), "no-dns-for-7");
    nobody.socket_uid = 8;
    judgement = Judge(policy, MakeFlow("192.0.2.1", 53), nobody);
    EXPECT_EQ(judgement.decision.verdict, Verdict::kReject);
    EXPECT_EQ(judgement.decision.reason, Reason::kUnattributed);
  }
}

TEST(Judge, OwnerWithoutAnAppIsNoKnownApp) {
  PolicySnapshot policy = Snapshot(FromToml(kRules));
  policy.settings.unattributed_verdict = Verdict::kDeny;
  auto process = std::make_shared<Process>();
  Decision decision =
      Judge(policy, MakeFlow("192.0.2.1"), Owned({process})).decision;
  EXPECT_EQ(decision.reason, Reason::kUnattributed);
  EXPECT_EQ(decision.verdict, Verdict::kDeny);
  App kernel;
  kernel.kind = App::Kind::kKernel;
  decision =
      Judge(policy, MakeFlow("192.0.2.1"), Owned({Owner(kernel)})).decision;
  EXPECT_EQ(decision.reason, Reason::kUnattributed);
}

TEST(Judge, HashIsNotWaitedForWhenAnotherOwnerIsDenied) {
  Rule pinned = MakeRule("pinned", RulePolicy::kAllow, "/bin/p");
  pinned.sha256 = {std::string(64, 'a')};
  const PolicySnapshot policy = Snapshot(
      Built({pinned, MakeRule("deny-d", RulePolicy::kDeny, "/bin/d")}));
  const auto p = Owner(MakeApp("/bin/p"));
  const auto d = Owner(MakeApp("/bin/d"));
  EXPECT_TRUE(Judge(policy, MakeFlow("192.0.2.1"), Owned({p})).needs ==
              kNeedsSha256);
  for (const auto& owners : {Owned({p, d}), Owned({d, p})}) {
    const Judgement judgement = Judge(policy, MakeFlow("192.0.2.1"), owners);
    EXPECT_FALSE(judgement.needs != 0);
    EXPECT_EQ(judgement.decision.verdict, Verdict::kDeny);
  }
}

// Lockdown may never let through what enforce turns away.
TEST(Judge, LockdownIsNeverWiderThanEnforce) {
  const auto rules = FromToml(kRules);
  for (const char* app : {"/bin/a", "/bin/d", "/bin/r", "/bin/l", "/bin/vpn",
                          "/bin/vip", "/bin/other"}) {
    for (const char* to : {"192.0.2.1", "10.0.0.1", "127.0.0.1", "::1"}) {
      for (Verdict fallback :
           {Verdict::kAllow, Verdict::kReject, Verdict::kDeny}) {
        PolicySnapshot enforce = Snapshot(rules, Mode::kEnforce);
        enforce.settings.default_verdict = fallback;
        PolicySnapshot lockdown = enforce;
        lockdown.settings.mode = Mode::kLockdown;
        const Ownership owner = Owned({Owner(MakeApp(app))});
        if (Judge(lockdown, MakeFlow(to), owner).decision.verdict ==
            Verdict::kAllow) {
          EXPECT_EQ(Judge(enforce, MakeFlow(to), owner).decision.verdict,
                    Verdict::kAllow);
        }
      }
    }
  }
}

TEST(Judge, BeyondItsRateAFlowIsDenied) {
  Rule rule = MakeRule("few", RulePolicy::kAllow, "/bin/a");
  rule.rate = Rate{1, RateUnit::kSecond, 2};
  PolicySnapshot policy;
  policy.rules = Built({rule});
  policy.settings.mode = Mode::kEnforce;
  auto process = std::make_shared<Process>();
  process->app = std::make_shared<App>(MakeApp("/bin/a"));
  Ownership ownership;
  ownership.owners.push_back(process);
  const auto verdict = [&](int64_t now_ns) {
    Judgement judgement = Judge(policy, MakeFlow("192.0.2.1"), ownership);
    CountFlow(policy, ownership, now_ns, &judgement);
    return judgement.decision;
  };
  EXPECT_EQ(verdict(0).verdict, Verdict::kAllow);
  EXPECT_EQ(verdict(0).verdict, Verdict::kAllow);
  EXPECT_EQ(verdict(0).verdict, Verdict::kDeny);
  EXPECT_EQ(verdict(0).reason, Reason::kRate);
  EXPECT_EQ(verdict(0).rule, 0u);
  EXPECT_EQ(verdict(1'000'000'000).verdict, Verdict::kAllow);
  policy.settings.mode = Mode::kMonitor;
  const Decision monitored = verdict(1'000'000'000);
  EXPECT_EQ(monitored.verdict, Verdict::kAllow);
  EXPECT_TRUE(monitored.would_deny());
}

}  // namespace
}  // namespace sallyport
