#include "rules/rule_schema.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "rules/app_pattern.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "rules/time_text.h"

namespace sallyport {
namespace {

// Words of the format that this version does not know: better named than
// taken for a slip of the finger.
constexpr std::string_view kLaterFields[] = {"parent", "group", "cmdline",
                                             "lifetime"};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

absl::Status WrongType(std::string_view wanted, const FieldValue& value) {
  struct Kind {
    const char* operator()(const std::string&) const { return "a string"; }
    const char* operator()(int64_t) const { return "a number"; }
    const char* operator()(bool) const { return "a boolean"; }
    const char* operator()(absl::Time) const { return "a date with time"; }
    const char* operator()(const OtherValue& other) const { return other.kind; }
  };
  return Wrong(Concat("must be ", wanted, ", not ", std::visit(Kind(), value)));
}

absl::StatusOr<std::string> TextOf(const FieldValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return WrongType("a string", value);
  return *text;
}

// Where a number is as good as its digits.
absl::StatusOr<std::string> TextOrNumber(const FieldValue& value,
                                         std::string_view wanted) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Concat(*number);
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return WrongType(wanted, value);
  return *text;
}

// Fields that are a text as it is written.
template <auto kMember>
absl::Status ReadText(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (text.ok()) rule->*kMember = *text;
  return text.status();
}
template <auto kMember>
std::vector<FieldValue> WriteText(const Rule& rule) {
  return {rule.*kMember};
}

template <auto kMember>
absl::Status ReadBool(const FieldValue& value, Rule* rule) {
  const auto* boolean = std::get_if<bool>(&value);
  if (boolean == nullptr) return WrongType("true or false", value);
  rule->*kMember = *boolean;
  return absl::OkStatus();
}
template <auto kMember>
std::vector<FieldValue> WriteBool(const Rule& rule) {
  return {rule.*kMember};
}

absl::Status ReadPolicy(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (!text.ok()) return text.status();
  const std::optional<RulePolicy> policy = ParseRulePolicy(*text);
  if (policy.has_value()) {
    rule->policy = *policy;
    return absl::OkStatus();
  }
  if (*text == "ask") {
    return Wrong(
        "'ask' is not supported by this version; write allow, deny, reject or "
        "local-only");
  }
  return Wrong(
      Concat(QuoteForMessage(*text),
             " is no policy; write allow, deny, reject or local-only"));
}
std::vector<FieldValue> WritePolicy(const Rule& rule) {
  return {std::string(RulePolicyName(rule.policy))};
}

absl::Status ReadApp(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (text.ok()) rule->app = CleanAppText(*text);
  return text.status();
}

absl::Status ReadSha256(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (text.ok()) rule->sha256.push_back(absl::AsciiStrToLower(*text));
  return text.status();
}

// Lists whose elements have a Parse and a ToString in rule_fields.h.
template <auto kMember, auto kParse>
absl::Status ReadParsed(const absl::StatusOr<std::string>& text, Rule* rule) {
  if (!text.ok()) return text.status();
  auto parsed = kParse(*text);
  if (parsed.ok()) (rule->*kMember).push_back(*std::move(parsed));
  return parsed.status();
}
template <auto kMember>
absl::Status ReadDestination(const FieldValue& value, Rule* rule) {
  return ReadParsed<kMember, ParseDestination>(TextOf(value), rule);
}
template <auto kMember>
absl::Status ReadPort(const FieldValue& value, Rule* rule) {
  return ReadParsed<kMember, ParsePort>(
      TextOrNumber(value, "a number or a range such as \"8000-9000\""), rule);
}
absl::Status ReadProtocol(const FieldValue& value, Rule* rule) {
  return ReadParsed<&Rule::protocol, ParseProtocol>(
      TextOrNumber(value, "a name such as \"tcp\" or a number"), rule);
}
template <auto kMember>
absl::Status ReadUser(const FieldValue& value, Rule* rule) {
  return ReadParsed<kMember, ParseUser>(
      TextOrNumber(value, "a user name or a uid"), rule);
}
absl::Status ReadInterface(const FieldValue& value, Rule* rule) {
  return ReadParsed<&Rule::interface, ParseInterface>(TextOf(value), rule);
}

FieldValue PortValue(PortRange range) {
  if (range.first == range.last) return int64_t{range.first};
  return PortToString(range);
}
FieldValue TextValue(const std::string& text) { return text; }
FieldValue DestinationValue(const Destination& destination) {
  return DestinationToString(destination);
}
FieldValue ProtocolValue(uint8_t protocol) { return ProtocolName(protocol); }
FieldValue UserValue(const RuleUser& user) { return user.text; }

template <auto kMember, auto kValueOf>
std::vector<FieldValue> WriteList(const Rule& rule) {
  std::vector<FieldValue> values;
  values.reserve((rule.*kMember).size());
  for (const auto& element : rule.*kMember) values.push_back(kValueOf(element));
  return values;
}

absl::Status ReadDirection(const FieldValue& value, Rule*) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (!text.ok()) return text.status();
  if (*text == "out") return absl::OkStatus();
  return Wrong(
      Concat(QuoteForMessage(*text), " is not supported; only \"out\" is"));
}
std::vector<FieldValue> WriteDirection(const Rule&) {
  return {std::string("out")};
}

