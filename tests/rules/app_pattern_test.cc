#include "rules/app_pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

namespace sallyport {
namespace {

bool Matches(std::string_view text, std::string_view path) {
  const auto pattern = AppPattern::Parse(text);
  EXPECT_TRUE(pattern.ok()) << text << ": " << pattern.status();
  return pattern.ok() && pattern->Matches(path);
}

TEST(AppPattern, ATableOfGlobs) {
  const struct {
    const char* text;
    const char* path;
    bool matches;
  } cases[] = {
      {"any", "/bin/x", true},
      {"/bin/x", "/bin/x", true},
      {"/bin/x", "/bin/xy", false},
      {"/bin/*", "/bin/x", true},
      {"/bin/*", "/bin/sub/x", false},
      {"/bin/*", "/binx", false},
      {"/bin/**", "/bin/sub/x", true},
      {"/bin/**", "/bin/x", true},
      {"/opt/**/bin/x", "/opt/bin/x", true},
      {"/opt/**/bin/x", "/opt/a/bin/x", true},
      {"/opt/**/bin/x", "/opt/a/b/bin/x", true},
      {"/opt/**/bin/x", "/opt/a/xbin/x", false},
      {"/opt/**/bin/x", "/optbin/x", false},
      {"/opt/**bin/x", "/opt/a/xbin/x", true},
      {"/**/firefox", "/usr/lib/firefox/firefox", true},
      {"/**/firefox", "/firefox", true},
      {"/**/firefox", "/usr/lib/notfirefox", false},
      {"/usr/bin/python3*", "/usr/bin/python3", true},
      {"/usr/bin/python3*", "/usr/bin/python3.11", true},
      {"/usr/bin/python3.*", "/usr/bin/python3", false},
      {"/usr/bin/python3.?", "/usr/bin/python3.1", true},
      {"/usr/bin/python3.?", "/usr/bin/python3.11", false},
      {"/a/?/b", "/a///b", false},
      {"/home/*/bin/*", "/home/u/bin/x", true},
      {"/home/*/bin/*", "/home/u/v/bin/x", false},
      {"/a/*b*c", "/a/xbybzc", true},
      {"/a/*b*c", "/a/xbybz", false},
      {"/a/*b/**/c*d", "/a/xb/c/q/cXd", true},
      {"/x/[abc]", "/x/b", true},
      {"/x/[a-c]", "/x/d", false},
      {"/x/[!a-c]", "/x/d", true},
      {"/x/[^a-c]", "/x/b", false},
      {"/x[!a]y", "/x/y", false},
      {"/x/[-a]", "/x/-", true},
      {"/x/[a-]", "/x/-", true},
      {"/x/[\\]]", "/x/]", true},
      {"/x/[\\xff]", "/x/\xff", true},
      {"/x/\\*", "/x/*", true},
      {"/x/\\*", "/x/a", false},
      {"/x/\\[a\\]", "/x/[a]", true},
      {"/x/\\\\", "/x/\\", true},
      {"/x/\\x0a", "/x/\n", true},
      {"/x/\\xFf", "/x/\xff", true},
      {"/x/\xc3\xa9", "/x/\xc3\xa9", true},
      {"/***x", "/a/b/x", true},
      {"/mnt/*", "/mnt/", true},  // no file is called so, but it must not crash
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Matches(c.text, c.path), c.matches) << c.text << " " << c.path;
  }
}

TEST(AppPattern, KindsAndHowSpecific) {
  EXPECT_EQ(AppPattern::Parse("any")->kind(), AppPattern::Kind::kAny);
  const AppPattern exact = *AppPattern::Parse("/bin/\\*x");
  EXPECT_EQ(exact.kind(), AppPattern::Kind::kExact);
  EXPECT_EQ(exact.prefix(), "/bin/*x");
  const AppPattern glob = *AppPattern::Parse("/opt/**/bin/a*b");
  EXPECT_EQ(glob.kind(), AppPattern::Kind::kGlob);
  EXPECT_EQ(glob.prefix(), "/opt/");
  EXPECT_EQ(glob.literal_bytes(), std::string("/opt/bin/ab").size());
}

TEST(AppPattern, ErrorsSayWhatToWrite) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"", "empty; write an absolute path, a glob or \"any\""},
      {"curl",
       "'curl' is not an absolute path; write the full path, a glob such as "
       "/opt/**/name, or \"any\""},
      {"*",
       "'*' is not an absolute path; write the full path, a glob such as "
       "/opt/**/name, or \"any\""},
      {"/bin//x",
       "'/bin//x' names no executable: write it without '//', '.', "
       "'..' and without '/' at the end"},
      {"/bin/../x",
       "'/bin/../x' names no executable: write it without '//', "
       "'.', '..' and without '/' at the end"},
      {"/bin/",
       "'/bin/' names no executable: write it without '//', '.', '..' "
       "and without '/' at the end"},
      {"/",
       "'/' names no executable: write it without '//', '.', '..' and "
       "without '/' at the end"},
      {"/bin/.",
       "'/bin/.' names no executable: write it without '//', '.', "
       "'..' and without '/' at the end"},
      {"/x/[ab", "'[' is not closed; write \\[ for the character itself"},
      {"/x/[]", "empty set []"},
      {"/x/[z-a]", "a range in [...] is reversed"},
      {"/x/[\xc3\xa9]",
       "a set [...] holds bytes; write others than ASCII as \\xNN"},
      {"/x/\\x00", "no path has a NUL byte (\\x00)"},
      {"/x/\\",
       "a backslash must be followed by xNN (a byte) or one of * ? [ "
       "] \\; write \\\\ for a backslash itself"},
      {"/x/\\n",
       "a backslash must be followed by xNN (a byte) or one of * ? [ "
       "] \\; write \\\\ for a backslash itself"},
      {"/x/\\x0",
       "a backslash must be followed by xNN (a byte) or one of * ? "
       "[ ] \\; write \\\\ for a backslash itself"},
      {"/x/\n",
       "bytes that are not UTF-8 and invisible characters must be "
       "written as \\xNN: '/x/\\x0a'"},
      {"/" + std::string(5000, 'a'), "path of more than 4095 bytes"},
      {"/" + std::string(20000, 'a'), "longer than 16384 bytes"},
      {"/" +
           [] {
             std::string stars;
             for (int i = 0; i < 65; ++i) stars += "*a";
             return stars;
           }(),
       "more than 64 wildcards"},
  };
  for (const auto& c : cases) {
    const auto pattern = AppPattern::Parse(c.text);
    ASSERT_FALSE(pattern.ok()) << c.text;
    EXPECT_EQ(pattern.status().message(), c.message);
  }
}

