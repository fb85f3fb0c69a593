#include "tools/opensnitch_operand.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "rules/address.h"
#include "rules/app_pattern.h"
#include "rules/flow.h"
#include "rules/rule.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/import_text.h"
#include "tools/opensnitch_variants.h"
#include "tools/regex_translate.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

using Texts = std::vector<std::string>;

// Each with each of two lists of networks of one rule.
constexpr size_t kMaxNetworkPairs = 65'536;

absl::Status Wrong(const std::string& why) {
  return absl::InvalidArgumentError(why);
}

absl::Status NotSaid(const OpenSnitchOperator& op, std::string_view why) {
  return Wrong(Concat("operand ", QuoteForMessage(op.operand), ": ", why));
}

absl::Status BadType(const OpenSnitchOperator& op) {
  return NotSaid(
      op, Concat("type ", QuoteForMessage(op.type), " is not known for it"));
}

// What a regexp stands for, or why it cannot be said.
absl::StatusOr<Texts> Translated(const OpenSnitchOperator& op,
                                 Translation (*translate)(const Regex&),
                                 Texts* remarks) {
  const absl::StatusOr<Regex> regex = ParseRegex(op.data);
  const std::string quoted = QuoteForMessage(op.data);
  if (!regex.ok()) {
    return NotSaid(
        op, Concat("expression ", quoted, ": ", MessageOf(regex.status())));
  }
  if (!op.sensitive && regex->has_upper_class) {
    return NotSaid(op, Concat("expression ", quoted,
                              ": OpenSnitch makes it lower case, which turns a "
                              "class such as \\D into its opposite"));
  }
  Translation out = translate(*regex);
  if (out.values.empty()) {
    return NotSaid(op,
                   Concat("expression ", quoted, " cannot be said as a list"));
  }
  for (const std::string& remark : out.remarks) {
    remarks->push_back(
        Concat("operand ", op.operand, ": expression ", quoted, " ", remark));
  }
  return std::move(out.values);
}

// For operands that are met with plain texts.
absl::StatusOr<Texts> PlainTexts(const OpenSnitchOperator& op, Texts* remarks) {
  if (op.type == "simple") return Texts{op.data};
  if (op.type == "regexp") return Translated(op, RegexToTexts, remarks);
  return BadType(op);
}

template <typename T>
absl::Status SetOnce(const OpenSnitchOperator& op, T value,
                     std::optional<T>* field) {
  if (field->has_value() && **field != value) {
    return NotSaid(op, "has two conditions on the same thing");
  }
  *field = std::move(value);
  return absl::OkStatus();
}

std::optional<std::vector<IpPrefix>> PrefixesOf(const Texts& texts) {
  std::vector<IpPrefix> out;
  for (const std::string& text : texts) {
    const absl::StatusOr<IpPrefix> prefix = ParseIpPrefix(text);
    if (!prefix.ok()) return std::nullopt;
    out.push_back(*prefix);
  }
  return out;
}

// What is in a network of `a` and in one of `b`; nullopt: not only networks.
std::optional<Texts> Intersection(const Texts& a, const Texts& b) {
  const auto left = PrefixesOf(a);
  const auto right = PrefixesOf(b);
  if (!left.has_value() || !right.has_value() ||
      left->size() * right->size() > kMaxNetworkPairs) {
    return std::nullopt;
  }
  Texts out;
  for (const IpPrefix& one : *left) {
    for (const IpPrefix& other : *right) {
      if (one.length <= other.length && one.Contains(other.base)) {
        out.push_back(other.ToString());
      } else if (other.length < one.length && other.Contains(one.base)) {
        out.push_back(one.ToString());
      }
    }
  }
  return out;
}

}  // namespace

absl::Status OpenSnitchMatch::Add(const OpenSnitchOperator& op,
                                  Texts* remarks) {
  const std::string_view operand = op.operand;
  if (operand == "true") return absl::OkStatus();
  if (operand == "process.path") return AddApp(op, &apps_, remarks);
  if (operand == "process.parent.path") return AddApp(op, &parents_, remarks);
  if (operand == "process.command") return AddCommand(op);
  if (operand == "dest.host" || operand == "dest.ip") {
    return AddDestination(op, remarks);
  }
  if (operand == "dest.network") return AddNetwork(op, remarks);
  if (operand == "dest.port") return AddPort(op, remarks);
  if (operand == "protocol") return AddProtocol(op);
  if (operand == "user.id" || operand == "user.name") {
    return AddUser(op, remarks);
  }
  if (operand == "iface.out") return AddInterface(op, remarks);
  if (operand == "process.hash.md5" || operand == "process.hash.sha1" ||
      operand == "lists.hash.md5") {
    return NotSaid(op, "only SHA-256 pins an app here (sha256)");
  }
  if (operand.starts_with("lists.")) return AddList(op);
  if (operand == "list") return NotSaid(op, "a list in a list");
  if (operand == "process.id") {
    return NotSaid(op, "the id of a process that is gone by now");
  }
  if (operand == "iface.in" || operand.starts_with("source.") ||
      operand.starts_with("process.env.")) {
    return NotSaid(op, "has no meaning here");
  }
  return NotSaid(op, "is not known");
}

