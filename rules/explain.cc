#include "rules/explain.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "rules/app_pattern.h"
#include "rules/precedence.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// A list for a sentence: "80, 443 or 8000-9000", cut if it is long.
template <typename T, typename ToText>
std::string Alternatives(const std::vector<T>& values, ToText to_text) {
  constexpr size_t kMost = 5;
  std::vector<std::string> texts;
  for (size_t i = 0; i < values.size() && i < kMost; ++i) {
    texts.push_back(to_text(values[i]));
  }
  if (values.size() > kMost) {
    return Concat(absl::StrJoin(texts, ", "), " or ", values.size() - kMost,
                  " more");
  }
  const std::string last = texts.back();
  texts.pop_back();
  if (texts.empty()) return last;
  return Concat(absl::StrJoin(texts, ", "), " or ", last);
}

std::string ExpiryText(const Rule& rule) {
  return absl::FormatTime(absl::RFC3339_sec, *rule.expires,
                          absl::LocalTimeZone());
}

std::string RuleUserText(const RuleUser& user) {
  const std::string id = user.id.has_value() ? Concat(*user.id) : "unknown";
  return id == user.text ? id : Concat(id, " (", user.text, ")");
}

std::string UserText(std::optional<uint32_t> uid) {
  return uid.has_value() ? Concat("user ", *uid) : "an unknown user";
}

std::string WhyNot(const Rule& rule, Mismatch mismatch, const Subject& subject,
                   const Flow& flow) {
  switch (mismatch) {
    case Mismatch::kNone:
      return "";
    case Mismatch::kDisabled:
      return "disabled";
    case Mismatch::kExpired:
      return Concat("it has expired, at ", ExpiryText(rule));
    case Mismatch::kNotDuring:
      return Concat("it is for ", rule.during->ToString(), " only");
    case Mismatch::kDirection:
      return "it is for outbound flows";
    case Mismatch::kDestination:
      return Concat(flow.dst.ToString(), " is not ",
                    rule.to.size() > 1 ||
                            !std::holds_alternative<IpPrefix>(rule.to.front())
                        ? "in "
                        : "",
                    Alternatives(rule.to, DestinationToString));
    case Mismatch::kProtocol:
      return Concat("protocol ", ProtocolName(flow.protocol), " is not ",
                    Alternatives(rule.protocol, ProtocolName));
    case Mismatch::kPort:
      if (!flow.HasPorts()) {
        return Concat(ProtocolName(flow.protocol), " has no ports");
      }
      return Concat("port ", flow.dst_port, " is not ",
                    Alternatives(rule.port, PortToString));
    case Mismatch::kUser:
      return Concat(UserText(subject.uid), " is not ",
                    Alternatives(rule.user, RuleUserText));
    case Mismatch::kNotDestination:
      return Concat(flow.dst.ToString(), " is excepted by not_to");
    case Mismatch::kNotPort:
      return Concat("port ", flow.dst_port, " is excepted by not_port");
    case Mismatch::kNotUser:
      return Concat(UserText(subject.uid), " is excepted by not_user");
    case Mismatch::kInterface:
      return Concat("device ", flow.out_interface->name, " is not ",
                    Alternatives(rule.interface,
                                 [](const std::string& name) { return name; }));
    case Mismatch::kInterfaceUnknown:
      return "the device that the flow leaves by is not known";
    case Mismatch::kPathIsNotExe:
      return "the app's path is no longer this file: a rule for the path can "
             "only restrict";
    case Mismatch::kSha256:
      if (subject.app == nullptr) return "nobody was found to take a hash of";
      return Concat("sha256 ", subject.app->sha256.substr(0, 12),
                    "... is not one of the rule's");
    case Mismatch::kSha256Unknown:
      return "the app's sha256 is not computed yet";
  }
  return "";
}

