#ifndef SALLYPORT_SRC_STATUS_REPORT_H_
#define SALLYPORT_SRC_STATUS_REPORT_H_

// StatusReport: the state of the daemon at one moment, as `GET /v1/status`
// shows it. A plain value; made by the daemon, any thread.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/divert.h"
#include "rules/judge.h"
#include "src/pending_change.h"

namespace sallyport {

struct QueueReport {
  uint16_t number = 0;
  uint64_t waiting = 0;       // packets that wait for a verdict now
  uint64_t dropped = 0;       // by the kernel: queue full
  uint64_t user_dropped = 0;  // by the kernel: our socket buffer full
  uint64_t received = 0;      // by us
};

struct StatusReport {
  JudgeSettings settings;
  FailPosture on_failure = FailPosture::kClosed;
  DivertState divert;
  SettleBy settle = SettleBy::kSecondChain;
  std::vector<QueueReport> queues;
  std::string attribution = "proc";
  bool process_events = false;
  size_t rule_count = 0;
  size_t rules_enabled = 0;
  std::string rules_error;  // paths in it: not for everybody
  bool history_ok = true;
  std::string history_error;
  pid_t pid = 0;
  absl::Duration uptime;
  std::string network_namespace;  // "net:[4026531840]"
  bool canary_seen = false;
  std::optional<absl::Duration> canary_age;
  std::optional<WaitingChange> waiting;  // for `sallyport confirm`
};

// True if new flows really meet rules and defaults and can be turned away: not
// in monitor, nor in learn, which lets through what no rule speaks of.
bool IsEnforcing(const StatusReport& report);

// One sentence for people: what happens to new connections now, and why.
std::string StatusSummary(const StatusReport& report);

// JSON text. `with_paths` false leaves out what names files (for clients that
// may not see the rules).
std::string StatusToJson(const StatusReport& report, bool with_paths);

const char* FailPostureName(FailPosture posture);  // "open" "closed"
const char* QueueExpressionName(QueueExpression expression);
const char* SettleByName(SettleBy settle);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_STATUS_REPORT_H_
