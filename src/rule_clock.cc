#include "src/rule_clock.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/time/clock.h"

namespace sallyport {

Moment CurrentMoment() {
  timespec boot = {};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  return {absl::Now(), absl::LocalTimeZone(),
          absl::ToInt64Nanoseconds(absl::DurationFromTimespec(boot))};
}

absl::StatusOr<std::unique_ptr<RuleClock>> RuleClock::Open() {
  const int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, "timerfd_create");
  return std::unique_ptr<RuleClock>(new RuleClock(fd));
}

void RuleClock::Arm(absl::Time time) {
  itimerspec when = {};
  // Zero would disarm; what is over fires at once.
  if (time != absl::InfiniteFuture()) {
    when.it_value = absl::ToTimespec(std::max(time, absl::FromUnixNanos(1)));
  }
  timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                  nullptr);
}

bool RuleClock::HandleReadable() {
  uint64_t times;
  return read(fd_.get(), &times, sizeof(times)) == sizeof(times) ||
         errno == ECANCELED;
}

}  // namespace sallyport
