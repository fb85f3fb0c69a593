#include "src/status_report.h"

#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "src/api_json.h"

namespace sallyport {
namespace {

using nlohmann::json;

const char* WhatIsDone(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllow:
      return "allowed";
    case Verdict::kReject:
      return "rejected";
    case Verdict::kDeny:
      break;
  }
  return "denied";
}

json DivertJson(const StatusReport& report) {
  return {{"installed", report.divert.installed},
          {"expression", QueueExpressionName(report.divert.expression)},
          {"settle", SettleByName(report.settle)},
          {"repairs", report.divert.repairs}};
}

json QueuesJson(const StatusReport& report) {
  json queues = json::array();
  for (const QueueReport& queue : report.queues) {
    queues.push_back({{"number", queue.number},
                      {"waiting", queue.waiting},
                      {"dropped", queue.dropped},
                      {"user_dropped", queue.user_dropped},
                      {"received", queue.received}});
  }
  return queues;
}

json WaitingJson(const StatusReport& report) {
  if (!report.waiting.has_value()) return nullptr;
  const PendingChange& change = report.waiting->change;
  return {{"what", SafeMessage(change.what)},
          {"asked_by_uid", change.asked_by_uid},
          {"seconds_left", absl::ToInt64Seconds(absl::Ceil(report.waiting->left,
                                                           absl::Seconds(1)))}};
}

bool IsDiverting(const StatusReport& report) {
  return report.divert.installed &&
         report.divert.expression != QueueExpression::kNone;
}

}  // namespace

bool IsEnforcing(const StatusReport& report) {
  return IsDiverting(report) && report.canary_seen &&
         report.settings.mode != Mode::kMonitor &&
         report.settings.mode != Mode::kLearn;
}

std::string StatusSummary(const StatusReport& report) {
  if (!IsDiverting(report)) {
    return "Not enforcing: no kernel ruleset is installed, connections pass "
           "unseen.";
  }
  if (!report.canary_seen) {
    return report.on_failure == FailPosture::kOpen
               ? "Not enforcing: the packet queue does not answer; new "
                 "connections pass unjudged (on_failure is open)."
               : "Not working: the packet queue does not answer; new "
                 "connections are stopped (on_failure is closed).";
  }
  const std::string rules = Concat(
      report.rules_enabled, report.rules_enabled == 1 ? " rule" : " rules");
  const std::string otherwise =
      Concat(", and ", WhatIsDone(report.settings.default_verdict),
             " if none matches.");
  switch (report.settings.mode) {
    case Mode::kMonitor:
      return Concat(
          "Watching only (mode monitor): new connections are judged "
          "by ",
          rules, " and recorded; none is turned away.");
    case Mode::kLearn:
      return Concat(
          "Learning (mode learn): new connections are judged by ", rules,
          "; what no rule decides is allowed and recorded, see `sallyport "
          "learn`.");
    case Mode::kLockdown:
      return Concat(
          "Enforcing (mode lockdown): new connections are denied but "
          "for loopback and rules of priority ",
          kLockdownPriority, " or more.");
    case Mode::kEnforce:
      break;
  }
  return Concat("Enforcing: new connections are judged by ", rules, otherwise);
}

std::string StatusToJson(const StatusReport& report, bool with_paths) {
  json rules = {{"count", report.rule_count},
                {"enabled", report.rules_enabled}};
  json history = {{"ok", report.history_ok}};
  if (with_paths) {
    rules["last_error"] = report.rules_error.empty()
                              ? json(nullptr)
                              : json(SafeMessage(report.rules_error));
    history["error"] = report.history_error.empty()
                           ? json(nullptr)
                           : json(SafeMessage(report.history_error));
  }
  json canary = {{"seen", report.canary_seen}};
  if (report.canary_age.has_value()) {
    canary["age_ms"] = absl::ToInt64Milliseconds(*report.canary_age);
  }
  json out = {
      {"enforcing", IsEnforcing(report)},
      {"summary", StatusSummary(report)},
      {"mode", ModeName(report.settings.mode)},
      {"default", VerdictName(report.settings.default_verdict)},
      {"unattributed", VerdictName(report.settings.unattributed_verdict)},
      {"on_failure", FailPostureName(report.on_failure)},
      {"divert", DivertJson(report)},
      {"queues", QueuesJson(report)},
      {"attribution",
       {{"mode", report.attribution},
        {"process_events", report.process_events}}},
      {"rules", std::move(rules)},
      {"history", std::move(history)},
      {"pid", report.pid},
      {"uptime_s", absl::ToInt64Seconds(report.uptime)},
      {"namespace", report.network_namespace},
      {"canary", std::move(canary)},
      {"pending_change", WaitingJson(report)},
  };
  return PrintJson(out);
}

const char* FailPostureName(FailPosture posture) {
  return posture == FailPosture::kOpen ? "open" : "closed";
}

const char* QueueExpressionName(QueueExpression expression) {
  switch (expression) {
    case QueueExpression::kAuto:
      return "auto";
    case QueueExpression::kNative:
      return "native";
    case QueueExpression::kXt:
      return "xt";
    case QueueExpression::kNone:
      break;
  }
  return "none";
}

const char* SettleByName(SettleBy settle) {
  switch (settle) {
    case SettleBy::kConntrackAttribute:
      return "conntrack";
    case SettleBy::kPacketMark:
      return "packet-mark";
    case SettleBy::kSecondChain:
      break;
  }
  return "second-chain";
}

}  // namespace sallyport
