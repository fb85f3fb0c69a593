#include "rules/rule_fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

struct Keyword {
  ScopeKeyword keyword;
  std::string_view name;
  uint8_t scope;  // the bit of ScopesOf
};
constexpr std::array<Keyword, 6> kKeywords = {
    {{ScopeKeyword::kLoopback, "loopback", kScopeLoopback},
     {ScopeKeyword::kLan, "lan", kScopeLan},
     {ScopeKeyword::kLinkLocal, "link-local", kScopeLinkLocal},
     {ScopeKeyword::kMulticast, "multicast", kScopeMulticast},
     {ScopeKeyword::kBroadcast, "broadcast", kScopeBroadcast},
     {ScopeKeyword::kInternet, "internet", kScopeInternet}}};

// The first name of a number is the one that is shown.
constexpr std::array<std::pair<uint8_t, std::string_view>, 20> kProtocols = {
    {{kProtoTcp, "tcp"},
     {kProtoUdp, "udp"},
     {kProtoUdpLite, "udplite"},
     {kProtoUdpLite, "udp-lite"},
     {kProtoSctp, "sctp"},
     {33, "dccp"},
     {kProtoIcmp, "icmp"},
     {kProtoIcmpV6, "icmpv6"},
     {kProtoIcmpV6, "ipv6-icmp"},
     {2, "igmp"},
     {4, "ipip"},
     {41, "ipv6"},
     {47, "gre"},
     {50, "esp"},
     {51, "ah"},
     {89, "ospf"},
     {103, "pim"},
     {108, "ipcomp"},
     {112, "vrrp"},
     {115, "l2tp"}}};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

// Digits alone: no sign, no blank, no hexadecimal.
bool ParseDigits(std::string_view text, uint32_t most, uint32_t* number) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 10 ||
      text.find_first_not_of("0123456789") != text.npos ||
      !absl::SimpleAtoi(ToAbsl(text), &value) || value > most) {
    return false;
  }
  *number = static_cast<uint32_t>(value);
  return true;
}

absl::StatusOr<Destination> ParseRange(std::string_view text, size_t dash) {
  const absl::StatusOr<IpAddress> first = ParseIpAddress(text.substr(0, dash));
  if (!first.ok()) return first.status();
  const absl::StatusOr<IpAddress> last = ParseIpAddress(text.substr(dash + 1));
  if (!last.ok()) return last.status();
  if (first->IsV4() != last->IsV4()) {
    return Wrong(Concat(QuoteForMessage(text),
                        " mixes IPv4 and IPv6; write two entries"));
  }
  if (*last < *first) {
    return Wrong(Concat(QuoteForMessage(text), " is reversed; write \"",
                        last->ToString(), "-", first->ToString(), "\""));
  }
  return Destination(AddressRange{*first, *last});
}

}  // namespace

absl::StatusOr<Destination> ParseDestination(std::string_view text) {
  for (const Keyword& known : kKeywords) {
    if (text == known.name) return Destination(known.keyword);
  }
  const size_t dash = text.find('-');
  const bool range = dash != text.npos &&
                     text.substr(0, dash).find_first_of(".:") != text.npos;
  if (range) return ParseRange(text, dash);
  absl::StatusOr<IpPrefix> prefix = ParseIpPrefix(text);
  if (prefix.ok()) return Destination(*prefix);
  // Something with a dot or colon and digits was meant to be an address; its
  // own message is the better one.
  if (text.find('/') != text.npos ||
      text.find_first_not_of("0123456789abcdefABCDEF.:") == text.npos) {
    return prefix.status();
  }
  std::array<std::string_view, kKeywords.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kKeywords[i].name;
  const auto nearest = NearestWord(text, names);
  return Wrong(
      Concat(QuoteForMessage(text), " is no destination",
             nearest.has_value()
                 ? Concat("; did you mean '", *nearest, "'?")
                 : "; write an address, a prefix (192.0.2.0/24), a range "
                   "(10.0.0.1-10.0.0.9), loopback, lan, link-local, multicast, "
                   "broadcast or internet"));
}

const char* ScopeKeywordName(ScopeKeyword keyword) {
  for (const Keyword& known : kKeywords) {
    if (known.keyword == keyword) return known.name.data();
  }
  return "";
}

