#include "src/rule_json.h"

#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "rules/app_pattern.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "src/api_json.h"
#include "src/escape.h"

namespace sallyport {
namespace {

using nlohmann::json;

absl::Status WrongType(std::string_view field, std::string_view wanted,
                       const json& value) {
  return FieldError(field, Concat("must be ", wanted, ", not ",
                                  std::string_view(value.type_name())));
}

// A parser's message, with the field it is about.
absl::Status About(std::string_view field, const absl::Status& status) {
  return FieldError(field, MessageOf(status));
}

absl::Status SetText(const json& value, std::string_view field,
                     std::string* out) {
  if (!value.is_string()) return WrongType(field, "a string", value);
  *out = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status SetBool(const json& value, std::string_view field, bool* out) {
  if (!value.is_boolean()) return WrongType(field, "true or false", value);
  *out = value.get<bool>();
  return absl::OkStatus();
}

// As in rule files: a list, or its only element. Unlike there an empty list is
// what GET shows for 'no limit'.
template <typename Item, typename Read>
absl::Status SetList(const json& value, std::vector<Item>* out, Read read) {
  out->clear();
  if (!value.is_array()) return read(value);
  for (const json& element : value) {
    if (absl::Status status = read(element); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The text of a string or a whole number.
bool TextOrNumber(const json& value, std::string* out) {
  if (value.is_number_integer()) {
    *out = value.dump();
    return true;
  }
  if (!value.is_string()) return false;
  *out = value.get<std::string>();
  return true;
}

absl::Status SetApp(const json& value, Rule* rule) {
  std::string text;
  absl::Status status = SetText(value, "app", &text);
  if (status.ok()) rule->app = CleanAppText(text);
  return status;
}

absl::Status SetName(const json& value, Rule* rule) {
  return SetText(value, "name", &rule->name);
}

absl::Status SetPolicy(const json& value, Rule* rule) {
  std::string text;
  if (absl::Status status = SetText(value, "policy", &text); !status.ok()) {
    return status;
  }
  std::optional<RulePolicy> policy = ParseRulePolicy(text);
  if (!policy.has_value()) {
    return FieldError("policy", Concat(QuoteForMessage(text),
                                       " is no policy; write allow, deny, "
                                       "reject or local-only"));
  }
  rule->policy = *policy;
  return absl::OkStatus();
}

absl::Status SetSha256(const json& value, Rule* rule) {
  return SetList(value, &rule->sha256, [rule](const json& element) {
    std::string text;
    absl::Status status = SetText(element, "sha256", &text);
    if (status.ok()) rule->sha256.push_back(absl::AsciiStrToLower(text));
    return status;
  });
}

absl::Status SetTo(const json& value, Rule* rule) {
  return SetList(value, &rule->to, [rule](const json& element) {
    std::string text;
    absl::Status status = SetText(element, "to", &text);
    if (!status.ok()) return status;
    absl::StatusOr<Destination> destination = ParseDestination(text);
    if (!destination.ok()) return About("to", destination.status());
    rule->to.push_back(*destination);
    return absl::OkStatus();
  });
}

absl::Status SetPort(const json& value, Rule* rule) {
  return SetList(value, &rule->port, [rule](const json& element) {
    std::string text;
    if (!TextOrNumber(element, &text)) {
      return WrongType("port", "a number or a range such as \"8000-9000\"",
                       element);
    }
    absl::StatusOr<PortRange> range = ParsePort(text);
    if (!range.ok()) return About("port", range.status());
    rule->port.push_back(*range);
    return absl::OkStatus();
  });
}

absl::Status SetProtocol(const json& value, Rule* rule) {
  return SetList(value, &rule->protocol, [rule](const json& element) {
    std::string text;
    if (!TextOrNumber(element, &text)) {
      return WrongType("protocol", "a name such as \"tcp\" or a number",
                       element);
    }
    absl::StatusOr<uint8_t> protocol = ParseProtocol(text);
    if (!protocol.ok()) return About("protocol", protocol.status());
    rule->protocol.push_back(*protocol);
    return absl::OkStatus();
  });
}

absl::Status SetUser(const json& value, Rule* rule) {
  rule->user_id.reset();
  if (TextOrNumber(value, &rule->user)) return absl::OkStatus();
  return WrongType("user", "a user name or a uid", value);
}

absl::Status SetDirection(const json& value, Rule*) {
  if (value.is_string() && value.get<std::string>() == "out") {
    return absl::OkStatus();
  }
  return FieldError("direction", "only \"out\" is enforced by this version");
}

absl::Status SetPriority(const json& value, Rule* rule) {
  using Limits = std::numeric_limits<int32_t>;
  if (!value.is_number_integer())
    return WrongType("priority", "a number", value);
  // Unsigned first: a huge one would wrap to something small.
  if ((value.is_number_unsigned() &&
       value.get<uint64_t>() > static_cast<uint64_t>(Limits::max())) ||
      value.get<int64_t>() > Limits::max() ||
      value.get<int64_t>() < Limits::min()) {
    return FieldError("priority", Concat("must be from ", Limits::min(), " to ",
                                         Limits::max()));
  }
  rule->priority = static_cast<int32_t>(value.get<int64_t>());
  return absl::OkStatus();
}

absl::Status SetEnabled(const json& value, Rule* rule) {
  return SetBool(value, "enabled", &rule->enabled);
}

absl::Status SetLog(const json& value, Rule* rule) {
  return SetBool(value, "log", &rule->log);
}

absl::Status SetDescription(const json& value, Rule* rule) {
  return SetText(value, "description", &rule->description);
}

absl::Status Ignore(const json&, Rule*) { return absl::OkStatus(); }

struct Field {
  std::string_view name;
  absl::Status (*set)(const json& value, Rule* rule);
};
constexpr Field kFields[] = {
    {"name", SetName},
    {"policy", SetPolicy},
    {"app", SetApp},
    {"sha256", SetSha256},
    {"to", SetTo},
    {"port", SetPort},
    {"protocol", SetProtocol},
    {"user", SetUser},
    {"direction", SetDirection},
    {"priority", SetPriority},
    {"enabled", SetEnabled},
    {"log", SetLog},
    {"description", SetDescription},
    {"origin", Ignore},
    {"read_only", Ignore},
    {"index", Ignore},
};

absl::Status UnknownField(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Field& field : kFields) names.push_back(field.name);
  auto nearest = NearestWord(name, names);
  return FieldError(
      name,
      Concat("unknown field ", QuoteForMessage(name),
             nearest.has_value() ? Concat("; did you mean '", *nearest, "'?")
                                 : std::string()));
}

json PortsToJson(const Rule& rule) {
  json ports = json::array();
  for (const PortRange& range : rule.port) {
    if (range.first == range.last) {
      ports.push_back(range.first);
    } else {
      ports.push_back(PortToString(range));
    }
  }
  return ports;
}

}  // namespace

json RuleToJson(const Rule& rule) {
  json to = json::array();
  for (const Destination& destination : rule.to) {
    to.push_back(DestinationToString(destination));
  }
  json protocols = json::array();
  for (uint8_t protocol : rule.protocol) {
    protocols.push_back(ProtocolName(protocol));
  }
  return {{"name", rule.name},
          {"policy", RulePolicyName(rule.policy)},
          {"app", rule.app},
          {"sha256", rule.sha256},
          {"to", std::move(to)},
          {"port", PortsToJson(rule)},
          {"protocol", std::move(protocols)},
          {"user", rule.user},
          {"direction", "out"},
          {"priority", rule.priority},
          {"enabled", rule.enabled},
          {"log", rule.log},
          {"description", rule.description},
          {"origin", Escape(rule.origin)}};
}

json RuleToJson(const StoredRule& stored) {
  json out = RuleToJson(stored.rule);
  out["read_only"] = stored.read_only;
  out["index"] = stored.index;
  return out;
}

absl::Status ApplyRuleJson(const json& object, Rule* rule) {
  for (const auto& [name, value] : object.items()) {
    const Field* known = nullptr;
    for (const Field& field : kFields) {
      if (field.name == name) known = &field;
    }
    if (known == nullptr) return UnknownField(name);
    if (absl::Status status = known->set(value, rule); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace sallyport
