#include "src/text_diff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "tests/src/diff_patch.h"

namespace sallyport {
namespace {

using Lines = std::vector<std::string>;

TEST(TextDiff, SameTextsHaveNone) {
  EXPECT_EQ(DiffTexts("", ""), TextDiff());
  EXPECT_EQ(DiffTexts("a\nb\n", "a\nb\n"), TextDiff());
  EXPECT_EQ(DiffTexts("a", "a"), TextDiff());
}

TEST(TextDiff, AsDiffShowsIt) {
  const struct {
    std::string before, after;
    Lines lines;
  } cases[] = {
      {"", "a\n", {"@@ -0,0 +1 @@", "+a"}},
      {"a\n", "", {"@@ -1 +0,0 @@", "-a"}},
      {"a\nb\nc\n", "a\nx\nc\n", {"@@ -1,3 +1,3 @@", " a", "-b", "+x", " c"}},
      {"a\n", "a", {"@@ -1 +1 @@", "-a", "+a", "\\ No newline at end of file"}},
      {"1\n2\n3\n4\n5\n6\n7\n8\n",
       "1\n2\n3\n4\nx\n5\n6\n7\n8\n",
       {"@@ -2,6 +2,7 @@", " 2", " 3", " 4", "+x", " 5", " 6", " 7"}},
      {"a\n\nb\n", "a\nb\n", {"@@ -1,3 +1,2 @@", " a", "-", " b"}},
  };
  for (const auto& c : cases) {
    const TextDiff diff = DiffTexts(c.before, c.after);
    EXPECT_EQ(diff.lines, c.lines) << c.before << "|" << c.after;
    EXPECT_TRUE(diff.complete);
  }
}

TEST(TextDiff, ChangesFarApartAreHunksOfTheirOwn) {
  std::string before, after;
  for (int i = 0; i < 40; ++i) {
    before += std::to_string(i) + "\n";
    if (i != 5 && i != 12 && i != 30) after += std::to_string(i) + "\n";
  }
  const TextDiff diff = DiffTexts(before, after);
  EXPECT_EQ(diff.removed, 3u);
  EXPECT_EQ(diff.added, 0u);
  // 5 and 12 have six lines between them: one hunk, as with diff -u.
  EXPECT_EQ(std::count_if(diff.lines.begin(), diff.lines.end(),
                          [](const auto& l) { return l.starts_with("@@"); }),
            2);
  EXPECT_EQ(diff.lines[0], "@@ -3,14 +3,12 @@");
  EXPECT_EQ(testing::Patch(before, diff), after);
}

TEST(TextDiff, ShortestScriptThatGivesTheNewText) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const auto text = [&random] {
      std::string out;
      const size_t lines = random() % 12;
      for (size_t i = 0; i < lines; ++i) {
        out += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
      }
      if (!out.empty() && random() % 4 == 0) out.pop_back();
      return out;
    };
    const std::string before = text(), after = text();
    const TextDiff diff = DiffTexts(before, after);
    ASSERT_TRUE(diff.complete);
    ASSERT_EQ(testing::Patch(before, diff), after) << before << "----\n"
                                                   << after;
    ASSERT_EQ(diff.added + diff.removed, testing::EditDistance(before, after))
        << before << "----\n"
        << after;
  }
}

TEST(TextDiff, BeyondTheCapThereAreCountsOnly) {
  std::string before = "same\n", after;
  for (int i = 0; i < 600; ++i) {
    before += "old " + std::to_string(i) + "\n";
    after += "new " + std::to_string(i) + "\n";
  }
  after += "same\n";
  const TextDiff diff = DiffTexts(before, after);
  EXPECT_FALSE(diff.complete);
  EXPECT_TRUE(diff.lines.empty());
  EXPECT_EQ(diff.added, 600u);
  EXPECT_EQ(diff.removed, 600u);
  // Exactly at the cap it is searched.
  EXPECT_TRUE(DiffTexts("a\nb\n", "x\ny\n", {.max_edits = 4}).complete);
  EXPECT_FALSE(DiffTexts("a\nb\n", "x\ny\n", {.max_edits = 3}).complete);
}

TEST(TextDiff, OutputIsBounded) {
  std::string after;
  for (int i = 0; i < 10'000; ++i) after += "line " + std::to_string(i) + "\n";
  TextDiff diff = DiffTexts("", after);
  EXPECT_FALSE(diff.complete);
  EXPECT_EQ(diff.added, 10'000u);
  size_t bytes = 0;
  for (const std::string& line : diff.lines) bytes += line.size() + 1;
  EXPECT_LE(bytes, DiffLimits().max_bytes);
  EXPECT_GT(bytes, DiffLimits().max_bytes - 100);

  diff = DiffTexts("", std::string(5000, 'x') + "\n");
  EXPECT_FALSE(diff.complete);
  ASSERT_EQ(diff.lines.size(), 2u);
  EXPECT_EQ(diff.lines[1],
            "+" + std::string(1024, 'x') + "... (3976 bytes more)");
}

// Texts made to keep the search going.
TEST(TextDiff, TimeIsBounded) {
  std::string ones, twos, mixed;
  for (int i = 0; i < 120'000; ++i) {
    ones += "\n";
    twos += i % 2 ? "\n" : "a\n";
    mixed += i % 3 ? "a\n" : "b\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& [a, b] : {std::pair(ones, twos), std::pair(twos, mixed),
                             std::pair(mixed, twos), std::pair(twos, ones)}) {
    const TextDiff diff = DiffTexts(a, b);
    EXPECT_FALSE(diff.complete);
    EXPECT_GT(diff.added + diff.removed, 0u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(TextDiff, AnyBytes) {
  const std::string before("a\0b\n\xff\n", 6), after("a\0c\n\xff\r\n", 7);
  const TextDiff diff = DiffTexts(before, after);
  EXPECT_EQ(testing::Patch(before, diff), after);
}

}  // namespace
}  // namespace sallyport