std::string DestinationToString(const Destination& destination) {
  if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
    return prefix->ToString();
  }
  if (const auto* range = std::get_if<AddressRange>(&destination)) {
    return Concat(range->first.ToString(), "-", range->last.ToString());
  }
  return ScopeKeywordName(std::get<ScopeKeyword>(destination));
}

bool DestinationContains(const Destination& destination,
                         const IpAddress& address) {
  if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
    return prefix->Contains(address);
  }
  if (const auto* range = std::get_if<AddressRange>(&destination)) {
    // An IPv6 range across ::ffff:0:0/96 does not mean IPv4.
    return range->first.IsV4() == address.IsV4() && range->first <= address &&
           address <= range->last;
  }
  return (ScopesOf(address) & ScopeOf(std::get<ScopeKeyword>(destination))) !=
         0;
}

uint8_t ScopeOf(ScopeKeyword keyword) {
  for (const Keyword& known : kKeywords) {
    if (known.keyword == keyword) return known.scope;
  }
  return 0;
}

absl::StatusOr<PortRange> ParsePort(std::string_view text) {
  const size_t dash = text.find('-');
  uint32_t first = 0;
  uint32_t last = 0;
  bool ok = ParseDigits(text.substr(0, dash), UINT16_MAX, &first);
  last = first;
  if (dash != text.npos) {
    ok = ok && ParseDigits(text.substr(dash + 1), UINT16_MAX, &last);
  }
  if (!ok) {
    return Wrong(Concat(QuoteForMessage(text),
                        " is no port; write a number from 0 to 65535 or "
                        "a range such as \"8000-9000\""));
  }
  if (last < first) {
    return Wrong(Concat(QuoteForMessage(text), " is reversed; write \"", last,
                        "-", first, "\""));
  }
  return PortRange{static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
}

std::string PortToString(PortRange range) {
  if (range.first == range.last) return Concat(range.first);
  return Concat(range.first, "-", range.last);
}

absl::StatusOr<uint8_t> ParseProtocol(std::string_view text) {
  for (const auto& [number, name] : kProtocols) {
    if (text == name) return number;
  }
  uint32_t number = 0;
  if (ParseDigits(text, UINT8_MAX, &number)) {
    return static_cast<uint8_t>(number);
  }
  std::array<std::string_view, kProtocols.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kProtocols[i].second;
  const auto nearest = NearestWord(text, names);
  return Wrong(Concat(QuoteForMessage(text), " is no protocol",
                      nearest.has_value()
                          ? Concat("; did you mean '", *nearest, "'?")
                          : "; write tcp, udp, icmp, ... or a number from 0 "
                            "to 255"));
}

std::string ProtocolName(uint8_t protocol) {
  for (const auto& [number, name] : kProtocols) {
    if (number == protocol) return std::string(name);
  }
  return Concat(protocol);
}

absl::StatusOr<RuleUser> ParseUser(std::string_view text) {
  if (text.empty()) return Wrong("empty; leave the key out for every user");
  RuleUser user = {std::string(text), std::nullopt};
  uint32_t number = 0;
  // UINT32_MAX is (uid_t)-1: nobody.
  if (ParseDigits(text, UINT32_MAX - 1, &number)) user.id = number;
  const bool is_number = text.find_first_not_of("-0123456789") == text.npos;
  if (is_number && !user.id.has_value()) {
    return Wrong(Concat(QuoteForMessage(text), " is no uid"));
  }
  return user;
}

absl::StatusOr<std::string> ParseInterface(std::string_view text) {
  const std::string_view name =
      text.ends_with('*') ? text.substr(0, text.size() - 1) : text;
  const bool good = !name.empty() && name.size() <= kMaxInterfaceBytes &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return c > ' ' && c <= '~' && c != '/' && c != '*';
                    });
  if (good) return std::string(text);
  return Wrong(Concat(QuoteForMessage(text),
                      " is no device; write a name such as \"eth0\", \"wg*\" "
                      "for all that begin so, or \"vpn\""));
}

bool InterfaceMatches(std::string_view pattern, const NetInterface& device) {
  if (pattern == kVpnInterfaces && device.is_vpn) return true;
  const std::string_view name = device.name;
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace sallyport
