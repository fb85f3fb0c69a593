#include "rules/rule.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

TEST(Rule, NamesOfRules) {
  for (const char* good : {"a", "curl-to-lab", "0", "-"}) {
    EXPECT_TRUE(IsValidRuleName(good)) << good;
  }
  EXPECT_TRUE(IsValidRuleName(std::string(kMaxRuleNameBytes, 'a')));
  for (const char* bad : {"", "A", "a b", "a_b", "a/b", "\xc3\xa9", "a\n"}) {
    EXPECT_FALSE(IsValidRuleName(bad)) << bad;
  }
  EXPECT_FALSE(IsValidRuleName(std::string(kMaxRuleNameBytes + 1, 'a')));
}

TEST(Rule, PolicyNamesAndBack) {
  for (RulePolicy p : {RulePolicy::kAllow, RulePolicy::kDeny,
                       RulePolicy::kReject, RulePolicy::kLocalOnly}) {
    EXPECT_EQ(ParseRulePolicy(RulePolicyName(p)), p);
  }
  EXPECT_EQ(ParseRulePolicy("Allow"), std::nullopt);
}

TEST(Rule, ValidationNamesTheField) {
  const struct {
    std::function<void(Rule*)> spoil;
    std::string message;
  } cases[] = {
      {[](Rule*) {}, ""},
      {[](Rule* r) { r->name = "Bad Name"; },
       "name: 'Bad Name' is not a rule name; use 1 to 64 of a-z, 0-9 and '-'"},
      {[](Rule* r) { r->app = ""; },
       "app: empty; write an absolute path, a glob or \"any\""},
      {[](Rule* r) {
         r->to = {AddressRange{Address("10.0.0.2"), Address("10.0.0.1")}};
       },
       "to: 10.0.0.2-10.0.0.1 is reversed; write the lower address first"},
      {[](Rule* r) {
         r->to = {AddressRange{Address("10.0.0.2"), Address("::1")}};
       },
       "to: 10.0.0.2-::1 mixes IPv4 and IPv6; write two entries"},
      {[](Rule* r) {
         r->to = {IpPrefix{Address("10.0.0.1"), 120}};
       },
       "to: 10.0.0.1/24 has host bits set"},
      {[](Rule* r) {
         r->to = {IpPrefix{Address("10.0.0.1"), 200}};
       },
       "to: prefix longer than 128 bits"},
      {[](Rule* r) {
         r->port = {{9000, 8000}};
       },
       "port: \"9000-8000\" is reversed; write \"8000-9000\""},
      {[](Rule* r) {
         r->port = {{53, 53}};
         r->protocol = {kProtoUdp, kProtoIcmp};
       },
       "port: icmp has no ports; take `port` away or give that protocol a rule "
       "of its own"},
      {[](Rule* r) { r->sha256 = {"abc"}; },
       "sha256: 'abc' is not 64 hexadecimal digits in lower case"},
      {[](Rule* r) { r->sha256 = {std::string(64, 'A')}; },
       "sha256: '" + std::string(64, 'A') +
           "' is not 64 hexadecimal digits in lower case"},
      {[](Rule* r) {
         r->user = {{std::string(300, 'u'), std::nullopt}};
       },
       "user: longer than 256 bytes"},
      {[](Rule* r) {
         r->user = {{"\xff", std::nullopt}};
       },
       "user: not UTF-8"},
      {[](Rule* r) { r->description = "\xc3("; }, "description: not UTF-8"},
      {[](Rule* r) { r->port.resize(kMaxRuleListEntries + 1); },
       "port: more than 1024 entries; split the rule"},
      {[](Rule* r) { r->to.resize(kMaxRuleDestinations + 1); },
       "to: more than 100000 entries; split the rule"},
      {[](Rule* r) { r->direction = Direction::kIn; },
       "direction: only \"out\" is enforced"},
  };
  for (const auto& c : cases) {
    Rule rule = MakeRule("good", RulePolicy::kAllow, "/bin/x");
    c.spoil(&rule);
    EXPECT_EQ(ValidateRule(rule).message(), c.message);
  }
}

TEST(Rule, NamePartIsTheNameOfTheFile) {
  const struct {
    const char* app;
    size_t most;
    const char* part;
  } cases[] = {
      {"/usr/bin/curl", 50, "curl"},
      {"/opt/Visual Studio Code", 50, "visual-studio-code"},
      {"/opt/Visual Studio Code", 7, "visual"},
      {"/opt/**/a-*.bin", 50, "a-bin"},
      {"/opt/**", 50, "rule"},
      {"any", 50, "any"},
      {"/bin/\\x0a", 50, "x0a"},
      {"", 50, "rule"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(RuleNamePart(c.app, c.most), c.part) << c.app;
  }
}

}  // namespace
}  // namespace sallyport
