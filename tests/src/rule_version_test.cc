#include "src/rule_version.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

Rule MakeRule() {
  Rule rule;
  rule.name = "a";
  rule.app = "/bin/a";
  return rule;
}

TEST(RuleVersion, IsOfWhatTheRuleSays) {
  const std::string version = RuleVersion(MakeRule());
  EXPECT_EQ(version.size(), 32u);
  EXPECT_EQ(version.find_first_not_of("0123456789abcdef"), version.npos);
  Rule other = MakeRule();
  other.origin = "/elsewhere.toml";
  EXPECT_EQ(RuleVersion(other), version);
  other.priority = 1;
  EXPECT_NE(RuleVersion(other), version);
  // The same on every machine and after every restart.
  EXPECT_EQ(version, "16cbee54fd82b2205feed73fd07082ab");
}

TEST(RuleVersion, OfASetIsOfAllItsRules) {
  Rule second = MakeRule();
  second.name = "b";
  const auto one = RuleSet::Build({MakeRule()});
  const auto two = RuleSet::Build({MakeRule(), second});
  const auto turned = RuleSet::Build({second, MakeRule()});
  EXPECT_NE(RuleSetVersion(**one), RuleSetVersion(**two));
  EXPECT_EQ(RuleSetVersion(**two), RuleSetVersion(**turned));
}

TEST(IfMatch, Table) {
  const struct {
    const char* header;
    bool matches;  // version abc
  } cases[] = {
      {"*", true},
      {" * ", true},
      {"\"abc\"", true},
      {"\"x\", \"abc\"", true},
      {"\"x\",\"abc\"", true},
      {"\"abc\" ", true},
      {"\"x\"", false},
      {"\"\"", false},
      {"\"ABC\"", false},
      {"W/\"abc\"", false},
      {"W/\"abc\", \"abc\"", true},
      {"\"a,b\\c\"", false},
  };
  for (const auto& c : cases) {
    const auto if_match = IfMatch::Parse(c.header);
    ASSERT_TRUE(if_match.ok()) << c.header << if_match.status();
    EXPECT_TRUE(if_match->is_set());
    EXPECT_EQ(if_match->Check("abc", "rule 'r'").ok(), c.matches) << c.header;
  }
  EXPECT_TRUE(IfMatch().Check("abc", "x").ok());
  EXPECT_FALSE(IfMatch().is_set());
}

TEST(IfMatch, WhatIsNoListIsToldAndBounded) {
  for (const char* bad :
       {"", " ", "abc", "\"abc", "abc\"", "\"a\" \"b\"", "\"a\",", ",\"a\"",
        "*,*", "* \"a\"", "w/\"a\"", "\"a\";\"b\"", "\""}) {
    const auto if_match = IfMatch::Parse(bad);
    ASSERT_FALSE(if_match.ok()) << bad;
    EXPECT_NE(if_match.status().message().find("no list of entity tags"),
              std::string::npos)
        << if_match.status();
  }
  std::string many = "\"a\"";
  for (size_t i = 1; i < IfMatch::kMaxVersions; ++i) many += ",\"a\"";
  EXPECT_TRUE(IfMatch::Parse(many).ok());
  EXPECT_FALSE(IfMatch::Parse(many + ",\"a\"").ok());
}

TEST(IfMatch, ErrorNamesWhatIsNewer) {
  const absl::Status status =
      IfMatch::Parse("\"old\"")->Check("new", "rule 'r'");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(),
            "rule 'r' changed since you read it: it is now \"new\"; nothing "
            "is changed, read again");
}

}  // namespace
}  // namespace sallyport
