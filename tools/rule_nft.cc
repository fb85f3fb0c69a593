#include "tools/rule_nft.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "rules/flow.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/nft_addresses.h"
#include "tools/rule_line.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

using Texts = std::vector<std::string>;

// A field that may be a list, or its only element.
Texts ListOf(const Json& rule, const char* key) {
  Texts out;
  const auto at = rule.find(key);
  if (at == rule.end()) return out;
  const auto append = [&](const Json& value) {
    if (value.is_string()) {
      if (value != "") out.push_back(value.get<std::string>());
    } else if (!value.is_null()) {
      out.push_back(value.dump());
    }
  };
  if (at->is_array()) {
    for (const Json& element : *at) append(element);
  } else {
    append(*at);
  }
  return out;
}

// One rule on its way to statements. Its methods return why nft cannot say it;
// empty: it can.
class Statements {
 public:
  explicit Statements(const Json& rule) : rule_(rule) {}

  std::string Read();
  Texts Lines() const;

 private:
  std::string ReadUnknown() const;
  std::string ReadAddresses();
  std::string ReadPorts();
  std::string ReadProtocols();
  std::string ReadIds(const char* key, const char* expression);
  std::string ReadInterfaces();
  bool MayBe(uint8_t protocol) const;

  void AppendVerdicts(const std::string& addresses, const AddressSet* within,
                      Texts* lines) const;
  Texts AddressParts() const;

  const Json& rule_;
  std::string policy_;
  bool to_all_ = true;  // no `to`
  bool to_internet_ = false;
  AddressSet to_;
  AddressSet not_to_;
  std::vector<uint8_t> protocols_;
  std::string conditions_;  // everything but the addresses
};

// A field that is not read here could narrow the rule.
std::string Statements::ReadUnknown() const {
  constexpr std::string_view kKnown[] = {
      "name",        "policy",    "app",       "to",      "not_to",
      "port",        "not_port",  "protocol",  "user",    "not_user",
      "group",       "interface", "priority",  "enabled", "log",
      "description", "origin",    "read_only", "index"};
  for (const auto& [key, value] : rule_.items()) {
    const bool nothing = value.is_null() || value == "" ||
                         (value.is_array() && value.empty()) ||
                         (key == "direction" && value == "out") ||
                         (key == "lifetime" && value == "always");
    if (nothing || std::find(std::begin(kKnown), std::end(kKnown), key) !=
                       std::end(kKnown)) {
      continue;
    }
    return Concat("nft cannot say ", EscapeForTerminal(key));
  }
  return "";
}

std::string Statements::Read() {
  policy_ = TextAt(rule_, "/policy");
  if (TextAt(rule_, "/app") != "any") return "nft does not know apps";
  if (!BoolAt(rule_, "/enabled", true)) return "it is disabled";
  if (policy_ != "allow" && policy_ != "deny" && policy_ != "reject" &&
      policy_ != "local-only") {
    return Concat("nft has no policy ", QuoteForMessage(policy_));
  }
  std::string problem = ReadUnknown();
  if (problem.empty()) problem = ReadAddresses();
  if (problem.empty()) problem = ReadProtocols();
  if (problem.empty()) problem = ReadPorts();
  if (problem.empty()) problem = ReadInterfaces();
  if (problem.empty()) problem = ReadIds("user", "meta skuid");
  if (problem.empty()) problem = ReadIds("not_user", "meta skuid !=");
  if (problem.empty()) problem = ReadIds("group", "meta skgid");
  return problem;
}

std::string Statements::ReadAddresses() {
  for (const std::string& text : ListOf(rule_, "to")) {
    to_all_ = false;
    if (!AddAddressEntry(text, &to_, &to_internet_)) {
      return Concat("nft cannot match ", QuoteForMessage(text));
    }
  }
  bool not_internet = false;
  for (const std::string& text : ListOf(rule_, "not_to")) {
    if (!AddAddressEntry(text, &not_to_, &not_internet) || not_internet) {
      return Concat("nft cannot match not ", QuoteForMessage(text));
    }
  }
  return "";
}

