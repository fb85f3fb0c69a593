#include "rules/learned.h"

#include <gtest/gtest.h>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

LearnedFlow Seen(std::string app, std::string_view to, uint16_t port = 443) {
  LearnedFlow flow;
  flow.app = std::move(app);
  flow.address = Address(to);
  flow.protocol = kProtoTcp;
  flow.port = port;
  flow.uid = 1000;
  flow.count = 1;
  return flow;
}

TEST(Learned, WhatARuleDecidesIsNotLeftToLearn) {
  const auto rules = FromToml(R"(
[[rule]]
name = "curl-web"
policy = "allow"
app = "/usr/bin/curl"
to = "192.0.2.0/24"
port = 443
[[rule]]
name = "no-nc"
policy = "deny"
app = "/usr/bin/nc"
[[rule]]
name = "alice"
policy = "allow"
app = "/usr/bin/ssh"
user = 1001
[[rule]]
name = "dns"
policy = "allow"
app = "any"
port = 53
)");
  std::vector<LearnedFlow> flows = {
      Seen("/usr/bin/curl", "192.0.2.1"),      // decided
      Seen("/usr/bin/curl", "192.0.2.1", 80),  // 1
      Seen("/usr/bin/curl", "198.51.100.1"),   // 2
      Seen("/usr/bin/nc", "198.51.100.1"),     // denied is decided
      Seen("/usr/bin/ssh", "192.0.2.1", 22),   // 5: of another user
      Seen("/opt/a\\x0ab", "192.0.2.1"),       // 6
      Seen("/opt/a\\x0ab", "192.0.2.1", 53),   // decided
      Seen("/usr/bin/curl", "192.0.2.1"),      // replaced: 8
      Seen("", "192.0.2.1", 53),               // nobody's: decided
      Seen("", "192.0.2.1"),                   // nobody's
  };
  flows[7].naming = AppNaming::kNotItsPath;
  flows[8].naming = flows[9].naming = AppNaming::kNobody;
  EXPECT_EQ(Undecided(*rules, flows), (std::vector<size_t>{1, 2, 4, 5, 7, 9}));
}

// One rule with one condition more, and what it then decides of a flow that it
// decided without.
TEST(Learned, AConditionThatIsNotKnownOfAFlowAllowsNothingAndDeniesAll) {
  const std::string kHash(64, 'a');
  const std::string conditions[] = {
      "during = \"00:00-24:00\"",           "during = \"mon 09:00-10:00\"",
      "expires = \"2198-01-01T00:00:00Z\"", "interface = \"eth0\"",
      "sha256 = \"" + kHash + "\"",
  };
  const std::string head = "[[rule]]\nname = \"r\"\napp = \"/usr/bin/curl\"\n";
  const std::vector<LearnedFlow> flows = {Seen("/usr/bin/curl", "192.0.2.1")};
  const std::vector<size_t> all = {0};
  const std::vector<size_t> none;
  for (const std::string& condition : conditions) {
    for (const char* policy : {"allow", "deny", "reject"}) {
      const std::string rule = head + "policy = \"" + policy + "\"\n";
      EXPECT_EQ(Undecided(*FromToml(rule), flows), none);
      const bool allows = policy == std::string("allow");
      EXPECT_EQ(Undecided(*FromToml(rule + condition), flows),
                allows ? all : none)
          << policy << " " << condition;
    }
  }
  EXPECT_EQ(
      Undecided(*FromToml(head + "policy = \"allow\"\nrate = \"5/second\""),
                flows),
      all);
}

TEST(Learned, ConditionsThatAreKnownCoverLess) {
  const std::string head =
      "[[rule]]\nname = \"r\"\npolicy = \"allow\"\napp = \"/usr/bin/curl\"\n";
  const std::vector<LearnedFlow> flows = {
      Seen("/usr/bin/curl", "192.0.2.1"),
      Seen("/usr/bin/curl", "192.0.2.2", 80)};
  const struct {
    const char* condition;
    std::vector<size_t> undecided;
  } cases[] = {
      {"", {}},
      {"not_to = \"192.0.2.1\"", {0}},
      {"not_port = 80\nprotocol = \"tcp\"", {1}},
      {"user = [0, 1000]", {}},
      {"user = [0, 1001]", {0, 1}},
      {"not_user = 1000", {0, 1}},
      {"not_user = 1001", {}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Undecided(*FromToml(head + c.condition), flows), c.undecided)
        << c.condition;
  }
}

TEST(Learned, BehindARuleWithMoreConditionsAnotherDecides) {
  const auto rules = FromToml(R"(
[[rule]]
name = "at-night"
policy = "allow"
app = "/usr/bin/curl"
to = "192.0.2.1"
during = "22:00-06:00"
[[rule]]
name = "always"
policy = "allow"
app = "/usr/bin/curl"
port = 443
[[rule]]
name = "local"
policy = "local-only"
app = "/usr/bin/ssh"
during = "22:00-06:00"
)");
  const std::vector<LearnedFlow> flows = {
      Seen("/usr/bin/curl", "192.0.2.1"),      // by "always"
      Seen("/usr/bin/curl", "192.0.2.1", 80),  // allowed at night only
      Seen("/usr/bin/ssh", "10.0.0.1"),        // the same
      Seen("/usr/bin/ssh", "192.0.2.1"),       // denied at night
  };
  EXPECT_EQ(Undecided(*rules, flows), (std::vector<size_t>{1, 2}));
}

TEST(Learned, WhatHasEndedDeniesNothing) {
  Rule rule;
  rule.name = "r";
  rule.app = "/usr/bin/curl";
  rule.expires = absl::FromUnixSeconds(1000);
  const std::vector<LearnedFlow> flows = {Seen("/usr/bin/curl", "192.0.2.1")};
  const auto before =
      RuleSet::Build({rule}, {.time = absl::FromUnixSeconds(999)});
  const auto after =
      RuleSet::Build({rule}, {.time = absl::FromUnixSeconds(1000)});
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_TRUE(Undecided(**before, flows).empty());
  EXPECT_EQ(Undecided(**after, flows), (std::vector<size_t>{0}));
}

TEST(Learned, Texts) {
  LearnedFlow flow = Seen("/bin/a", "2001:db8::1");
  EXPECT_EQ(DestinationText(flow), "2001:db8::1");
  flow.name = "www.example.com";
  EXPECT_EQ(DestinationText(flow), "www.example.com");
  EXPECT_EQ(ServiceText(kProtoTcp, 443), "tcp 443");
  EXPECT_EQ(ServiceText(kProtoIcmp, 0), "icmp");
  EXPECT_EQ(ServiceText(200, 0), "200");
}

}  // namespace
}  // namespace sallyport