absl::Status ReadPriority(const FieldValue& value, Rule* rule) {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr) return WrongType("a number", value);
  using Limits = std::numeric_limits<int32_t>;
  if (*number < Limits::min() || *number > Limits::max()) {
    return Wrong(Concat("must be from ", Limits::min(), " to ", Limits::max()));
  }
  rule->priority = static_cast<int32_t>(*number);
  return absl::OkStatus();
}
std::vector<FieldValue> WritePriority(const Rule& rule) {
  return {int64_t{rule.priority}};
}

absl::Status ReadDuring(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (!text.ok()) return text.status();
  absl::StatusOr<Schedule> schedule = Schedule::Parse(*text);
  if (schedule.ok()) rule->during = *std::move(schedule);
  return schedule.status();
}
std::vector<FieldValue> WriteDuring(const Rule& rule) {
  if (!rule.during.has_value()) return {};
  return {rule.during->ToString()};
}

// A date and time of TOML's, or the same as a text. Whole seconds: what is
// shown can be put back.
absl::Status ReadExpires(const FieldValue& value, Rule* rule) {
  absl::StatusOr<absl::Time> time = absl::InfinitePast();
  if (const auto* moment = std::get_if<absl::Time>(&value)) {
    time = *moment;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    time = ParseRfc3339(*text);
  } else {
    time = WrongType("a time such as 2026-12-31T18:00:00Z", value);
  }
  if (!time.ok()) return time.status();
  rule->expires = absl::FromUnixSeconds(absl::ToUnixSeconds(*time));
  rule->ends_at_boot_ns.reset();
  return absl::OkStatus();
}
std::vector<FieldValue> WriteExpires(const Rule& rule) {
  if (!rule.expires.has_value()) return {};
  return {*rule.expires};
}

absl::Status ReadRate(const FieldValue& value, Rule* rule) {
  const absl::StatusOr<std::string> text = TextOf(value);
  if (!text.ok()) return text.status();
  const absl::StatusOr<Rate> rate = ParseRate(*text);
  if (rate.ok()) rule->rate = *rate;
  return rate.status();
}
std::vector<FieldValue> WriteRate(const Rule& rule) {
  if (!rule.rate.has_value()) return {};
  return {RateToString(*rule.rate)};
}

template <auto kMember>
void Clear(Rule* rule) {
  rule->*kMember = Rule().*kMember;
}

constexpr bool kScalar = false;
constexpr bool kList = true;
constexpr bool kOptional = false;
constexpr bool kRequired = true;

