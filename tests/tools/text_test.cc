#include "tools/text.h"

#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

TEST(EscapeForTerminal, A38_NothingThatMovesTheCursorOrTheEyeStays) {
  const struct {
    std::string_view text, safe;
  } kCases[] = {
      {"", ""},
      {"/usr/bin/curl", "/usr/bin/curl"},
      {"größe 漢字 🦀", "größe 漢字 🦀"},
      {"a\nb\r\tc", "a\\x0ab\\x0d\\x09c"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"\x7f", "\\x7f"},
      {std::string_view("a\0b", 3), "a\\x00b"},
      {"\xc2\x9b", "\\xc2\\x9b"},                    // C1: CSI
      {"\xe2\x80\xae", "\\u{202e}"},                 // right-to-left override
      {"\xe2\x81\xa6", "\\u{2066}"},                 // isolate
      {"\xe2\x80\x8b", "\\u{200b}"},                 // zero width space
      {"\xef\xbb\xbf", "\\u{feff}"},                 // byte order mark
      {"\xf3\xa0\x81\x81", "\\u{e0041}"},            // tag
      {"\xff\xfe", "\\xff\\xfe"},                    // no UTF-8
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // surrogate
      {"\xe2\x80", "\\xe2\\x80"},                    // cut off
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // above U+10FFFF
  };
  for (const auto& c : kCases) EXPECT_EQ(EscapeForTerminal(c.text), c.safe);
}

TEST(Fit, PadsAndCutsInTheMiddle) {
  EXPECT_EQ(Fit("abc", 5), "abc  ");
  EXPECT_EQ(Fit("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(Fit("abcdefgh", 7), "abc…fgh");
  EXPECT_EQ(Fit("abcdefgh", 6), "ab…fgh");
  EXPECT_EQ(Fit("abc", 1), "…");
  EXPECT_EQ(Fit("abc", 0), "");
  EXPECT_EQ(Fit("äöüäöü", 5), "äö…öü");
  for (size_t columns = 0; columns < 40; ++columns) {
    EXPECT_EQ(Width(Fit("/opt/gr\x1b\xc3\xb6\xff/x\xe2\x80\xae y", columns)),
              columns);
  }
}

TEST(Split, KeepsEmptyParts) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(Split("", ','), Parts({""}));
  EXPECT_EQ(Split("a,,b,", ','), Parts({"a", "", "b", ""}));
}

TEST(ParseNumber, TakesAllOfTheTextOrNone) {
  int number = 0;
  EXPECT_TRUE(ParseNumber("42", &number));
  EXPECT_EQ(number, 42);
  for (std::string_view bad : {"", " 1", "1 ", "0x1", "99999999999", "1.0"}) {
    EXPECT_FALSE(ParseNumber(bad, &number)) << bad;
  }
}

TEST(Table, AlignsEscapedTextAndLeavesEmptyColumnsOut) {
  Table table({"A", "EMPTY", "B", "LAST"});
  table.AddRow({{"a\n"}, {""}, {"ö"}, {"x"}});
  table.AddRow({{"a"}, {""}, {"bcd"}, {""}});
  EXPECT_EQ(table.Render(false),
            "A      B    LAST\n"
            "a\\x0a  ö    x\n"
            "a      bcd\n");
}

TEST(Table, ColoursAreOutsideOfTheWidth) {
  Table table({"A", "B"});
  table.AddRow({{"x", Colour::kRed}, {"y"}});
  EXPECT_EQ(table.Render(true),
            "\033[2mA\033[0m  \033[2mB\033[0m\n\033[31mx\033[0m  y\n");
}

}  // namespace
}  // namespace sallyport::cli