absl::Status OpenSnitchMatch::AddApp(const OpenSnitchOperator& op,
                                     std::optional<Texts>* field,
                                     Texts* remarks) {
  if (op.type == "simple") {
    const std::string app = ExactAppText(op.data);
    if (!AppPattern::Parse(app).ok() || app[0] != '/') {
      return NotSaid(op, Concat(QuoteForMessage(op.data),
                                " is not the path of an executable"));
    }
    return SetOnce(op, Texts{app}, field);
  }
  if (op.type != "regexp") return BadType(op);
  absl::StatusOr<Texts> apps = Translated(op, RegexToApps, remarks);
  if (!apps.ok()) return apps.status();
  if (*apps == Texts{std::string(kAnyApp)}) return absl::OkStatus();
  return SetOnce(op, *std::move(apps), field);
}

absl::Status OpenSnitchMatch::AddCommand(const OpenSnitchOperator& op) {
  const char* flags = op.sensitive ? "(?s)" : "(?is)";
  if (op.type == "simple") {
    return SetOnce(op, Concat(flags, "^", QuoteRegex(op.data), "$"), &command_);
  }
  if (op.type != "regexp") return BadType(op);
  const absl::StatusOr<Regex> regex = ParseRegex(op.data);
  // Taken over as it is: our expressions are RE2's too. Only what turns around
  // in lower case is looked for.
  if (!op.sensitive && (!regex.ok() || regex->has_upper_class) &&
      absl::AsciiStrToLower(op.data) != op.data &&
      op.data.find('\\') != op.data.npos) {
    return NotSaid(op,
                   Concat("expression ", QuoteForMessage(op.data),
                          ": OpenSnitch makes it lower case, which may turn "
                          "a class such as \\D into its opposite"));
  }
  // Whether ours has to match all of the line or a part does not matter so.
  return SetOnce(op, Concat(flags, "^.*(?:", op.data, ").*$"), &command_);
}

absl::Status OpenSnitchMatch::AddDestination(const OpenSnitchOperator& op,
                                             Texts* remarks) {
  const bool host = op.operand == "dest.host";
  if (op.type == "simple") {
    if (host) {
      const auto name = CanonicalHost(op.data);
      if (!name.has_value()) {
        return NotSaid(op,
                       Concat(QuoteForMessage(op.data), " is not a DNS name"));
      }
      return NarrowTo({"=" + *name});
    }
    const auto address = CanonicalPrefix(op.data);
    if (!address.has_value() || op.data.find('/') != op.data.npos) {
      return NotSaid(op, Concat(QuoteForMessage(op.data), " is no address"));
    }
    return NarrowTo({*address});
  }
  if (op.type != "regexp") return BadType(op);
  absl::StatusOr<Texts> to =
      Translated(op, host ? RegexToHosts : RegexToAddresses, remarks);
  if (!to.ok()) return to.status();
  return NarrowTo(*std::move(to));
}

absl::Status OpenSnitchMatch::AddNetwork(const OpenSnitchOperator& op,
                                         Texts* remarks) {
  if (op.type != "network") return AddDestination(op, remarks);
  if (const auto alias = aliases_.find(op.data); alias != aliases_.end()) {
    return NarrowTo(alias->second);
  }
  const auto prefix = CanonicalPrefix(op.data);
  if (!prefix.has_value() || op.data.find('/') == op.data.npos) {
    return NotSaid(op, Concat(QuoteForMessage(op.data),
                              " is no network, nor an alias that is known"));
  }
  return NarrowTo({*prefix});
}

absl::Status OpenSnitchMatch::AddList(const OpenSnitchOperator& op) {
  const auto list = options_.lists.find(op.data);
  if (list == options_.lists.end()) {
    return NotSaid(
        op, Concat("reads the lists of ", QuoteForMessage(op.data),
                   "; make a list of them here, then import again with --list ",
                   op.data, "=NAME"));
  }
  return NarrowTo({"list:" + list->second});
}

absl::Status OpenSnitchMatch::NarrowTo(Texts to) {
  if (!to_.has_value() || *to_ == to) {
    to_ = std::move(to);
    return absl::OkStatus();
  }
  auto both = Intersection(*to_, to);
  if (!both.has_value()) {
    return Wrong(
        "two conditions on the destination that must both hold (a name and an "
        "address, or two names) cannot be said here");
  }
  if (both->empty()) return Wrong("its destinations exclude each other");
  to_ = *std::move(both);
  return absl::OkStatus();
}

