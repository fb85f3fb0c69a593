#include "src/heartbeat.h"

#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/log.h"
#include "src/service.h"

namespace sallyport {
namespace {

// Without a watchdog: often enough to notice, rare enough to let a CPU sleep.
constexpr absl::Duration kDefaultInterval = absl::Seconds(5);

}  // namespace

Heartbeat::Heartbeat(Canary& canary, uint16_t queue_base, uint16_t queue_count,
                     QueueReader read_queues)
    : canary_(canary),
      queue_base_(queue_base),
      read_queues_(std::move(read_queues)),
      dropped_(queue_count) {}

absl::Status Heartbeat::First(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  absl::Status sent = canary_.Send();
  if (!sent.ok()) return sent;
  while (!canary_.AllBack()) {
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
  if (canary_.AllBack()) {
    if (canary_lost_) LogInfo("the canary came back: packets are judged again");
    canary_lost_ = false;
    NotifyWatchdog();
  } else if (!canary_lost_) {
    canary_lost_ = true;
    LogError("the canary packet did not come back: packets are not judged");
  }
  if (absl::Status status = canary_.Send(); !status.ok() && !canary_lost_) {
    canary_lost_ = true;
    LogError(std::string(status.message()));
  }
}

absl::Duration Heartbeat::Interval() const {
  return std::min(kDefaultInterval, WatchdogInterval());
}

void Heartbeat::ReportDrops() {
  for (const QueueRow& row : read_queues_()) {
    if (row.number < queue_base_) continue;
    const size_t index = static_cast<size_t>(row.number - queue_base_);
    if (index >= dropped_.size()) continue;
    uint64_t& last = dropped_[index];
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
