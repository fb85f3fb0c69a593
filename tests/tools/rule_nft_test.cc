#include "tools/rule_nft.h"

#include <gtest/gtest.h>

#include <string>

#include "rules/text_util.h"
#include "tools/nft_addresses.h"

namespace sallyport::cli {
namespace {

// The lines that one rule becomes.
std::string Lines(Json rule) {
  const std::string none = RulesToNft(Json::array());
  if (!rule.contains("name")) rule["name"] = "r";
  if (!rule.contains("app")) rule["app"] = "any";
  const std::string all = RulesToNft(Json::array({rule}));
  const std::string tail = "  }\n}\n";
  const size_t head = none.size() - tail.size();
  EXPECT_EQ(all.substr(0, head), none.substr(0, head));
  EXPECT_TRUE(all.ends_with(tail)) << all;
  std::string lines = all.substr(head, all.size() - head - tail.size());
  return lines.substr(lines.find('\n') + 1);  // its title
}

std::string Problem(Json rule) {
  rule["name"] = "r";
  if (!rule.contains("app")) rule["app"] = "any";
  const std::string all = RulesToNft(Json::array({rule}));
  const size_t at = all.find("# not here: ");
  return at == all.npos ? "" : all.substr(at, all.find('\n', at) - at);
}

TEST(RuleNft, AddressesPortsProtocols) {
  EXPECT_EQ(Lines({{"policy", "deny"}}), "    counter drop\n");
  EXPECT_EQ(Lines({{"policy", "allow"},
                   {"to", {"192.0.2.0/24", "2001:db8::1", "10.0.0.1-10.0.0.9"}},
                   {"port", {443, "8000-9000"}},
                   {"protocol", {"tcp"}}}),
            "    ip daddr { 10.0.0.1-10.0.0.9, 192.0.2.0-192.0.2.255 } meta "
            "l4proto { tcp } th dport { 443, 8000-9000 } counter accept\n"
            "    ip6 daddr { 2001:db8::1 } meta l4proto { tcp } th dport { "
            "443, 8000-9000 } counter accept\n");
  EXPECT_EQ(Lines({{"policy", "allow"}, {"port", {53}}}),
            "    meta l4proto { tcp, udp, dccp, sctp, udplite } th dport { 53 "
            "} counter accept\n");
  EXPECT_EQ(Lines({{"policy", "deny"}, {"protocol", {"icmpv6", 47}}}),
            "    meta l4proto { 58, 47 } counter drop\n");
}

TEST(RuleNft, KeywordsAreTheirNetworks) {
  EXPECT_EQ(Lines({{"policy", "allow"}, {"to", {"loopback"}}}),
            "    ip daddr { 127.0.0.0-127.255.255.255 } counter accept\n"
            "    ip6 daddr { ::1 } counter accept\n");
  const std::string internet =
      Lines({{"policy", "deny"}, {"to", {"internet"}}});
  EXPECT_EQ(internet.substr(0, 35), "    ip daddr != { 0.0.0.0, 10.0.0.0");
  EXPECT_NE(internet.find("\n    ip6 daddr != { ::, ::1, fc00::-fdff"),
            std::string::npos)
      << internet;
}

// nft refuses a set whose intervals overlap.
TEST(RuleNft, IntervalsAreMerged) {
  EXPECT_EQ(Lines({{"policy", "allow"},
                   {"to", {"10.0.0.0/8", "10.1.0.0/16", "10.255.255.255"}},
                   {"port", {80, "70-90", 85}},
                   {"protocol", {"udp"}}}),
            "    ip daddr { 10.0.0.0-10.255.255.255 } meta l4proto { udp } th "
            "dport { 70-90 } counter accept\n");
}

TEST(RuleNft, WhatIsExcepted) {
  EXPECT_EQ(Lines({{"policy", "allow"}, {"not_to", {"10.0.0.0/8"}}}),
            "    ip daddr != { 10.0.0.0-10.255.255.255 } counter accept\n"
            "    meta nfproto ipv6 counter accept\n");
  EXPECT_EQ(Lines({{"policy", "allow"},
                   {"not_port", {25}},
                   {"protocol", {"tcp"}},
                   {"not_user", {0}}}),
            "    meta l4proto { tcp } th dport != { 25 } meta skuid != { 0 } "
            "counter accept\n");
}

TEST(RuleNft, UsersGroupsInterfaces) {
  EXPECT_EQ(Lines({{"policy", "deny"},
                   {"user", "alice"},
                   {"group", {"staff", 100}},
                   {"interface", {"wg0", "eth0.7"}}}),
            "    oifname { \"wg0\", \"eth0.7\" } meta skuid { \"alice\" } meta "
            "skgid { \"staff\", 100 } counter drop\n");
}

TEST(RuleNft, RejectIsWhatTheProtocolUnderstands) {
  EXPECT_EQ(Lines({{"policy", "reject"}}),
            "    meta l4proto tcp counter reject with tcp reset\n"
            "    counter reject with icmpx admin-prohibited\n");
  EXPECT_EQ(Lines({{"policy", "reject"}, {"protocol", {"tcp"}}}),
            "    meta l4proto { tcp } meta l4proto tcp counter reject with tcp "
            "reset\n");
  EXPECT_EQ(Lines({{"policy", "reject"}, {"protocol", {"udp"}}}),
            "    meta l4proto { udp } counter reject with icmpx "
            "admin-prohibited\n");
}

TEST(RuleNft, LocalOnlyIsAcceptThenDrop) {
  const std::string lines = Lines({{"policy", "local-only"}});
  EXPECT_EQ(lines.substr(0, 24), "    ip daddr { 10.0.0.0-");
  EXPECT_NE(lines.find("224.0.0.0-224.0.0.255"), std::string::npos);
  EXPECT_NE(lines.find("ff01::-ff05:ffff"), std::string::npos);
  EXPECT_TRUE(lines.ends_with("\n    counter drop\n")) << lines;
  // Of one family.
  const std::string v6 =
      Lines({{"policy", "local-only"}, {"to", {"2001:db8::/32"}}});
  EXPECT_EQ(v6.find("ip daddr"), std::string::npos) << v6;
}

TEST(RuleNft, WhatNftCannotSayIsAComment) {
  EXPECT_EQ(Problem({{"policy", "deny"}, {"app", "/usr/bin/curl"}}),
            "# not here: r: deny /usr/bin/curl: nft does not know apps");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"enabled", false}}),
            "# not here: r: deny any (disabled): it is disabled");
  EXPECT_EQ(Problem({{"policy", "ask"}}),
            "# not here: r: ask any: nft has no policy 'ask'");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"to", {"example.com"}}}),
            "# not here: r: deny any to example.com: nft cannot match "
            "'example.com'");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"rate", "1/second"}}),
            "# not here: r: deny any rate 1/second: nft cannot say rate");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"something_new", {1}}}),
            "# not here: r: deny any: nft cannot say something_new");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"interface", "vpn"}}),
            "# not here: r: deny any: nft cannot match interface 'vpn'");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"user", {"a b"}}}),
            "# not here: r: deny any user a b: nft cannot match user 'a b'");
  EXPECT_EQ(Problem({{"policy", "deny"}, {"not_to", {"internet"}}}),
            "# not here: r: deny any not to internet: nft cannot match not "
            "'internet'");
  // What says nothing is no condition.
  EXPECT_EQ(Problem({{"policy", "deny"},
                     {"sha256", Json::array()},
                     {"during", ""},
                     {"expires", nullptr},
                     {"lifetime", "always"},
                     {"direction", "out"}}),
            "");
}

TEST(RuleNft, A38_NothingEndsAComment) {
  const std::string text =
      RulesToNft(Json::array({{{"name", "a\n} table x {"},
                               {"policy", "deny\ndrop"},
                               {"app", "/x\n accept"},
                               {"user", "u\"; drop"},
                               {"description", "\n flush ruleset"}}}));
  for (size_t at = text.find("# not here"); at != text.npos; at = text.npos) {
    EXPECT_EQ(text.substr(text.find('\n', at)), "\n  }\n}\n") << text;
  }
}

}  // namespace
}  // namespace sallyport::cli
