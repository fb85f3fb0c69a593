#ifndef SALLYPORT_SRC_DAEMON_H_
#define SALLYPORT_SRC_DAEMON_H_

// Daemon: everything wired together. Start, Run and the destructor belong to
// the main thread. What it starts, in this order: control socket (so that a
// second daemon stops before it touches anything), rules (and a change that
// waits to be confirmed, or has gone back), history and event writer, queues
// and workers, then the divert, then a canary through all of it, then the API.
// The destructor takes the divert out first, so that no packet is sent to a
// queue that nobody reads.

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proc/process_events.h"
#include "src/config.h"

namespace sallyport {

class Daemon {
 public:
  // Errors by code, see ExitCodeOf. Nothing is left behind when it fails.
  // `process_events`: null if there are none to be had.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(
      const Config& config, std::unique_ptr<ProcessEventSource> process_events);
  virtual ~Daemon() = default;

  // Serves until SIGTERM or SIGINT (OK), or until the queues fail.
  virtual absl::Status Run() = 0;
};

// 0 ok, 1 run time, 3 configuration or rules, 4 privilege missing, 5 kernel
// feature missing, 6 already running.
int ExitCodeOf(const absl::Status& status);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_DAEMON_H_
