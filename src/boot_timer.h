#ifndef SALLYPORT_SRC_BOOT_TIMER_H_
#define SALLYPORT_SRC_BOOT_TIMER_H_

// BootTimer: time that nobody can set and that goes on while the machine
// sleeps (CLOCK_BOOTTIME), which boot it belongs to, and one alarm. The real
// one is MakeBootTimer's (timerfd_create(2), /proc/sys/kernel/random/boot_id);
// it is an interface for tests, whose clock ticks when told. Any thread.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sallyport {

class BootTimer {
 public:
  virtual ~BootTimer() = default;
  virtual int64_t NowNs() const = 0;
  // Differs after a reboot; "" if it cannot be read.
  virtual std::string BootId() const = 0;
  // One alarm, at this time or at once if it has passed; it replaces the one
  // before. kNever: none.
  static constexpr int64_t kNever = 0;
  virtual void SetAlarm(int64_t at_ns) = 0;
  // Readable once the alarm has come, until ClearAlarm or SetAlarm.
  virtual int fd() const = 0;
  virtual void ClearAlarm() = 0;
};

absl::StatusOr<std::unique_ptr<BootTimer>> MakeBootTimer();

}  // namespace sallyport

#endif  // SALLYPORT_SRC_BOOT_TIMER_H_
