#include "rules/destination_name.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(DestinationName, OnlyWhatRulesCanSayIsAName) {
  const std::string label(63, 'a');
  const struct {
    std::string given;
    std::string normal;
  } cases[] = {
      {"example.com", "example.com"},
      {"WWW.Example.COM.", "www.example.com"},
      {"_srv._tcp.example.com", "_srv._tcp.example.com"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {label + ".com", label + ".com"},
      // Keywords of `to`, and whatever else has no dot.
      {"lan", ""},
      {"internet", ""},
      {"localhost", ""},
      // Addresses, also the short forms that inet_aton takes.
      {"10.0.0.1", ""},
      {"10.1", ""},
      {"a.0", ""},
      {"::1", ""},
      {"", ""},
      {".", ""},
      {"a..b", ""},
      {".a.b", ""},
      {"a.b..", ""},
      {"*.example.com", ""},
      {"a b.example.com", ""},
      {"b\xc3\xbc.example", ""},
      {std::string("a\0b.com", 7), ""},
      {"a\n.com", ""},
      {"list:a.b", ""},
      {label + "a.com", ""},
      {label + "." + label + "." + label + "." + label, ""},  // 255 bytes
  };
  for (const auto& c : cases) {
    const std::string normal = NormalName(c.given);
    EXPECT_EQ(normal, c.normal) << c.given;
    if (!normal.empty()) {
      EXPECT_EQ(NormalName(normal), normal);
    }
  }
}

TEST(DestinationName, RegisteredDomainIsOneOwners) {
  const struct {
    const char* name;
    const char* domain;
  } cases[] = {
      {"example.com", "example.com"},
      {"a.b.c.example.com", "example.com"},
      {"example.co.uk", "example.co.uk"},
      {"www.example.co.uk", "example.co.uk"},
      {"a.b.example.com.au", "example.com.au"},
      {"www.example.idv.tw", "example.idv.tw"},
      {"www.example.uk", "example.uk"},
      {"t.co", "t.co"},
      {"a.t.co", "t.co"},
      {"www.co.de", "www.co.de"},  // co.de is taken for a registry's
      // A suffix is nobody's.
      {"co.uk", ""},
      {"com.au", ""},
      {"eu.org", ""},
      // Lent to strangers.
      {"github.io", ""},
      {"someone.github.io", ""},
      {"bucket.s3.eu-west-1.amazonaws.com", ""},
      {"d111111abcdef8.cloudfront.net", ""},
      {"notgithub.io", "notgithub.io"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(RegisteredDomain(c.name), c.domain) << c.name;
  }
}

TEST(DestinationName, PatternsCoverWhatIsBelow) {
  const struct {
    const char* pattern;
    const char* name;
    bool covers;
  } cases[] = {
      {"example.com", "example.com", true},
      {"example.com", "a.example.com", true},
      {"example.com", "a.b.example.com", true},
      {"example.com", "badexample.com", false},
      {"example.com", "com", false},
      {"example.com", "example.com.evil.org", false},
      {"*.example.com", "example.com", false},
      {"*.example.com", "a.example.com", true},
      {"*.example.com", "a.b.example.com", true},
      {"*.example.com", "badexample.com", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(NamePatternCovers(c.pattern, c.name), c.covers)
        << c.pattern << " " << c.name;
  }
}

}  // namespace
}  // namespace sallyport
