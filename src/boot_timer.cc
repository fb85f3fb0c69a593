#include "src/boot_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "absl/status/status.h"
#include "engine/clock.h"

namespace sallyport {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

class RealBootTimer final : public BootTimer {
 public:
  explicit RealBootTimer(int fd) : fd_(fd) {}
  ~RealBootTimer() override { close(fd_); }

  int64_t NowNs() const override { return ReadClockNs(CLOCK_BOOTTIME); }

  std::string BootId() const override {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }

  void SetAlarm(int64_t at_ns) override {
    itimerspec alarm{};  // zero: disarmed
    if (at_ns != kNever) {
      // Zero would disarm it; a time that has passed rings at once.
      const int64_t at = std::max<int64_t>(at_ns, 1);
      alarm.it_value.tv_sec = at / kNsPerSecond;
      alarm.it_value.tv_nsec = at % kNsPerSecond;
    }
    timerfd_settime(fd_, TFD_TIMER_ABSTIME, &alarm, nullptr);
  }

  int fd() const override { return fd_; }

  void ClearAlarm() override {
    uint64_t rings;
    (void)!read(fd_, &rings, sizeof(rings));
  }

 private:
  const int fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BootTimer>> MakeBootTimer() {
  const int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, "timerfd");
  return std::make_unique<RealBootTimer>(fd);
}

}  // namespace sallyport
