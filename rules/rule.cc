#include "rules/rule.h"

#include <algorithm>

#include "rules/app_pattern.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr size_t kSha256HexDigits = 64;

absl::Status Wrong(std::string_view field, const std::string& what) {
  return absl::InvalidArgumentError(Concat(field, ": ", what));
}

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Empty if `text` is UTF-8 and short enough.
std::string TextProblem(std::string_view text, size_t most_bytes) {
  if (text.size() > most_bytes) {
    return Concat("longer than ", most_bytes, " bytes");
  }
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i, nullptr);
    if (length == 0) return "not UTF-8";
    i += length;
  }
  return "";
}

// What is wrong with it, "" if nothing is.
std::string DestinationProblem(const Destination& destination) {
  if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
    if (prefix->length > 128) return "prefix longer than 128 bits";
    if (MaskAddress(prefix->base, prefix->length) != prefix->base) {
      return prefix->ToString() + " has host bits set";
    }
  } else if (const auto* range = std::get_if<AddressRange>(&destination)) {
    if (range->first.IsV4() != range->last.IsV4()) {
      return DestinationToString(destination) +
             " mixes IPv4 and IPv6; write two entries";
    }
    if (range->last < range->first) {
      return DestinationToString(destination) +
             " is reversed; write the lower address first";
    }
  }
  return "";
}

absl::Status CheckDestinations(const char* field,
                               const std::vector<Destination>& destinations) {
  for (const Destination& destination : destinations) {
    std::string problem = DestinationProblem(destination);
    if (!problem.empty()) return Wrong(field, problem);
  }
  return absl::OkStatus();
}

absl::Status CheckPorts(const Rule& rule, const char* field,
                        const std::vector<PortRange>& ports) {
  for (const PortRange& range : ports) {
    if (range.last < range.first) {
      return Wrong(field,
                   Concat("\"", PortToString(range), "\" is reversed; write \"",
                          range.last, "-", range.first, "\""));
    }
  }
  if (ports.empty()) return absl::OkStatus();
  for (uint8_t protocol : rule.protocol) {
    if (Flow{.protocol = protocol}.HasPorts()) continue;
    return Wrong(field,
                 Concat(ProtocolName(protocol), " has no ports; take `", field,
                        "` away or give that protocol a rule of its "
                        "own"));
  }
  return absl::OkStatus();
}

absl::Status CheckListLengths(const Rule& rule) {
  struct List {
    const char* field;
    size_t size;
    size_t most;
  };
  const List lists[] = {
      {"to", rule.to.size(), kMaxRuleDestinations},
      {"not_to", rule.not_to.size(), kMaxRuleListEntries},
      {"port", rule.port.size(), kMaxRuleListEntries},
      {"not_port", rule.not_port.size(), kMaxRuleListEntries},
      {"protocol", rule.protocol.size(), kMaxRuleListEntries},
      {"sha256", rule.sha256.size(), kMaxRuleListEntries},
      {"user", rule.user.size(), kMaxRuleListEntries},
      {"not_user", rule.not_user.size(), kMaxRuleListEntries},
      {"interface", rule.interface.size(), kMaxRuleListEntries},
  };
  for (const List& list : lists) {
    if (list.size <= list.most) continue;
    return Wrong(list.field,
                 Concat("more than ", list.most, " entries; split the rule"));
  }
  return absl::OkStatus();
}

absl::Status CheckTexts(const Rule& rule) {
  for (const std::string& digest : rule.sha256) {
    if (digest.size() != kSha256HexDigits || !IsLowerHex(digest)) {
      return Wrong("sha256", QuoteForMessage(digest) +
                                 " is not 64 hexadecimal digits in lower case");
    }
  }
  for (const auto& [field, users] :
       {std::pair("user", &rule.user), std::pair("not_user", &rule.not_user)}) {
    for (const RuleUser& user : *users) {
      std::string problem = TextProblem(user.text, kMaxUserBytes);
      if (!problem.empty()) return Wrong(field, problem);
    }
  }
  for (const std::string& device : rule.interface) {
    const absl::StatusOr<std::string> parsed = ParseInterface(device);
    if (!parsed.ok()) return Wrong("interface", MessageOf(parsed.status()));
  }
  std::string problem = TextProblem(rule.description, kMaxDescriptionBytes);
  if (!problem.empty()) return Wrong("description", problem);
  return absl::OkStatus();
}

}  // namespace

const char* RulePolicyName(RulePolicy policy) {
  switch (policy) {
    case RulePolicy::kAllow:
      return "allow";
    case RulePolicy::kDeny:
      return "deny";
    case RulePolicy::kReject:
      return "reject";
    case RulePolicy::kLocalOnly:
      return "local-only";
  }
  return "deny";
}

std::optional<RulePolicy> ParseRulePolicy(std::string_view text) {
  for (RulePolicy p : {RulePolicy::kAllow, RulePolicy::kDeny,
                       RulePolicy::kReject, RulePolicy::kLocalOnly}) {
    if (text == RulePolicyName(p)) return p;
  }
  return std::nullopt;
}

bool IsValidRuleName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxRuleNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string RuleNamePart(std::string_view app, size_t most_bytes) {
  std::string part;
  for (char c : app.substr(app.rfind('/') + 1)) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      part += c;
    } else if (!part.empty() && part.back() != '-') {
      part += '-';
    }
  }
  part = part.substr(0, most_bytes);
  while (part.ends_with('-')) part.pop_back();
  return part.empty() ? "rule" : part;
}

absl::Status ValidateRule(const Rule& rule) {
  if (!IsValidRuleName(rule.name)) {
    return Wrong("name", Concat(QuoteForMessage(rule.name),
                                " is not a rule name; use 1 to ",
                                kMaxRuleNameBytes, " of a-z, 0-9 and '-'"));
  }
  const absl::StatusOr<AppPattern> pattern = AppPattern::Parse(rule.app);
  if (!pattern.ok()) {
    return Wrong("app", MessageOf(pattern.status()));
  }
  for (const absl::Status& status :
       {CheckDestinations("to", rule.to),
        CheckDestinations("not_to", rule.not_to), CheckListLengths(rule),
        CheckPorts(rule, "port", rule.port),
        CheckPorts(rule, "not_port", rule.not_port), CheckTexts(rule)}) {
    if (!status.ok()) return status;
  }
  if (rule.rate.has_value() && rule.policy != RulePolicy::kAllow) {
    return Wrong("rate", "only rules that allow have one");
  }
  if (rule.direction != Direction::kOut) {
    return Wrong("direction", "only \"out\" is enforced");
  }
  return absl::OkStatus();
}

}  // namespace sallyport
