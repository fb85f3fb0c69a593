#include "rules/rule_fields.h"

#include <gtest/gtest.h>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

TEST(RuleFields, DestinationsRoundTrip) {
  for (const char* text :
       {"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1",
        "10.0.0.1-10.0.0.9", "2001:db8::1-2001:db8::ff", "loopback", "lan",
        "internet", "multicast"}) {
    const auto destination = ParseDestination(text);
    ASSERT_TRUE(destination.ok()) << text << ": " << destination.status();
    EXPECT_EQ(DestinationToString(*destination), text);
  }
}

TEST(RuleFields, DestinationErrorsSayWhatToWrite) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"lann", "'lann' is no destination; did you mean 'lan'?"},
      {"example.com",
       "'example.com' is no destination; write an address, a prefix "
       "(192.0.2.0/24), a range (10.0.0.1-10.0.0.9), loopback, lan, "
       "link-local, multicast, broadcast or internet"},
      {"10.0.0.9-10.0.0.1",
       "'10.0.0.9-10.0.0.1' is reversed; write \"10.0.0.1-10.0.0.9\""},
      {"10.0.0.1-::1", "'10.0.0.1-::1' mixes IPv4 and IPv6; write two entries"},
      {"10.0.0.1/8",
       "'10.0.0.1/8' has host bits set; write 10.0.0.0/8 for the network or "
       "10.0.0.1 for the address"},
      {"1.2.3",
       "'1.2.3' is not an IP address; write 192.0.2.1 or "
       "2001:db8::1"},
  };
  for (const auto& c : cases) {
    const auto destination = ParseDestination(c.text);
    ASSERT_FALSE(destination.ok()) << c.text;
    EXPECT_EQ(destination.status().message(), c.message);
  }
}

TEST(RuleFields, DestinationContains) {
  const struct {
    const char* destination;
    const char* address;
    bool contains;
  } cases[] = {
      {"10.0.0.1-10.0.0.9", "10.0.0.1", true},
      {"10.0.0.1-10.0.0.9", "10.0.0.9", true},
      {"10.0.0.1-10.0.0.9", "10.0.0.10", false},
      {"::1-ffff::", "192.0.2.1", false},
      {"::1-ffff::", "2001:db8::1", true},
      {"loopback", "127.9.9.9", true},
      {"loopback", "10.0.0.1", false},
      {"lan", "fe80::1", true},
      {"internet", "192.0.2.1", true},
      {"internet", "0.0.0.0", false},
      {"multicast", "255.255.255.255", true},
      {"multicast", "ff02::1", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(DestinationContains(*ParseDestination(c.destination),
                                  Address(c.address)),
              c.contains)
        << c.destination << " " << c.address;
  }
}

TEST(RuleFields, Ports) {
  EXPECT_EQ(*ParsePort("443"), (PortRange{443, 443}));
  EXPECT_EQ(*ParsePort("8000-9000"), (PortRange{8000, 9000}));
  EXPECT_EQ(*ParsePort("0-65535"), (PortRange{0, 65535}));
  EXPECT_EQ(PortToString({443, 443}), "443");
  EXPECT_EQ(PortToString({8000, 9000}), "8000-9000");
  for (const char* bad : {"", "65536", "-1", "1-", "-", "1-2-3", "http", " 80",
                          "99999999999999999999", "0x50", "+80"}) {
    const auto port = ParsePort(bad);
    ASSERT_FALSE(port.ok()) << bad;
    EXPECT_NE(port.status().message().find("is no port"), std::string::npos);
  }
  EXPECT_EQ(ParsePort("9-8").status().message(),
            "'9-8' is reversed; write \"8-9\"");
}

TEST(RuleFields, EveryProtocolNumberRoundTrips) {
  for (int i = 0; i < 256; ++i) {
    const auto protocol = static_cast<uint8_t>(i);
    EXPECT_EQ(*ParseProtocol(ProtocolName(protocol)), protocol);
    EXPECT_EQ(*ParseProtocol(std::to_string(i)), protocol);
  }
  EXPECT_EQ(*ParseProtocol("dccp"), 33);
  EXPECT_EQ(*ParseProtocol("ipv6-icmp"), kProtoIcmpV6);
  EXPECT_EQ(ProtocolName(253), "253");
  EXPECT_EQ(ParseProtocol("tpc").status().message(),
            "'tpc' is no protocol; did you mean 'tcp'?");
  EXPECT_EQ(ParseProtocol("256").status().message(),
            "'256' is no protocol; write tcp, udp, icmp, ... or a number from "
            "0 to 255");
}

TEST(RuleFields, UsersByNameAndNumber) {
  EXPECT_EQ(ParseUser("0")->id, 0u);
  EXPECT_EQ(ParseUser("4294967294")->id, 4294967294u);
  for (const char* name : {"alice", "1000 ", "0x1"}) {
    ASSERT_TRUE(ParseUser(name).ok()) << name;
    EXPECT_EQ(ParseUser(name)->id, std::nullopt) << name;
  }
  for (const char* bad : {"", "-1", "4294967295"}) {
    EXPECT_FALSE(ParseUser(bad).ok()) << bad;
  }
}

TEST(RuleFields, Interfaces) {
  for (const char* good : {"eth0", "wg*", "vpn", "br-0123456789ab", "a.b@c"}) {
    EXPECT_EQ(*ParseInterface(good), good);
  }
  for (const char* bad : {"", "*", "a b", "a/b", "a*b", "0123456789abcdef"}) {
    EXPECT_FALSE(ParseInterface(bad).ok()) << bad;
  }
  const NetInterface wg = {"wg0", true};
  const NetInterface eth = {"eth0", false};
  EXPECT_TRUE(InterfaceMatches("wg*", wg));
  EXPECT_TRUE(InterfaceMatches("vpn", wg));
  EXPECT_FALSE(InterfaceMatches("vpn", eth));
  EXPECT_FALSE(InterfaceMatches("eth", eth));
  // A device may have that name without being one.
  EXPECT_TRUE(InterfaceMatches("vpn", NetInterface{"vpn", false}));
}

TEST(RuleFields, KeywordsOfSmallScopes) {
  const Destination link_local = *ParseDestination("link-local");
  EXPECT_TRUE(DestinationContains(link_local, Address("169.254.9.9")));
  EXPECT_TRUE(DestinationContains(link_local, Address("fe80::1")));
  EXPECT_FALSE(DestinationContains(link_local, Address("192.168.1.1")));
  const Destination broadcast = *ParseDestination("broadcast");
  EXPECT_TRUE(DestinationContains(broadcast, Address("255.255.255.255")));
  EXPECT_FALSE(DestinationContains(broadcast, Address("224.0.0.1")));
}

}  // namespace
}  // namespace sallyport
