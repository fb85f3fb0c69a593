#include "tools/regex_translate.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "rules/address.h"
#include "rules/app_pattern.h"
#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

std::string Shown(const Translation& translation) {
  return Concat(absl::StrJoin(translation.values, " "),
                translation.remarks.empty() ? "" : " | ",
                absl::StrJoin(translation.remarks, "; "));
}

std::string With(Translation (*translate)(const Regex&),
                 std::string_view text) {
  const absl::StatusOr<Regex> regex = ParseRegex(text);
  return regex.ok() ? Shown(translate(*regex)) : MessageOf(regex.status());
}
std::string Apps(std::string_view text) { return With(RegexToApps, text); }
std::string Hosts(std::string_view text) { return With(RegexToHosts, text); }
std::string Nets(std::string_view text) { return With(RegexToAddresses, text); }
std::string Texts(std::string_view text) { return With(RegexToTexts, text); }

TEST(RegexRows, WhatIsNotUnderstoodIsNamed) {
  EXPECT_EQ(Apps("a(?=b)"), "column 4: this kind of group is not understood");
  EXPECT_EQ(Apps("(a"), "column 3: '(' is not closed");
  EXPECT_EQ(Apps("a)"), "column 2: ')' without '('");
  EXPECT_EQ(Apps("[a"), "column 3: '[' is not closed");
  EXPECT_EQ(Apps("[z-a]"), "column 5: a range is reversed");
  EXPECT_EQ(Apps("*a"), "column 1: nothing to repeat");
  EXPECT_EQ(Apps("a**"), "column 4: a repetition of a repetition");
  EXPECT_EQ(Apps("(ab)*"), "column 6: a repeated group is not understood");
  EXPECT_EQ(Apps("a\\"), "column 2: a backslash at the end");
  EXPECT_EQ(Apps("\\bx"), "column 1: \\b is not understood");
  EXPECT_EQ(Apps("[[:alpha:]]"), "column 2: [: :] is not understood");
  EXPECT_EQ(Apps("a{2,1}"), "column 7: a repetition that is not allowed");
  EXPECT_EQ(Apps(std::string(5000, 'a')), "longer than 4096 bytes");
  EXPECT_EQ(Apps(std::string(64, '(')), "column 34: too many groups in groups");
}

// Every "(a|b)" doubles what the expression stands for.
TEST(RegexRows, DoNotExplode) {
  std::string text = "^/";
  for (int i = 0; i < 500; ++i) text += "(a|b)";
  EXPECT_EQ(Apps(text), "stands for too many alternatives");
  EXPECT_EQ(Apps("((((a|b){9}){9}){9}){9}"),
            "stands for too many alternatives");
  text = "^";
  for (int i = 0; i < 400; ++i) text += "[0-9]{1,9}";
  EXPECT_EQ(Texts(text),
            " | 1 of its alternatives cannot be said here and are "
            "left out of it");
}

TEST(RegexRows, MatchesShortTexts) {
  const auto matches = [](std::string_view regex, std::string_view text) {
    return RegexMatches(*ParseRegex(regex), text);
  };
  EXPECT_TRUE(matches("^(tcp|udp)6?$", "tcp"));
  EXPECT_TRUE(matches("^(tcp|udp)6?$", "udp6"));
  EXPECT_FALSE(matches("^(tcp|udp)6?$", "udplite"));
  EXPECT_TRUE(matches("udp", "udplite6"));
  EXPECT_FALSE(matches("udp$", "udplite6"));
  EXPECT_TRUE(matches(".*p", "tcp"));
  EXPECT_TRUE(matches("^t.{1,3}p?$", "tcp"));
  EXPECT_FALSE(matches("^t.{3}$", "tcp"));
  EXPECT_TRUE(matches("", "x"));
}

TEST(RegexRows, AQuotedTextMatchesItself) {
  for (std::string_view text : {"a.b*c", "^$()[]{}|\\", "tcp", ""}) {
    const Regex regex = *ParseRegex(Concat("^", QuoteRegex(text), "$"));
    EXPECT_TRUE(RegexMatches(regex, text)) << text;
    EXPECT_FALSE(RegexMatches(regex, Concat(text, "x"))) << text;
  }
}