// `loser` applies too; names the first difference in precedence.
std::string LowerThan(const Rule& loser, const Rule& winner) {
  constexpr const char* kApps[] = {"a path", "a glob", "any app"};
  const AppPattern low_pattern = *AppPattern::Parse(loser.app);
  const AppPattern high_pattern = *AppPattern::Parse(winner.app);
  const Precedence low = PrecedenceOf(loser, low_pattern);
  const Precedence high = PrecedenceOf(winner, high_pattern);
  const std::string begin = Concat("lower precedence than '", winner.name, "'");
  if (low.priority != high.priority) {
    return Concat(begin, ": priority ", loser.priority, " < ", winner.priority);
  }
  if (low.app_kind != high.app_kind) {
    return Concat(begin, ": ", kApps[low.app_kind], " is less specific than ",
                  kApps[high.app_kind]);
  }
  if (low.app_literals != high.app_literals) {
    return Concat(begin, ": its glob is less specific");
  }
  if (low.destination != high.destination) {
    return Concat(begin, ": its destination is less specific");
  }
  if (low.policy != high.policy) {
    return Concat(begin, ": ", RulePolicyName(loser.policy), " comes after ",
                  RulePolicyName(winner.policy));
  }
  return Concat(begin, ": its name comes later");
}

std::string VerdictLine(const Explanation& explanation) {
  const Decision& decision = explanation.judgement.decision;
  std::string line =
      Concat(VerdictName(decision.verdict), " (", ReasonName(decision.reason),
             ", mode ", ModeName(decision.mode), ")");
  if (decision.would_deny()) {
    AppendTo(&line, "; the rules say ", VerdictName(decision.judged));
  }
  const Needs needs = explanation.judgement.needs;
  if ((needs & kNeedsSha256) != 0) {
    AppendTo(&line, "; not final: a rule asks for the app's sha256");
  }
  if ((needs & kNeedsInterface) != 0) {
    AppendTo(&line, "; not final: a rule asks for the device it leaves by");
  }
  return line;
}

}  // namespace

Explanation Explain(const PolicySnapshot& policy, const Subject& subject,
                    const Flow& flow) {
  const RuleSet& rules = *policy.rules;
  Explanation explanation;
  explanation.judgement = JudgeSubject(policy, flow, subject);
  // Not that of the decision: mode lockdown hides the rule that matched.
  explanation.winner = rules.Match(subject, flow).rule;
  for (uint32_t i : rules.RulesAbout(subject.app)) {
    if (i == explanation.winner) continue;
    if (explanation.losers.size() == kMaxLosers) {
      ++explanation.losers_left_out;
      continue;
    }
    const Rule& rule = rules.rules()[i];
    Mismatch mismatch = rules.asleep(i);
    if (mismatch == Mismatch::kNone) {
      mismatch = CheckRule(rule, rules.ByPath(i), subject, flow);
    }
    explanation.losers.push_back(
        {i, mismatch == Mismatch::kNone
                ? LowerThan(rule, rules.rules()[explanation.winner])
                : WhyNot(rule, mismatch, subject, flow)});
  }
  return explanation;
}

std::vector<std::string> ExplanationText(const PolicySnapshot& policy,
                                         const Explanation& explanation) {
  const std::span<const Rule> rules = policy.rules->rules();
  std::vector<std::string> lines = {VerdictLine(explanation)};
  if (explanation.winner != kNoRule) {
    const Rule& winner = rules[explanation.winner];
    lines.push_back(Concat(
        "winner: ", winner.name, " (", RulePolicyName(winner.policy), " ",
        winner.app, ")", winner.origin.empty() ? "" : " from ", winner.origin));
  } else {
    lines.push_back("no rule matches; the default decides");
  }
  for (const Loser& loser : explanation.losers) {
    const Rule& rule = rules[loser.rule];
    lines.push_back(Concat("not ", rule.name, " (", RulePolicyName(rule.policy),
                           "): ", loser.why));
  }
  if (explanation.losers_left_out > 0) {
    lines.push_back(Concat("and ", explanation.losers_left_out, " rules more"));
  }
  return lines;
}

}  // namespace sallyport
