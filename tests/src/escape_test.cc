#include "src/escape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>

namespace sallyport {
namespace {

std::string JsonOf(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

struct Case {
  const char* description;
  std::string text;
  const char* escaped;
};

const Case kCases[] = {
    {"plain", "/usr/bin/curl", "/usr/bin/curl"},
    {"empty", "", ""},
    {"quote", "a\"b", "a\"b"},
    {"newline and carriage return", "a\nb\r", "a\\x0ab\\x0d"},
    {"terminal escape", "\x1b[2J", "\\x1b[2J"},
    {"NUL", std::string("a\0b", 3), "a\\x00b"},
    {"DEL", "a\x7f", "a\\x7f"},
    {"C1 control (CSI) in UTF-8", "\xc2\x9b", "\\xc2\\x9b"},
    {"umlauts", "\xc3\xa4", "\xc3\xa4"},
    {"CJK and emoji", "\xe6\xbc\xa2\xf0\x9f\x94\xa5",
     "\xe6\xbc\xa2\xf0\x9f\x94\xa5"},
    {"right-to-left override",
     "a\xe2\x80\xae"
     "b",
     "a\\xe2\\x80\\xaeb"},
    {"isolate", "\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
    {"Arabic letter mark", "\xd8\x9c", "\\xd8\\x9c"},
    {"line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
    {"latin-1 byte", "caf\xe9", "caf\\xe9"},
    {"latin-1 byte before ASCII", "\xe9t\xe9", "\\xe9t\\xe9"},
    {"overlong slash", "\xc0\xaf", "\\xc0\\xaf"},
    {"overlong, three bytes", "\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
    {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
    {"beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
    {"cut short", "\xe6\xbc", "\\xe6\\xbc"},
    {"backslash", "a\\b", "a\\b"},
    {"what looks escaped", "a\\x0ab", "a\\x5cx0ab"},
    {"what nearly looks escaped", "\\x0g\\x", "\\x0g\\x"},
};

TEST(Escape, A38_HostileTextIsHarmlessAndTheRestIsKept) {
  for (const Case& c : kCases) {
    EXPECT_EQ(Escape(c.text), c.escaped) << c.description;
  }
}

TEST(Escape, A38_JsonParsesToTheEscapedText) {
  for (const Case& c : kCases) {
    const auto json = nlohmann::json::parse(JsonOf(c.text));
    EXPECT_EQ(json.get<std::string>(), c.escaped) << c.description;
  }
}

TEST(Escape, A38_RandomBytesStayValidAndDistinct) {
  std::mt19937 random(7);
  // Few letters, so that escapes and look-alikes meet often.
  const std::string letters = "\\x0a\n\xe2\x80\xae\xc3";
  std::set<std::string> texts;
  std::set<std::string> escaped;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t n = random() % 9; n > 0; --n) {
      text.push_back(letters[random() % letters.size()]);
    }
    const std::string shown = Escape(text);
    EXPECT_EQ(nlohmann::json::parse(JsonOf(text)).get<std::string>(), shown);
    for (const char c : shown) EXPECT_GE(static_cast<uint8_t>(c), 0x20);
    texts.insert(text);
    escaped.insert(shown);
  }
  EXPECT_EQ(texts.size(), escaped.size());
}

TEST(TruncateUtf8, NeverCutsACharacter) {
  EXPECT_EQ(TruncateUtf8("abc", 3), "abc");
  EXPECT_EQ(TruncateUtf8("abcd", 3), "abc");
  EXPECT_EQ(TruncateUtf8("a\xe6\xbc\xa2", 3), "a");
  EXPECT_EQ(TruncateUtf8("a\xe6\xbc\xa2", 4), "a\xe6\xbc\xa2");
  EXPECT_EQ(TruncateUtf8("\xf0\x9f\x94\xa5z", 3), "");
  EXPECT_EQ(TruncateUtf8("", 0), "");
  // Not UTF-8: cut where asked.
  EXPECT_EQ(TruncateUtf8("\x80\x80\x80\x80\x80\x80", 5).size(), 5u);
}

}  // namespace
}  // namespace sallyport