TEST(AppPattern, A38_EveryPathHasATextThatNamesItAlone) {
  std::mt19937 random(38);
  const std::string odd = "/*?[]\\x0a\n\x1b\xff\xc3\xa9 .'\"#\xe2\x80\xae";
  for (int i = 0; i < 5000; ++i) {
    std::string path = "/a";
    for (size_t n = 1 + random() % 12; n > 0; --n) {
      path += random() % 2 == 0 ? odd[random() % odd.size()]
                                : static_cast<char>(1 + random() % 255);
    }
    // Only names that the kernel could hand out.
    if (path.find("/.") != path.npos || path.find("//") != path.npos ||
        path.back() == '/') {
      continue;
    }
    const std::string text = ExactAppText(path);
    EXPECT_EQ(CleanAppText(text), text);
    const auto pattern = AppPattern::Parse(text);
    ASSERT_TRUE(pattern.ok()) << text << " " << pattern.status();
    EXPECT_EQ(pattern->kind(), AppPattern::Kind::kExact) << text;
    EXPECT_EQ(pattern->prefix(), path);
    EXPECT_TRUE(pattern->Matches(path));
  }
}

TEST(AppPattern, A38_CleanTextKeepsWildcardsAndShowsTheInvisible) {
  EXPECT_EQ(CleanAppText("/usr/bin/*"), "/usr/bin/*");
  EXPECT_EQ(CleanAppText("/a\nb\x1b\xff"), "/a\\x0ab\\x1b\\xff");
  EXPECT_EQ(CleanAppText("/a\xe2\x80\xae"), "/a\\xe2\\x80\\xae");
  EXPECT_EQ(CleanAppText("/caf\xc3\xa9"), "/caf\xc3\xa9");
}

// A plain recursive matcher, exponential and obviously right.
bool Reference(std::string_view glob, std::string_view path, bool at_name) {
  if (glob.empty()) return path.empty();
  if (glob[0] == '*') {
    size_t stars = 0;
    while (stars < glob.size() && glob[stars] == '*') ++stars;
    const std::string_view rest = glob.substr(stars);
    if (stars >= 2 && at_name && !rest.empty() && rest[0] == '/') {
      if (Reference(rest.substr(1), path, true)) return true;
      for (size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '/' &&
            Reference(rest.substr(1), path.substr(i + 1), true)) {
          return true;
        }
      }
      return false;
    }
    for (size_t i = 0; i <= path.size(); ++i) {
      if (Reference(rest, path.substr(i), false)) return true;
      if (stars == 1 && i < path.size() && path[i] == '/') return false;
    }
    return false;
  }
  if (path.empty()) return false;
  if (glob[0] == '?' ? path[0] == '/' : path[0] != glob[0]) return false;
  return Reference(glob.substr(1), path.substr(1), glob[0] == '/');
}

TEST(AppPattern, AgreesWithARecursiveMatcherOnRandomGlobs) {
  std::mt19937 random(7);
  const auto pick = [&](std::string_view from, size_t most) {
    std::string text = "/";
    for (size_t n = random() % most; n > 0; --n) {
      text += from[random() % from.size()];
    }
    return text;
  };
  int matched = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string glob = pick("ab/**?*", 9);
    const auto pattern = AppPattern::Parse(glob);
    if (!pattern.ok()) continue;  // "//" and the like
    const std::string path = pick("aab/b", 10);
    const bool expected = Reference(glob, path, false);
    ASSERT_EQ(pattern->Matches(path), expected) << glob << " " << path;
    matched += expected ? 1 : 0;
  }
  EXPECT_GT(matched, 1000);
}

TEST(AppPattern, HostilePathAgainstManyStarsStaysBounded) {
  std::string text = "/";
  for (int i = 0; i < 30; ++i) text += "**a";
  text += "b";
  const AppPattern pattern = *AppPattern::Parse(text);
  const std::string path = "/" + std::string(4000, 'a') + "c";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(pattern.Matches(path));
  std::string tail = path;
  tail.back() = 'b';
  EXPECT_TRUE(pattern.Matches(tail));
  // Measured: under 1 ms. Backtracking would need longer than the universe has.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(AppPattern, PathsLongerThanTheKernelsAreNoMatch) {
  EXPECT_FALSE(Matches("/**", "/" + std::string(5000, 'a')));
  EXPECT_TRUE(Matches("/**", "/" + std::string(4095, 'a')));
}

}  // namespace
}  // namespace sallyport