TEST(RegexToApps, PathsThatPeopleWrite) {
  EXPECT_EQ(Apps("^/usr/bin/(a|b)$"), "/usr/bin/a /usr/bin/b");
  EXPECT_EQ(Apps("^/usr/bin/(wget|curl)(-[0-9])?$"),
            "/usr/bin/wget /usr/bin/wget-[0-9] /usr/bin/curl "
            "/usr/bin/curl-[0-9]");
  EXPECT_EQ(Apps("^/opt/app/.*$"), "/opt/app/**");
  EXPECT_EQ(Apps("^/opt/app/"), "/opt/app/**");
  EXPECT_EQ(Apps("/tmp/.*"), "/**/tmp/**");
  EXPECT_EQ(Apps("^.*/firefox$"), "/**/firefox");
  EXPECT_EQ(Apps(".*ping"), "/**ping**");
  EXPECT_EQ(Apps("(?i:.*ping)$"), "/**ping");
  EXPECT_EQ(Apps("^/home/[^/]+/bin/x$"), "/home/?*/bin/x");
  EXPECT_EQ(Apps("^/home/[^/]*/bin/x$"), "/home/*/bin/x");
  EXPECT_EQ(Apps("^/home/[^/]*[^/]*x$"), "/home/*x");
  EXPECT_EQ(Apps(R"(^/home/\*[^/]*.*x$)"), R"(/home/\***x)");
  EXPECT_EQ(Apps(R"(^/tmp/\.mount_Joplin[0-9A-Za-z]{6}\/.*joplin$)"),
            "/tmp/.mount_Joplin[0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z]"
            "[0-9A-Za-z][0-9A-Za-z]/**joplin");
  EXPECT_EQ(Apps(R"(^/opt/a\*b\[c\]$)"), R"(/opt/a\*b\[c\])");
  EXPECT_EQ(Apps(".*"), "any");
  EXPECT_EQ(Apps(""), "any");
  EXPECT_EQ(Apps("^/opt/gr\xc3\xb6\xc3\x9f"
                 "e$"),
            "/opt/gr\xc3\xb6\xc3\x9f"
            "e");
}

TEST(RegexToApps, WhatIsLostIsSaid) {
  EXPECT_EQ(Apps(R"(^/usr/bin/python[0-9\.]*$)"),
            "/usr/bin/python /usr/bin/python[.0-9] "
            "/usr/bin/python[.0-9][.0-9] /usr/bin/python[.0-9][.0-9][.0-9] "
            "/usr/bin/python[.0-9][.0-9][.0-9][.0-9] "
            "/usr/bin/python[.0-9][.0-9][.0-9][.0-9][.0-9] "
            "/usr/bin/python[.0-9][.0-9][.0-9][.0-9][.0-9][.0-9] | "
            "repeats a class: read as up to 6 times");
  EXPECT_EQ(Apps("^/a/x$|^relative$"),
            "/a/x | 1 of its alternatives cannot be said here and are left out "
            "of it");
  EXPECT_EQ(Apps("^/a[/_]x$"),
            "/a[_]x | has a class whose '/' is left out of "
            "it");
  EXPECT_EQ(Apps("^$"),
            " | 1 of its alternatives cannot be said here and are "
            "left out of it");
}

// "/a/**/b" has "/a/b" too, which "/a/.*/b" has not.
TEST(RegexToApps, AComponentIsNotNothing) {
  for (const char* text : {"^/a/.*/b$", "^/a/.*[^/]*/b$", "^/a/.*.*/b$"}) {
    const Translation apps = RegexToApps(*ParseRegex(text));
    ASSERT_EQ(apps.values.size(), 1U) << text;
    const auto pattern = AppPattern::Parse(apps.values[0]);
    ASSERT_TRUE(pattern.ok()) << apps.values[0];
    EXPECT_FALSE(pattern->Matches("/a/b")) << apps.values[0];
    EXPECT_TRUE(pattern->Matches("/a/x/b")) << apps.values[0];
    EXPECT_TRUE(pattern->Matches("/a/x/y/b")) << apps.values[0];
  }
}

TEST(RegexToHosts, NamesThatPeopleWrite) {
  EXPECT_EQ(Hosts(R"(^www\.example\.com$)"), "=www.example.com");
  EXPECT_EQ(Hosts(R"(.*\.example\.com$)"), "*.example.com");
  EXPECT_EQ(Hosts(R"(\.example\.com$)"), "*.example.com");
  EXPECT_EQ(Hosts(R"(^.+\.example\.com$)"), "*.example.com");
  EXPECT_EQ(Hosts(R"(^(.*\.)?example\.com$)"), "example.com");
  EXPECT_EQ(Hosts(R"((^|\.)example\.com$)"), "example.com");
  EXPECT_EQ(Hosts(R"(^(www|cdn[12])\.Example\.com$)"),
            "=www.example.com =cdn1.example.com =cdn2.example.com");
}

