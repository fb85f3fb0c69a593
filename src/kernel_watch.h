#ifndef SALLYPORT_SRC_KERNEL_WATCH_H_
#define SALLYPORT_SRC_KERNEL_WATCH_H_

// KernelWatch: the thread ("sp-kernel") that hears what the kernel has to say
// unasked: changes to nftables, after which the divert is put back if it was
// damaged (CASES F07), and forks, execs and exits, where the process connector
// is to be had. Start and the destructor belong to the main thread.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/divert.h"
#include "engine/ruleset_guard.h"
#include "proc/process_events.h"
#include "proc/process_table.h"

namespace sallyport {

class KernelWatch {
 public:
  // `divert` is not owned and outlives the watch. `events` is read here only;
  // null: there are none to be had. `on_repaired` is called on the watch's
  // thread after each repair: flows of the gap may count as allowed and must be
  // looked at again.
  static absl::StatusOr<std::unique_ptr<KernelWatch>> Start(
      Divert& divert, std::shared_ptr<ProcessEventFeed> events,
      std::function<void()> on_repaired);
  ~KernelWatch();

  bool has_process_events() const {
    return has_process_events_.load(std::memory_order_relaxed);
  }

 private:
  KernelWatch(Divert& divert, std::function<void()> on_repaired)
      : divert_(divert), on_repaired_(std::move(on_repaired)) {}
  void Run();
  bool Repair();  // false: it is to be tried again
  void ReadProcessEvents();

  Divert& divert_;
  const std::function<void()> on_repaired_;
  std::unique_ptr<RulesetGuard> guard_;
  std::shared_ptr<ProcessEventFeed> events_;  // null: not to be had here
  std::atomic<bool> has_process_events_{false};
  int stop_fd_ = -1;
  bool is_damaged_ = false;  // the thread's own: the last repair failed
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_KERNEL_WATCH_H_
