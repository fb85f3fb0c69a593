#include "src/rule_json.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

using nlohmann::json;

Rule FullRule() {
  Rule rule;
  rule.name = "full";
  rule.policy = RulePolicy::kLocalOnly;
  rule.app = "/opt/*/bin";
  rule.sha256 = {std::string(64, 'a')};
  rule.to = {
      *ParseIpPrefix("192.0.2.0/24"), *ParseIpPrefix("2001:db8::1"),
      AddressRange{*ParseIpAddress("10.0.0.1"), *ParseIpAddress("10.0.0.9")},
      ScopeKeyword::kLan};
  rule.port = {{443, 443}, {8000, 9000}};
  rule.protocol = {kProtoTcp, kProtoUdp, 200};
  rule.user = {{"root", std::nullopt}};
  rule.priority = -7;
  rule.enabled = false;
  rule.log = false;
  rule.description = "why \"this\"\n";
  return rule;
}

TEST(RuleJson, WhatIsShownCanBePutBack) {
  const json shown = RuleToJson(StoredRule{FullRule(), 3, true});
  Rule rule;
  ASSERT_TRUE(ApplyRuleJson(shown, &rule).ok());
  EXPECT_EQ(rule, FullRule());
  EXPECT_EQ(RuleToJson(StoredRule{rule, 3, true}), shown);
}

TEST(RuleJson, ShapeIsThatOfTheDesign) {
  Rule rule;
  rule.name = "r";
  rule.app = "any";
  const json shown = RuleToJson(StoredRule{rule, 0, false});
  EXPECT_EQ(shown["to"], json::array());
  EXPECT_EQ(shown["port"], json::array());
  EXPECT_EQ(shown["protocol"], json::array());
  EXPECT_EQ(shown["direction"], "out");
  const json full = RuleToJson(FullRule());
  EXPECT_EQ(full["port"], json::parse(R"([443, "8000-9000"])"));
  EXPECT_EQ(full["protocol"], json::parse(R"(["tcp", "udp", "200"])"));
  EXPECT_EQ(full["to"], json::parse(R"(["192.0.2.0/24", "2001:db8::1",
                                        "10.0.0.1-10.0.0.9", "lan"])"));
}

TEST(RuleJson, OnlyGivenFieldsChange) {
  Rule rule = FullRule();
  ASSERT_TRUE(ApplyRuleJson({{"enabled", true}}, &rule).ok());
  Rule expected = FullRule();
  expected.enabled = true;
  EXPECT_EQ(rule, expected);
  ASSERT_TRUE(ApplyRuleJson({{"port", 80}, {"to", "lan"}}, &rule).ok());
  EXPECT_EQ(rule.port, (std::vector<PortRange>{{80, 80}}));
  EXPECT_EQ(rule.to.size(), 1u);
}

TEST(RuleJson, F28_EachFieldOfEachWrongType) {
  const char* const kFields[] = {
      "name",      "policy",   "app",     "sha256",   "to",         "port",
      "protocol",  "user",     "not_to",  "not_port", "not_user",   "interface",
      "direction", "priority", "enabled", "log",      "description"};
  const json kValues[] = {json::object(),
                          json::object({{"a", 1}}),
                          json::array({nullptr}),
                          json::array({json::array({1})}),
                          1.5,
                          -1.0e300,
                          json::array({1.5})};
  for (const char* field : kFields) {
    for (const json& value : kValues) {
      Rule rule;
      const absl::Status status = ApplyRuleJson({{field, value}}, &rule);
      EXPECT_FALSE(status.ok()) << field << " " << value;
      EXPECT_EQ(FieldOf(status), field) << value;
    }
  }
}

TEST(RuleJson, F28_ValuesOutOfRange) {
  const std::pair<const char*, json> cases[] = {
      {"priority", INT64_MAX}, {"priority", UINT64_MAX},
      {"priority", INT64_MIN}, {"priority", int64_t{INT32_MAX} + 1},
      {"port", 65536},         {"port", -1},
      {"port", "9-8"},         {"port", UINT64_MAX},
      {"protocol", 256},       {"protocol", -1},
      {"protocol", "tpc"},     {"to", "10.0.0.1/8"},
      {"to", "example.com"},   {"policy", "ask"},
      {"policy", ""},          {"direction", "in"},
      {"colour", "red"},       {"enable", true},
  };
  for (const auto& [field, value] : cases) {
    Rule rule;
    const absl::Status status = ApplyRuleJson({{field, value}}, &rule);
    EXPECT_EQ(FieldOf(status), field) << value;
  }
}

TEST(RuleJson, UnknownFieldSuggestsTheKnown) {
  Rule rule;
  EXPECT_NE(ApplyRuleJson({{"enable", true}}, &rule).message().find("enabled"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace sallyport
