#include "src/rule_undo.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(RuleUndo, RoundTripsAnyBytes) {
  RuleUndo undo;
  undo.what = "import of rules (1 added)";
  undo.is_complete = true;
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  undo.files = {{"a.toml", bytes}, {"b.toml", std::nullopt}, {"c.toml", ""}};
  const auto parsed = ParseRuleUndo(RuleUndoText(undo));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, undo);
  EXPECT_EQ(*ParseRuleUndo(RuleUndoText(RuleUndo())), RuleUndo());
}

TEST(RuleUndo, NothingLeadsOutOfTheDirectory) {
  for (const char* name : {"../a.toml", "/etc/a.toml", "d/a.toml", ".a.toml",
                           "a", "a.toml.x", "", ".toml", "a\\u0000.toml"}) {
    const auto parsed = ParseRuleUndo(
        std::string(R"({"version":1,"what":"w","complete":true,"files":[)") +
        R"({"name":")" + name + R"(","base64":null}]})");
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_NE(parsed.status().message().find("no name of a rule file"),
              std::string::npos)
        << parsed.status();
  }
}

TEST(RuleUndo, WhatIsNotWholeIsRefused) {
  for (
      const char* bad :
      {"", "{", "[]", "{}", R"({"version":2})",
       R"({"version":1,"what":"w","complete":true})",
       R"({"version":1,"what":1,"complete":true,"files":[]})",
       R"({"version":1,"what":"w","complete":1,"files":[]})",
       R"({"version":1,"what":"w","complete":true,"files":[1]})",
       R"({"version":1,"what":"w","complete":true,"files":[{"name":"a.toml"}]})",
       R"({"version":1,"what":"w","complete":true,)"
       R"("files":[{"name":"a.toml","base64":"*"}]})",
       R"({"version":1,"what":"w","complete":true,)"
       R"("files":[{"name":"a.toml","base64":5}]})"}) {
    EXPECT_FALSE(ParseRuleUndo(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sallyport