constexpr RuleField kFields[] = {
    {"name", kScalar, kRequired, ReadText<&Rule::name>, WriteText<&Rule::name>,
     Clear<&Rule::name>},
    {"policy", kScalar, kRequired, ReadPolicy, WritePolicy,
     Clear<&Rule::policy>},
    {"app", kScalar, kRequired, ReadApp, WriteText<&Rule::app>,
     Clear<&Rule::app>},
    {"sha256", kList, kOptional, ReadSha256,
     WriteList<&Rule::sha256, TextValue>, Clear<&Rule::sha256>},
    {"user", kList, kOptional, ReadUser<&Rule::user>,
     WriteList<&Rule::user, UserValue>, Clear<&Rule::user>},
    {"not_user", kList, kOptional, ReadUser<&Rule::not_user>,
     WriteList<&Rule::not_user, UserValue>, Clear<&Rule::not_user>},
    {"to", kList, kOptional, ReadDestination<&Rule::to>,
     WriteList<&Rule::to, DestinationValue>, Clear<&Rule::to>},
    {"not_to", kList, kOptional, ReadDestination<&Rule::not_to>,
     WriteList<&Rule::not_to, DestinationValue>, Clear<&Rule::not_to>},
    {"port", kList, kOptional, ReadPort<&Rule::port>,
     WriteList<&Rule::port, PortValue>, Clear<&Rule::port>},
    {"not_port", kList, kOptional, ReadPort<&Rule::not_port>,
     WriteList<&Rule::not_port, PortValue>, Clear<&Rule::not_port>},
    {"protocol", kList, kOptional, ReadProtocol,
     WriteList<&Rule::protocol, ProtocolValue>, Clear<&Rule::protocol>},
    {"interface", kList, kOptional, ReadInterface,
     WriteList<&Rule::interface, TextValue>, Clear<&Rule::interface>},
    {"during", kScalar, kOptional, ReadDuring, WriteDuring,
     Clear<&Rule::during>},
    {"expires", kScalar, kOptional, ReadExpires, WriteExpires,
     Clear<&Rule::expires>},
    {"rate", kScalar, kOptional, ReadRate, WriteRate, Clear<&Rule::rate>},
    {"direction", kScalar, kOptional, ReadDirection, WriteDirection,
     Clear<&Rule::direction>},
    {"priority", kScalar, kOptional, ReadPriority, WritePriority,
     Clear<&Rule::priority>},
    {"enabled", kScalar, kOptional, ReadBool<&Rule::enabled>,
     WriteBool<&Rule::enabled>, Clear<&Rule::enabled>},
    {"log", kScalar, kOptional, ReadBool<&Rule::log>, WriteBool<&Rule::log>,
     Clear<&Rule::log>},
    {"description", kScalar, kOptional, ReadText<&Rule::description>,
     WriteText<&Rule::description>, Clear<&Rule::description>},
};

}  // namespace

std::span<const RuleField> RuleFields() { return kFields; }

const RuleField* FindRuleField(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFields), std::end(kFields),
                   [&](const RuleField& field) { return field.name == name; });
  return found == std::end(kFields) ? nullptr : found;
}

std::string UnknownFieldMessage(std::string_view word, std::string_view name) {
  std::string message = Concat("unknown ", word, " ", QuoteForMessage(name));
  if (std::find(std::begin(kLaterFields), std::end(kLaterFields), name) !=
      std::end(kLaterFields)) {
    return message + "; this version does not support it";
  }
  std::vector<std::string_view> names;
  for (const RuleField& field : kFields) names.push_back(field.name);
  const auto nearest = NearestWord(name, names);
  if (nearest.has_value()) {
    AppendTo(&message, "; did you mean '", *nearest, "'?");
  }
  return message;
}

std::string FieldTimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

bool IsDefault(const RuleField& field, const Rule& rule) {
  static const Rule kEmpty;
  return field.write(rule) == field.write(kEmpty);
}

}  // namespace sallyport