std::string Statements::ReadProtocols() {
  for (const std::string& text : ListOf(rule_, "protocol")) {
    const absl::StatusOr<uint8_t> protocol = ParseProtocol(text);
    if (!protocol.ok()) return MessageOf(protocol.status());
    protocols_.push_back(*protocol);
  }
  const bool ports =
      !ListOf(rule_, "port").empty() || !ListOf(rule_, "not_port").empty();
  if (protocols_.empty() && ports) {
    for (int number = 0; number < 256; ++number) {
      const auto protocol = static_cast<uint8_t>(number);
      if (Flow{.protocol = protocol}.HasPorts()) {
        protocols_.push_back(protocol);
      }
    }
  }
  if (protocols_.empty()) return "";
  Texts numbers;
  for (uint8_t protocol : protocols_) {
    // The names that nft knows as we do.
    const std::string name = ProtocolName(protocol);
    const bool known = name == "tcp" || name == "udp" || name == "sctp" ||
                       name == "dccp" || name == "udplite" || name == "icmp";
    numbers.push_back(known ? name : Concat(protocol));
  }
  AppendTo(&conditions_, " meta l4proto { ", absl::StrJoin(numbers, ", "),
           " }");
  return "";
}

std::string Statements::ReadPorts() {
  for (const auto& [key, expression] :
       {std::pair("port", " th dport "),
        std::pair("not_port", " th dport != ")}) {
    std::vector<PortRange> ranges;
    for (const std::string& text : ListOf(rule_, key)) {
      const absl::StatusOr<PortRange> range = ParsePort(text);
      if (!range.ok()) return MessageOf(range.status());
      ranges.push_back(*range);
    }
    if (ranges.empty()) continue;
    std::sort(ranges.begin(), ranges.end(),
              [](PortRange a, PortRange b) { return a.first < b.first; });
    std::vector<PortRange> merged;
    for (PortRange next : ranges) {
      if (!merged.empty() && next.first <= merged.back().last) {
        merged.back().last = std::max(merged.back().last, next.last);
      } else {
        merged.push_back(next);
      }
    }
    Texts texts;
    for (PortRange range : merged) texts.push_back(PortToString(range));
    AppendTo(&conditions_, expression, "{ ", absl::StrJoin(texts, ", "), " }");
  }
  return "";
}

std::string Statements::ReadInterfaces() {
  Texts names;
  for (const std::string& name : ListOf(rule_, "interface")) {
    const bool good =
        name != "vpn" && std::all_of(name.begin(), name.end(), [](char c) {
          return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                 std::string_view("._-@:").find(c) != std::string::npos;
        });
    if (!good)
      return Concat("nft cannot match interface ", QuoteForMessage(name));
    names.push_back(Concat("\"", name, "\""));
  }
  if (!names.empty()) {
    AppendTo(&conditions_, " oifname { ", absl::StrJoin(names, ", "), " }");
  }
  return "";
}

// Users or groups, by number or plain name.
std::string Statements::ReadIds(const char* key, const char* expression) {
  Texts ids;
  for (const std::string& text : ListOf(rule_, key)) {
    const bool plain =
        !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
        text[0] != '-' && std::all_of(text.begin(), text.end(), [](char c) {
          return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                 c == '_' || c == '-';
        });
    const absl::StatusOr<RuleUser> user = ParseUser(text);
    if (!plain && !(user.ok() && user->id.has_value())) {
      return Concat("nft cannot match ", key, " ", QuoteForMessage(text));
    }
    ids.push_back(plain ? Concat("\"", text, "\"") : text);
  }
  if (!ids.empty()) {
    AppendTo(&conditions_, " ", expression, " { ", absl::StrJoin(ids, ", "),
             " }");
  }
  return "";
}