TEST(RegexToHosts, WhatIsLostIsSaid) {
  // As OpenSnitch's own dialog writes it.
  EXPECT_EQ(Hosts(R"(^(|.*\.)yahoo\.com)"),
            "yahoo.com | is read as if it ended with $");
  EXPECT_EQ(Hosts("^www.example.com$"),
            "=www.example.com | has a '.' that is read as a dot alone");
  EXPECT_EQ(Hosts(R"(example\.com$)"),
            "example.com | is read as if it began with ^");
  const char* none =
      " | 1 of its alternatives cannot be said here and are left out of it";
  for (const char* text :
       {R"(^ads\..*)", R"(^[^.]+\.example\.com$)", R"(^a.*z\.com$)", ".*", "",
        R"(^192\.0\.2\.1$)", R"(^\.com\.$)", "^a b$", R"(^.+example\.com$)"}) {
    EXPECT_EQ(Hosts(text), none) << text;
  }
}

TEST(RegexToAddresses, NetworksThatPeopleWrite) {
  EXPECT_EQ(Nets(R"(^(127\.0\.0\.1|::1)$)"), "127.0.0.1 ::1");
  EXPECT_EQ(Nets(R"(^10\..*)"), "10.0.0.0/8");
  EXPECT_EQ(Nets(R"(^10\.)"), "10.0.0.0/8");
  EXPECT_EQ(Nets(R"(^10\..+$)"), "10.0.0.0/8");
  EXPECT_EQ(Nets(R"(^192\.168\.\d{1,3}\.\d{1,3}$)"), "192.168.0.0/16");
  EXPECT_EQ(Nets(R"(^192\.168\.1\.[0-9]+$)"), "192.168.1.0/24");
  EXPECT_EQ(Nets(R"(^172\.(1[6-9]|2[0-9])\..*)").substr(0, 27),
            "172.16.0.0/16 172.17.0.0/16");
  EXPECT_EQ(Nets(R"(^fe80:.*)"), "fe80::/16");
  EXPECT_EQ(Nets(R"(^192\.0\.2\.(7|9)$)"), "192.0.2.7 192.0.2.9");
}

TEST(RegexToAddresses, WhatIsLostIsSaid) {
  EXPECT_EQ(Nets("^192.168.1.1$"),
            "192.168.1.1 | has a '.' that is read as a dot alone");
  EXPECT_EQ(Nets(R"(10\.1\..*)"),
            "10.1.0.0/16 | is read as if it began with ^");
  EXPECT_EQ(Nets(R"(^10\.1)"), "10.1.0.0/16 | is read as if it ended with $");
  EXPECT_EQ(Nets(R"(^192\.168)"), "192.168.0.0/16");
  const char* none =
      " | 1 of its alternatives cannot be said here and are left out of it";
  for (const char* text :
       {R"(^\d+\.1\.1\.1$)", R"(^10\.\d+$)", R"(^f[cd].*::.*$)", ".*", "^0:.*",
        R"(^10\.0\.0\.0\.1$)", R"(^1\d+\.1\.1\.1$)", R"(^300\..*)",
        R"(^::ffff:10\.0\.0\.1$)", "^0:0:0:0:0:0:0:1$"}) {
    EXPECT_EQ(Nets(text), none) << text;
  }
}

TEST(RegexToTexts, PortsAndIds) {
  EXPECT_EQ(Texts("^(53|80|443)$"), "53 80 443");
  EXPECT_EQ(Texts("^555[1-3]$"), "5551 5552 5553");
  EXPECT_EQ(Texts("^(wg|tun)[01]$"), "wg0 wg1 tun0 tun1");
  EXPECT_EQ(Texts("53|80"),
            "53 80 | is read as if it began with ^; is read as "
            "if it ended with $");
  EXPECT_EQ(Texts("^80.*"),
            " | 1 of its alternatives cannot be said here and "
            "are left out of it");
}

// Random expressions of the kind, random texts of the kind: what the
// translation matches, the expression matches. The other way is not promised.
class Soundness : public ::testing::Test {
 protected:
  size_t Below(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }

  std::string Piece(const std::vector<std::string>& atoms, int depth) {
    std::string out;
    for (size_t i = 1 + Below(4); i > 0; --i) {
      if (depth > 0 && Below(6) == 0) {
        out += Concat("(", Piece(atoms, depth - 1), "|",
                      Piece(atoms, depth - 1), ")", Below(3) == 0 ? "?" : "");
      } else {
        out += atoms[Below(atoms.size())];
      }
    }
    return out;
  }

  std::string Expression(const std::vector<std::string>& atoms) {
    return Concat(Below(3) > 0 ? "^" : "", Piece(atoms, 2),
                  Below(3) > 0 ? "$" : "");
  }

