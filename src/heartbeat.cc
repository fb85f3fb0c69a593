#include "src/heartbeat.h"

#include <poll.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/queue_table.h"
#include "src/log.h"
#include "src/service.h"

namespace sallyport {
namespace {

// Without a watchdog: often enough to notice, rare enough to let a CPU sleep.
constexpr absl::Duration kDefaultInterval = absl::Seconds(5);

}  // namespace

Heartbeat::Heartbeat(Engine& engine)
    : engine_(engine), dropped_(engine.options().queue_count) {}

absl::Status Heartbeat::First(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  absl::Status sent = engine_.canary().Send();
  if (!sent.ok()) return sent;
  while (!engine_.canary().AllBack()) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          "the canary packet did not come back through the queue: another "
          "ruleset drops output on loopback before priority -110, or the "
          "queue does not deliver (see `sallyport doctor`)");
    }
    poll(nullptr, 0, 1);
  }
  return absl::OkStatus();
}

void Heartbeat::Beat() {
  ReportDrops();
  if (engine_.canary().AllBack()) {
    if (canary_lost_) LogInfo("the canary came back: packets are judged again");
    canary_lost_ = false;
    NotifyWatchdog();
  } else if (!canary_lost_) {
    canary_lost_ = true;
    LogError("the canary packet did not come back: packets are not judged");
  }
  if (absl::Status status = engine_.canary().Send();
      !status.ok() && !canary_lost_) {
    canary_lost_ = true;
    LogError(std::string(status.message()));
  }
}

absl::Duration Heartbeat::Interval() const {
  return std::min(kDefaultInterval, WatchdogInterval());
}

void Heartbeat::ReportDrops() {
  const uint16_t base = engine_.options().queue_base;
  for (const QueueRow& row : ReadQueueTable()) {
    if (row.number < base || row.number - base >= engine_.options().queue_count)
      continue;
    uint64_t& last = dropped_[row.number - base];
    const uint64_t now = row.dropped + row.user_dropped;
    if (now > last) {
      LogWarning(absl::StrCat("queue ", row.number, ": the kernel dropped ",
                              now - last,
                              " packets that we did not take in time"));
    }
    last = now;
  }
}

}  // namespace sallyport
