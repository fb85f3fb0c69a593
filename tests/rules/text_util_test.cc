#include "rules/text_util.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

TEST(TextUtil, A38_QuotesShowWhatATerminalWouldHideOrObey) {
  EXPECT_EQ(QuoteForMessage("curl"), "'curl'");
  EXPECT_EQ(QuoteForMessage("a\nb\x1b[2J"), "'a\\x0ab\\x1b[2J'");
  EXPECT_EQ(QuoteForMessage("caf\xc3\xa9 \xff"), "'caf\xc3\xa9 \\xff'");
  EXPECT_EQ(QuoteForMessage("\xe2\x80\xae"), "'\\xe2\\x80\\xae'");
  const std::string longer = QuoteForMessage(std::string(5000, 'x'));
  EXPECT_LT(longer.size(), kMaxQuotedBytes + 10);
  EXPECT_TRUE(longer.ends_with("...'"));
}

TEST(TextUtil, Utf8LengthRefusesWhatTheStandardForbids) {
  EXPECT_EQ(Utf8Length("a", 0, nullptr), 1u);
  EXPECT_EQ(Utf8Length("\xc3\xa9", 0, nullptr), 2u);
  EXPECT_EQ(Utf8Length("\xf0\x9f\x94\xa5", 0, nullptr), 4u);
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xff", "\xe2\x82", "\xc3("}) {
    EXPECT_EQ(Utf8Length(bad, 0, nullptr), 0u) << bad;
  }
  EXPECT_EQ(Utf8Length("", 0, nullptr), 0u);
}

TEST(TextUtil, NearestWordFindsSlipsOnly) {
  constexpr std::string_view kWords[] = {"policy", "port", "to"};
  EXPECT_EQ(NearestWord("polcy", kWords), "policy");
  EXPECT_EQ(NearestWord("ports", kWords), "port");
  EXPECT_EQ(NearestWord("xyz", kWords), std::nullopt);
  EXPECT_EQ(NearestWord("a", kWords), std::nullopt);
  EXPECT_EQ(NearestWord(std::string(100'000, 'p'), kWords), std::nullopt);
}

}  // namespace
}  // namespace sallyport