absl::Status OpenSnitchMatch::AddPort(const OpenSnitchOperator& op,
                                      Texts* remarks) {
  std::string data = op.data;
  if (op.type == "range") {
    std::erase(data, ' ');
    const Json range = PortValue(data);
    if (range.is_null() || data.find('-') == data.npos) {
      return NotSaid(op,
                     Concat(QuoteForMessage(op.data), " is no range of ports"));
    }
    return SetOnce(op, Json::array({range}), &ports_);
  }
  absl::StatusOr<Texts> texts = PlainTexts(op, remarks);
  if (!texts.ok()) return texts.status();
  std::vector<int> ports;
  for (const std::string& text : *texts) {
    const Json port = PortValue(text);
    if (port.is_number() && port.dump() == text)
      ports.push_back(port.get<int>());
  }
  if (ports.empty()) {
    return NotSaid(op, Concat(QuoteForMessage(op.data), " is no port"));
  }
  return SetOnce(op, PortList(std::move(ports)), &ports_);
}

absl::Status OpenSnitchMatch::AddProtocol(const OpenSnitchOperator& op) {
  absl::StatusOr<Regex> regex;
  if (op.type == "simple") {
    regex = ParseRegex(
        Concat("^", QuoteRegex(absl::AsciiStrToLower(op.data)), "$"));
  } else if (op.type == "regexp") {
    regex = ParseRegex(op.sensitive ? op.data : absl::AsciiStrToLower(op.data));
  } else {
    return BadType(op);
  }
  if (!regex.ok()) return NotSaid(op, MessageOf(regex.status()));
  const uint32_t mask =
      OpenSnitchProtocolsMatching(*regex) & protocols_.value_or(~uint32_t{0});
  if (mask == 0) {
    return NotSaid(
        op, Concat(QuoteForMessage(op.data), " is no protocol that is known"));
  }
  protocols_ = mask;
  return absl::OkStatus();
}

absl::Status OpenSnitchMatch::AddUser(const OpenSnitchOperator& op,
                                      Texts* remarks) {
  if (op.operand == "user.name") {
    if (op.type != "simple") return BadType(op);
    if (op.data.empty() || op.data.size() > kMaxUserBytes ||
        DescriptionOf(op.data) != op.data) {
      return NotSaid(op,
                     Concat(QuoteForMessage(op.data), " is no user's name"));
    }
    return SetOnce(op, Texts{op.data}, &users_);
  }
  absl::StatusOr<Texts> texts = PlainTexts(op, remarks);
  if (!texts.ok()) return texts.status();
  Texts users;
  for (std::string& text : *texts) {
    const absl::StatusOr<RuleUser> user = ParseUser(text);
    if (user.ok() && user->id.has_value() && Concat(*user->id) == text) {
      users.push_back(text);
    }
  }
  if (users.empty() || users.size() > kMaxRuleListEntries) {
    return NotSaid(op, Concat(QuoteForMessage(op.data), " is no user's id"));
  }
  return SetOnce(op, std::move(users), &users_);
}

absl::Status OpenSnitchMatch::AddInterface(const OpenSnitchOperator& op,
                                           Texts* remarks) {
  absl::StatusOr<Texts> texts = PlainTexts(op, remarks);
  if (!texts.ok()) return texts.status();
  for (const std::string& name : *texts) {
    if (!IsDeviceName(name)) {
      return NotSaid(
          op, Concat(QuoteForMessage(name), " is no interface's name here"));
    }
  }
  return SetOnce(op, *std::move(texts), &interfaces_);
}

bool OpenSnitchMatch::OnlyCommand() const {
  return command_.has_value() && !apps_.has_value() && !parents_.has_value() &&
         !to_.has_value() && !ports_.has_value() && !users_.has_value() &&
         !interfaces_.has_value() && !protocols_.has_value();
}

absl::StatusOr<std::vector<Json>> OpenSnitchMatch::Rules() const {
  if (OnlyCommand()) {
    return Wrong(
        "a command line is what the program says of itself; it cannot be the "
        "only condition");
  }
  const absl::StatusOr<std::vector<OpenSnitchVariant>> variants =
      OpenSnitchVariants(protocols_, ports_, to_);
  if (!variants.ok()) return variants.status();
  const Texts any = {std::string(kAnyApp)};
  const Texts& apps = apps_.has_value() ? *apps_ : any;
  if (apps.size() * variants->size() > kMaxRulesOfOne) {
    return Wrong(Concat("would become more than ", kMaxRulesOfOne, " rules"));
  }
  std::vector<Json> rules;
  for (const std::string& app : apps) {
    for (const OpenSnitchVariant& variant : *variants) {
      Json rule = {{"app", app}};
      if (parents_.has_value()) rule["parent"] = *parents_;
      if (users_.has_value()) rule["user"] = *users_;
      if (command_.has_value()) rule["cmdline"] = *command_;
      for (const auto& [key, value] : variant.fields.items()) rule[key] = value;
      if (interfaces_.has_value()) rule["interface"] = *interfaces_;
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

}  // namespace sallyport::cli
