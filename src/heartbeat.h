#ifndef SALLYPORT_SRC_HEARTBEAT_H_
#define SALLYPORT_SRC_HEARTBEAT_H_

// Heartbeat: proves at regular intervals, with a canary, that packets still
// come through every queue, and feeds the systemd watchdog only then (CASES
// F12). Also looks at the kernel's drop counters and says when they grew
// (F05, F06). For the main thread.

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/canary.h"
#include "engine/queue_table.h"

namespace sallyport {

class Heartbeat {
 public:
  // The kernel's table of queues. A parameter, so that tests own the counters.
  using QueueReader = std::function<std::vector<QueueRow>()>;

  // `canary` is not owned and outlives the heartbeat. Our queues are those from
  // `queue_base` on, `queue_count` of them.
  Heartbeat(Canary& canary, uint16_t queue_base, uint16_t queue_count,
            QueueReader read_queues = ReadQueueTable);

  // At start: sends a canary and waits for it. DeadlineExceeded if it does not
  // come back.
  absl::Status First(absl::Duration patience);

  // Every Interval(): judges the canary of the last beat, sends the next.
  void Beat();
  absl::Duration Interval() const;

 private:
  void ReportDrops();

  Canary& canary_;
  const uint16_t queue_base_;
  const QueueReader read_queues_;
  bool canary_lost_ = false;
  std::vector<uint64_t> dropped_;  // per queue, when last looked at
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HEARTBEAT_H_