bool Statements::MayBe(uint8_t protocol) const {
  return protocols_.empty() || std::find(protocols_.begin(), protocols_.end(),
                                         protocol) != protocols_.end();
}

// Every part is a line of its own: a line has one family.
Texts Statements::AddressParts() const {
  const AddressSet others = NotInternet();
  Texts parts;
  const auto family = [&](const char* keyword, const char* nfproto,
                          const std::vector<AddressInterval>& to,
                          const std::vector<AddressInterval>& except,
                          const std::vector<AddressInterval>& not_internet) {
    const std::string minus =
        except.empty()
            ? ""
            : Concat(" ", keyword, " daddr != ", AddressSetText(except));
    if (to_all_) {
      parts.push_back(minus.empty() ? Concat(" meta nfproto ", nfproto)
                                    : minus);
    }
    if (!to.empty()) {
      parts.push_back(
          Concat(" ", keyword, " daddr ", AddressSetText(to), minus));
    }
    if (to_internet_) {
      parts.push_back(Concat(
          " ", keyword, " daddr != ", AddressSetText(not_internet), minus));
    }
  };
  if (to_all_ && not_to_.v4.empty() && not_to_.v6.empty()) return {""};
  family("ip", "ipv4", to_.v4, not_to_.v4, others.v4);
  family("ip6", "ipv6", to_.v6, not_to_.v6, others.v6);
  return parts;
}

void Statements::AppendVerdicts(const std::string& addresses,
                                const AddressSet* within, Texts* lines) const {
  const std::string head = Concat(addresses, conditions_);
  const auto line = [&](const std::string& more, const char* verdict) {
    lines->push_back(std::string(
        absl::StripAsciiWhitespace(Concat(head, more, " counter ", verdict))));
  };
  if (policy_ == "allow") {
    line("", "accept");
  } else if (policy_ == "deny") {
    line("", "drop");
  } else if (policy_ == "reject") {
    if (MayBe(kProtoTcp)) {
      line(" meta l4proto tcp", "reject with tcp reset");
    }
    if (protocols_ != std::vector<uint8_t>{kProtoTcp}) {
      line("", "reject with icmpx admin-prohibited");
    }
  } else {
    // A part of one family cannot be in an address of the other.
    const bool v4 = addresses.find("ip6 ") == addresses.npos &&
                    addresses.find("ipv6") == addresses.npos;
    const bool v6 = addresses.find("ip ") == addresses.npos &&
                    addresses.find("ipv4") == addresses.npos;
    if (v4) line(Concat(" ip daddr ", AddressSetText(within->v4)), "accept");
    if (v6) line(Concat(" ip6 daddr ", AddressSetText(within->v6)), "accept");
    line("", "drop");
  }
}

Texts Statements::Lines() const {
  const AddressSet local = LocalAddresses();
  Texts lines;
  for (const std::string& part : AddressParts()) {
    AppendVerdicts(part, &local, &lines);
  }
  return lines;
}

constexpr char kHead[] =
    "#!/usr/sbin/nft -f\n"
    "# Sallyport's rules as far as nft can say them, in the order in which "
    "they are\n"
    "# asked. A rule that is only a comment here decides nothing here.\n"
    "table inet sallyport_export {\n"
    "  chain output {\n"
    "    type filter hook output priority filter; policy accept;\n"
    "    ct state established,related accept\n";

}  // namespace

std::string RulesToNft(const Json& rules) {
  std::string out = kHead;
  for (const Json& rule : rules) {
    // One line, whatever the rule holds.
    const std::string title = EscapeForTerminal(RuleLine(rule));
    Statements statements(rule);
    const std::string problem = statements.Read();
    if (!problem.empty()) {
      AppendTo(&out, "    # not here: ", title, ": ", problem, "\n");
      continue;
    }
    AppendTo(&out, "    # ", title, "\n");
    for (const std::string& line : statements.Lines()) {
      AppendTo(&out, "    ", line, "\n");
    }
  }
  return out + "  }\n}\n";
}

}  // namespace sallyport::cli
