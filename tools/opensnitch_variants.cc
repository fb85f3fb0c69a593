#include "tools/opensnitch_variants.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "rules/address.h"
#include "rules/flow.h"
#include "rules/rule_fields.h"

namespace sallyport::cli {
namespace {

enum Family : uint8_t { kV4 = 1, kV6 = 2, kBoth = 3 };

struct Protocol {
  std::string_view name;
  uint8_t number;
  Family family;
};
// ICMP and ICMPv6 have one family each; nothing needs to be said of it.
constexpr Protocol kProtocols[] = {
    {"tcp", kProtoTcp, kV4},         {"tcp6", kProtoTcp, kV6},
    {"udp", kProtoUdp, kV4},         {"udp6", kProtoUdp, kV6},
    {"udplite", kProtoUdpLite, kV4}, {"udplite6", kProtoUdpLite, kV6},
    {"sctp", kProtoSctp, kV4},       {"sctp6", kProtoSctp, kV6},
    {"icmp", kProtoIcmp, kBoth},     {"icmp6", kProtoIcmpV6, kBoth},
};

// Protocol numbers by the families they are meant in.
struct Wanted {
  Family families;
  std::vector<uint8_t> numbers;
};

std::vector<Wanted> WantedOf(uint32_t mask) {
  std::vector<Wanted> out = {{kBoth, {}}, {kV4, {}}, {kV6, {}}};
  for (size_t i = 0; i < std::size(kProtocols); ++i) {
    uint8_t families = 0;
    bool first = true;
    for (size_t j = 0; j < std::size(kProtocols); ++j) {
      if (kProtocols[j].number != kProtocols[i].number) continue;
      first = first && j >= i;
      if ((mask >> j & 1) != 0) families |= kProtocols[j].family;
    }
    if (!first || families == 0) continue;
    for (Wanted& wanted : out) {
      if (wanted.families == families) {
        wanted.numbers.push_back(kProtocols[i].number);
      }
    }
  }
  std::erase_if(out, [](const Wanted& w) { return w.numbers.empty(); });
  return out;
}

bool IsV4Text(const std::string& text) {
  return text.find(':') == std::string::npos;
}

// `to` for one family. False: no address of it is left.
bool PutDestinations(const std::optional<std::vector<std::string>>& to,
                     Family families, Json* fields) {
  if (families == kBoth) {
    if (to.has_value()) (*fields)["to"] = *to;
    return true;
  }
  const bool v4 = families == kV4;
  const bool addresses =
      to.has_value() &&
      std::all_of(to->begin(), to->end(), [](const std::string& text) {
        return ParseIpPrefix(text).ok();
      });
  if (!to.has_value()) {
    (*fields)["to"] = {v4 ? "0.0.0.0/0" : "::/0"};
  } else if (!addresses) {
    (*fields)["to"] = *to;
    (*fields)["not_to"] = {v4 ? "::/0" : "0.0.0.0/0"};
  } else {
    Json of_family = Json::array();
    for (const std::string& text : *to) {
      if (IsV4Text(text) == v4) of_family.push_back(text);
    }
    if (of_family.empty()) return false;
    (*fields)["to"] = std::move(of_family);
  }
  return true;
}

}  // namespace

uint32_t OpenSnitchProtocolsMatching(const Regex& regex) {
  uint32_t mask = 0;
  for (size_t i = 0; i < std::size(kProtocols); ++i) {
    if (RegexMatches(regex, kProtocols[i].name)) mask |= uint32_t{1} << i;
  }
  return mask;
}

absl::StatusOr<std::vector<OpenSnitchVariant>> OpenSnitchVariants(
    std::optional<uint32_t> protocols, const std::optional<Json>& ports,
    const std::optional<std::vector<std::string>>& to) {
  std::vector<OpenSnitchVariant> out;
  if (!protocols.has_value()) {
    OpenSnitchVariant variant;
    PutDestinations(to, kBoth, &variant.fields);
    if (ports.has_value()) variant.fields["port"] = *ports;
    return std::vector<OpenSnitchVariant>{variant};
  }
  for (Wanted& wanted : WantedOf(*protocols)) {
    OpenSnitchVariant variant;
    if (!PutDestinations(to, wanted.families, &variant.fields)) continue;
    if (ports.has_value()) {
      // OpenSnitch gives ICMP the port 0, which no rule names on purpose.
      std::erase_if(wanted.numbers, [](uint8_t number) {
        return !Flow{.protocol = number}.HasPorts();
      });
      if (wanted.numbers.empty()) continue;
      variant.fields["port"] = *ports;
    }
    for (uint8_t number : wanted.numbers) {
      variant.fields["protocol"].push_back(ProtocolName(number));
    }
    out.push_back(std::move(variant));
  }
  if (out.empty()) {
    return absl::InvalidArgumentError(
        "its protocol, port and destination exclude each other");
  }
  return out;
}

}  // namespace sallyport::cli