  // Other ones by --gtest_shuffle --gtest_random_seed=N.
  std::mt19937 random_{static_cast<unsigned>(
      20261121 + ::testing::UnitTest::GetInstance()->random_seed())};
};

TEST_F(Soundness, OfPaths) {
  const std::vector<std::string> atoms = {
      "/",    "a",     "b",       "/a",   "/b",      ".*",    ".",
      "[ab]", "[^/]*", "[^/]+",   ".+",   "[ab]{2}", "[a/]",  "[a-c]*",
      "b?",   "\\.",   "/a/.*/b", "[^a]", "\\w+",    ".{1,2}"};
  size_t translated = 0;
  size_t matched = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string text = Expression(atoms);
    const absl::StatusOr<Regex> regex = ParseRegex(text);
    if (!regex.ok()) continue;  // too many alternatives
    const std::regex model(text, std::regex::ECMAScript);
    std::vector<AppPattern> patterns;
    for (const std::string& glob : RegexToApps(*regex).values) {
      patterns.push_back(*AppPattern::Parse(glob));
      ++translated;
    }
    for (int sample = 0; sample < 30; ++sample) {
      std::string path;
      for (size_t parts = 1 + Below(3); parts > 0; --parts) {
        path += "/";
        for (size_t bytes = 1 + Below(3); bytes > 0; --bytes) {
          path += "abc._"[Below(5)];
        }
      }
      for (const AppPattern& pattern : patterns) {
        if (!pattern.Matches(path)) continue;
        ++matched;
        ASSERT_TRUE(std::regex_search(path, model))
            << text << " became " << Apps(text) << ", which has " << path;
      }
    }
  }
  EXPECT_GT(translated, 1000U);
  EXPECT_GT(matched, 1000U);
}

TEST_F(Soundness, OfAddresses) {
  const std::vector<std::string> atoms = {
      "1",        "\\.",     "10\\.",     "1\\.",          "0\\.",  "\\d+",
      "\\d{1,3}", ".*",      "[0-9]",     "[12]",          "1\\.0", ".",
      "25",       "\\.\\d+", "10\\.1\\.", "1\\.1\\.1\\.1", "(1|2)"};
  size_t matched = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string text = Expression(atoms);
    const absl::StatusOr<Regex> regex = ParseRegex(text);
    if (!regex.ok()) continue;
    const std::regex model(text, std::regex::ECMAScript);
    for (const std::string& value : RegexToAddresses(*regex).values) {
      const auto prefix = ParseIpPrefix(value);
      ASSERT_TRUE(prefix.ok()) << text << ": " << value;
      // Random addresses of the prefix: all of them must match.
      for (int sample = 0; sample < 8; ++sample) {
        IpAddress address = prefix->base;
        for (size_t bit = prefix->length; bit < 128; ++bit) {
          if (Below(2) != 0)
            address.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> bit % 8);
        }
        ++matched;
        ASSERT_TRUE(std::regex_search(address.ToString(), model))
            << text << " became " << Nets(text) << ", which has "
            << address.ToString();
      }
    }
  }
  EXPECT_GT(matched, 1000U);
}

TEST_F(Soundness, OfNames) {
  const std::vector<std::string> atoms = {
      "a", "b",    "\\.",   "\\.com",  "a\\.b",    ".*",  ".*\\.",
      ".", "[ab]", ".+\\.", "(^|\\.)", "(.*\\.)?", "com", "[^.]+"};
  const std::vector<std::string> names = {
      "a",     "b",     "com",     "a.com",   "b.com", "ab.com", "a.b",
      "a.b.a", "b.a.b", "a.b.com", "b.a.com", "aa.b",  "x.a.b",  "xa.b",
      "a.bb",  "aab",   "a.b.x",   "x.com",   "xcom",  "a.com.b"};
  size_t matched = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string text = Expression(atoms);
    const absl::StatusOr<Regex> regex = ParseRegex(text);
    if (!regex.ok()) continue;
    const std::regex model(text, std::regex::ECMAScript);
    for (const std::string& value : RegexToHosts(*regex).values) {
      for (const std::string& name : names) {
        const std::string bare = value.substr(value.find_first_not_of("=*."));
        const bool below = name.ends_with("." + bare);
        const bool same = name == bare;
        const bool has = value[0] == '='   ? same
                         : value[0] == '*' ? below
                                           : same || below;
        if (!has) continue;
        ++matched;
        ASSERT_TRUE(std::regex_search(name, model))
            << text << " became " << Hosts(text) << ", which has " << name;
      }
    }
  }
  EXPECT_GT(matched, 500U);
}

}  // namespace
}  // namespace sallyport::cli
