#include "tools/rule_toml.h"

#include <gtest/gtest.h>

#include "rules/rule_text.h"

namespace sallyport::cli {
namespace {

// What a file says must survive file -> API -> file.
TEST(RuleToml, A38_FilesSurviveTheWayThroughTheApi) {
  const std::string text = R"(
[[rule]]
name = "everything"
policy = "local-only"
app = "/opt/**/gr\u00f6\u00dfe [a-z]\\x0a\\*"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
to = ["192.0.2.0/24", "2001:db8::/32", "10.0.0.1-10.0.0.9", "lan", "::1"]
port = [443, "8000-9000"]
protocol = ["tcp", 17]
user = "1000"
priority = -3
enabled = false
log = false
description = "quote \" backslash \\ crab \U0001f980"
[[rule]]
name = "least"
policy = "deny"
app = "any"
)";
  const RuleParse parse = ParseRules(text, "a");
  ASSERT_TRUE(parse.errors.empty()) << FormatRuleErrors("a", parse.errors);
  std::string printed;
  for (const Rule& rule : parse.rules) printed += RuleToToml(RuleToApi(rule));
  const RuleParse again = ParseRules(printed, "a");
  ASSERT_TRUE(again.errors.empty())
      << FormatRuleErrors("a", again.errors) << printed;
  EXPECT_EQ(again.rules, parse.rules) << printed;
}

TEST(RuleToml, WhatOnlyTheApiShowsAndDefaultsAreLeftOut) {
  const Json rule = Json::parse(R"({"name": "a", "policy": "allow",
      "app": "any", "to": [], "priority": 0, "enabled": true, "log": true,
      "direction": "out", "origin": "/x", "read_only": true, "index": 3,
      "description": ""})");
  EXPECT_EQ(RuleToToml(rule),
            "[[rule]]\n"
            "name        = \"a\"\n"
            "policy      = \"allow\"\n"
            "app         = \"any\"\n");
}

TEST(RuleToml, DeleteIsEscapedAsTomlWants) {
  EXPECT_NE(RuleToToml(Json{{"name", "a\x7f"}}).find("\"a\\u007F\""),
            std::string::npos);
}

}  // namespace
}  // namespace sallyport::cli
