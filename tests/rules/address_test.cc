#include "rules/address.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "rules/rule_fields.h"

namespace sallyport {
namespace {

TEST(Address, RoundTripsTheTextThatRfc5952Gives) {
  for (const char* text :
       {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
        "fe80::1", "2001:db8:0:1:1:1:1:1", "64:ff9b::c000:201"}) {
    const auto address = ParseIpAddress(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(Address, MappedV6TextIsTheV4Address) {
  EXPECT_EQ(*ParseIpAddress("::ffff:192.0.2.1"), *ParseIpAddress("192.0.2.1"));
  EXPECT_EQ(*ParseIpAddress("192.0.2.1"), IpAddress::V4(0xc0000201));
  EXPECT_EQ(IpAddress::V4(0xc0000201).v4_host_order(), 0xc0000201u);
}

TEST(Address, RefusesWhatIsNoAddress) {
  for (std::string_view text :
       {std::string_view(""), std::string_view("1.2.3"),
        std::string_view("1.2.3.4.5"), std::string_view("256.1.1.1"),
        std::string_view("01.2.3.4"), std::string_view(" 1.2.3.4"),
        std::string_view("1.2.3.4 "), std::string_view("fe80::1%eth0"),
        std::string_view("[::1]"), std::string_view("1.2.3.4:80"),
        std::string_view("::1::"), std::string_view("1.2.3.4\0", 8),
        std::string_view("0x1.2.3.4"),
        std::string_view("1111:2222:3333:4444:5555:6666:7777:8888:9999")}) {
    EXPECT_FALSE(ParseIpAddress(text).ok()) << text;
  }
}

TEST(Prefix, RoundTripsAndCountsBitsOfTheLongForm) {
  const struct {
    const char* text;
    uint8_t length;
    const char* printed;
  } cases[] = {
      {"192.0.2.0/24", 120, "192.0.2.0/24"},
      {"0.0.0.0/0", 96, "0.0.0.0/0"},
      {"10.0.0.1", 128, "10.0.0.1"},
      {"10.0.0.1/32", 128, "10.0.0.1"},
      {"::/0", 0, "::/0"},
      {"2001:db8::/32", 32, "2001:db8::/32"},
      {"::1/128", 128, "::1"},
  };
  for (const auto& c : cases) {
    const auto prefix = ParseIpPrefix(c.text);
    ASSERT_TRUE(prefix.ok()) << c.text;
    EXPECT_EQ(prefix->length, c.length) << c.text;
    EXPECT_EQ(prefix->ToString(), c.printed);
  }
}

TEST(Prefix, ErrorsSayWhatToWrite) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"192.0.2.1/24",
       "'192.0.2.1/24' has host bits set; write 192.0.2.0/24 for the network "
       "or 192.0.2.1 for the address"},
      {"192.0.2.0/33", "'192.0.2.0/33': the prefix length must be 0 to 32"},
      {"192.0.2.0/", "'192.0.2.0/': the prefix length must be 0 to 32"},
      {"192.0.2.0/+8", "'192.0.2.0/+8': the prefix length must be 0 to 32"},
      {"::/129", "'::/129': the prefix length must be 0 to 128"},
      {"x/8", "'x' is not an IP address; write 192.0.2.1 or 2001:db8::1"},
  };
  for (const auto& c : cases) {
    const auto prefix = ParseIpPrefix(c.text);
    ASSERT_FALSE(prefix.ok()) << c.text;
    EXPECT_EQ(prefix.status().message(), c.message);
  }
}

TEST(Prefix, ShortV6PrefixDoesNotMeanV4Too) {
  EXPECT_TRUE(ParseIpPrefix("::/0")->Contains(*ParseIpAddress("2001:db8::1")));
  EXPECT_FALSE(ParseIpPrefix("::/0")->Contains(*ParseIpAddress("192.0.2.1")));
  EXPECT_TRUE(
      ParseIpPrefix("0.0.0.0/0")->Contains(*ParseIpAddress("192.0.2.1")));
  EXPECT_FALSE(ParseIpPrefix("0.0.0.0/0")->Contains(*ParseIpAddress("::1")));
}

TEST(Prefix, MaskKeepsExactlyTheLeadingBits) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    IpAddress address;
    for (uint8_t& byte : address.bytes) byte = static_cast<uint8_t>(random());
    const auto length = static_cast<uint8_t>(random() % 129);
    const IpAddress masked = MaskAddress(address, length);
    for (int bit = 0; bit < 128; ++bit) {
      const auto at = [bit](const IpAddress& a) {
        return a.bytes[static_cast<size_t>(bit / 8)] >> (7 - bit % 8) & 1;
      };
      EXPECT_EQ(at(masked), bit < length ? at(address) : 0);
    }
  }
}

