#include "tools/portmaster_endpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "rules/flow.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/import_text.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// Portmaster's names of ports, with '_' for '-'.
constexpr std::pair<std::string_view, int> kPorts[] = {
    {"ftp_data", 20},  {"ftp", 21},         {"ssh", 22},
    {"telnet", 23},    {"smtp", 25},        {"whois", 43},
    {"dns", 53},       {"dhcp_server", 67}, {"dhcp_client", 68},
    {"tftp", 69},      {"http", 80},        {"pop3", 110},
    {"ntp", 123},      {"imap", 143},       {"snmp", 161},
    {"bgp", 179},      {"irc", 194},        {"ldap", 389},
    {"https", 443},    {"smb", 445},        {"smtp_ssl", 465},
    {"smtp_alt", 587}, {"imap_ssl", 993},   {"pop3_ssl", 995},
    {"mdns", 5353}};

constexpr std::pair<std::string_view, std::string_view> kProtocols[] = {
    {"icmp", "icmp"},    {"igmp", "igmp"},       {"tcp", "tcp"},
    {"udp", "udp"},      {"rdp", "27"},          {"dccp", "dccp"},
    {"icmp6", "icmpv6"}, {"udp-lite", "udplite"}};

// Portmaster's LAN beyond our `lan`: RFC 6598, and what it calls local
// multicast.
constexpr const char* kLanToo[] = {"100.64.0.0/10", "224.0.0.0/8",
                                   "239.0.0.0/8",   "255.255.255.255",
                                   "ff00::/14",     "ff04::/15"};
// Ours calls it Internet.
constexpr const char* kNotInternet = "100.64.0.0/10";

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(ToAbsl(text));
}

bool IsUpper(std::string_view text, size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::optional<int> PortOf(std::string_view text) {
  const Json number = PortValue(text);
  if (number.is_number()) return number.get<int>();
  std::string name = Lower(text);
  std::replace(name.begin(), name.end(), '-', '_');
  for (const auto& [known, port] : kPorts) {
    if (name == known) return port;
  }
  return std::nullopt;
}

// "TCP", "*/HTTPS", "UDP/50000-55000".
std::string ReadProtocolAndPort(std::string_view text, Json* out) {
  const size_t slash = text.find('/');
  const std::string_view protocol = text.substr(0, slash);
  std::optional<uint8_t> number;
  if (protocol != "*") {
    std::string name = Lower(protocol);
    for (const auto& [theirs, ours] : kProtocols) {
      if (name == theirs) name = ours;
    }
    const absl::StatusOr<uint8_t> parsed = ParseProtocol(name);
    if (!parsed.ok()) {
      return Concat("protocol ", QuoteForMessage(protocol), " is not known");
    }
    number = *parsed;
    (*out)["protocol"] = {ProtocolName(*parsed)};
  }
  if (slash == text.npos) {
    return number.has_value() ? "" : "a protocol of '*' needs a port";
  }
  if (number.has_value() && !Flow{.protocol = *number}.HasPorts()) {
    return Concat("protocol ", QuoteForMessage(protocol), " has no ports");
  }
  const std::string_view ports = text.substr(slash + 1);
  // A name may have a '-' too.
  std::optional<int> first = PortOf(ports);
  std::optional<int> last = first;
  if (const size_t dash = ports.find('-');
      !first.has_value() && dash != ports.npos) {
    first = PortOf(ports.substr(0, dash));
    last = PortOf(ports.substr(dash + 1));
  }
  if (!first.has_value() || !last.has_value() || *last < *first) {
    return Concat("port ", QuoteForMessage(ports), " is not known");
  }
  if (*first == *last) {
    (*out)["port"] = {*first};
  } else {
    (*out)["port"] = {Concat(*first, "-", *last)};
  }
  return "";
}

// "Localhost,LAN": false if it is something else.
bool ReadScopes(std::string_view text, Json* out) {
  bool found[3] = {};
  for (std::string_view part : Split(text, ',')) {
    const std::string name = Lower(part);
    const std::string_view names[3] = {"localhost", "lan", "internet"};
    const auto* const at = std::find(std::begin(names), std::end(names), name);
    if (at == std::end(names)) return false;
    found[at - std::begin(names)] = true;
  }
  PutPortmasterScopes(found[0], found[1], found[2], out);
  return true;
}

std::string ReadLists(std::string_view ids, const ImportOptions& options,
                      Json* out) {
  for (std::string_view id : Split(ids, ',')) {
    const auto list = options.lists.find(id);
    if (list == options.lists.end()) {
      return Concat("list ", QuoteForMessage(id),
                    " is Portmaster's own; make a list here, then import "
                    "again with --list ",
                    id, "=NAME");
    }
    (*out)["to"].push_back("list:" + list->second);
  }
  return "";
}

std::string ReadName(std::string_view text, Json* out) {
  const bool zone = text.starts_with('.');
  const bool below = text.starts_with("*.");
  const auto host = CanonicalHost(text.substr(below ? 2 : zone ? 1 : 0));
  if (!host.has_value()) {
    return Concat(QuoteForMessage(text),
                  text.find('*') == text.npos
                      ? " is not known"
                      : ": a part of a name cannot be said here");
  }
  (*out)["to"] = {Concat(below ? "*." : zone ? "" : "=", *host)};
  return "";
}

std::string ReadEntity(std::string_view text, const ImportOptions& options,
                       Json* out) {
  if (text == "*") return "";
  if (const auto prefix = CanonicalPrefix(text); prefix.has_value()) {
    (*out)["to"] = {*prefix};
    return "";
  }
  if (IsUpper(text, 2)) {
    (*out)["to"] = {Concat("country:", text)};
    return "";
  }
  if (text.starts_with("C:") && IsUpper(text.substr(2), 2)) {
    (*out)["to"] = {Concat("continent:", text.substr(2))};
    return "";
  }
  uint32_t as_number = 0;
  if (text.starts_with("AS") && ParseNumber(text.substr(2), &as_number)) {
    (*out)["to"] = {Concat("as:", as_number)};
    return "";
  }
  if (text.starts_with("L:")) return ReadLists(text.substr(2), options, out);
  if (ReadScopes(text, out)) return "";
  return ReadName(text, out);
}

}  // namespace

void PutPortmasterScopes(bool localhost, bool lan, bool internet, Json* out) {
  if (localhost) (*out)["to"].push_back("loopback");
  if (lan) {
    (*out)["to"].push_back("lan");
    for (const char* network : kLanToo) (*out)["to"].push_back(network);
  }
  if (internet) {
    (*out)["to"].push_back("internet");
    if (!lan) (*out)["not_to"] = {kNotInternet};
  }
}

std::string ReadPortmasterEndpoint(std::string_view line,
                                   const ImportOptions& options, Json* out) {
  std::vector<std::string_view> words = Words(line);
  const auto comment =
      std::find_if(words.begin(), words.end(),
                   [](std::string_view word) { return word.starts_with('#'); });
  words.erase(comment, words.end());
  if (words.size() < 2 || words.size() > 3) {
    return "must be + or -, what it is about, and perhaps PROTOCOL/PORT";
  }
  if (words[0] != "+" && words[0] != "-") return "must begin with + or -";
  // Portmaster answers what it blocks at once.
  (*out)["policy"] = words[0] == "+" ? "allow" : "reject";
  std::string problem = ReadEntity(words[1], options, out);
  if (problem.empty() && words.size() == 3) {
    problem = ReadProtocolAndPort(words[2], out);
  }
  return problem;
}

}  // namespace sallyport::cli