TEST(Scopes, ATableOfPlaces) {
  constexpr uint8_t kLocalGroup = kScopeMulticast | kScopeMulticastLocal;
  const struct {
    const char* address;
    uint8_t scopes;
    bool local;
  } cases[] = {
      {"0.0.0.0", kScopeUnspecified, false},
      {"0.0.0.1", kScopeInternet, false},
      {"127.0.0.1", kScopeLoopback, true},
      {"127.255.255.255", kScopeLoopback, true},
      {"128.0.0.0", kScopeInternet, false},
      {"9.255.255.255", kScopeInternet, false},
      {"10.0.0.0", kScopeLan, true},
      {"10.255.255.255", kScopeLan, true},
      {"11.0.0.0", kScopeInternet, false},
      {"100.64.0.1", kScopeInternet, false},
      {"169.253.255.255", kScopeInternet, false},
      {"169.254.0.1", kScopeLan | kScopeLinkLocal, true},
      {"172.15.255.255", kScopeInternet, false},
      {"172.16.0.0", kScopeLan, true},
      {"172.31.255.255", kScopeLan, true},
      {"172.32.0.0", kScopeInternet, false},
      {"192.167.255.255", kScopeInternet, false},
      {"192.168.0.0", kScopeLan, true},
      {"192.169.0.0", kScopeInternet, false},
      {"223.255.255.255", kScopeInternet, false},
      {"224.0.0.251", kLocalGroup, true},
      {"224.0.1.1", kScopeMulticast, false},
      {"232.1.1.1", kScopeMulticast, false},
      {"239.254.1.1", kScopeMulticast, false},
      {"239.255.255.250", kLocalGroup, true},
      {"240.0.0.1", kScopeInternet, false},
      {"255.255.255.254", kScopeInternet, false},
      {"255.255.255.255", kLocalGroup | kScopeBroadcast, true},
      {"::", kScopeUnspecified, false},
      {"::1", kScopeLoopback, true},
      {"::2", kScopeInternet, false},
      {"2001:db8::1", kScopeInternet, false},
      {"fbff::1", kScopeInternet, false},
      {"fc00::1", kScopeLan, true},
      {"fdff::1", kScopeLan, true},
      {"fe00::1", kScopeInternet, false},
      {"fe80::1", kScopeLan | kScopeLinkLocal, true},
      {"febf::1", kScopeLan | kScopeLinkLocal, true},
      {"fec0::1", kScopeInternet, false},
      {"ff00::1", kScopeMulticast, false},
      {"ff01::1", kLocalGroup, true},
      {"ff02::fb", kLocalGroup, true},
      {"ff15::1", kLocalGroup, true},
      {"ff06::1", kScopeMulticast, false},
      {"ff0e::1", kScopeMulticast, false},
      {"::ffff:127.0.0.1", kScopeLoopback, true},
      {"::ffff:8.8.8.8", kScopeInternet, false},
  };
  for (const auto& c : cases) {
    const IpAddress address = *ParseIpAddress(c.address);
    EXPECT_EQ(ScopesOf(address), c.scopes) << c.address;
    EXPECT_EQ(IsLocal(address), c.local) << c.address;
  }
}

}  // namespace
}  // namespace sallyport
