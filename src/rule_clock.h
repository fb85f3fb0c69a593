#ifndef SALLYPORT_SRC_RULE_CLOCK_H_
#define SALLYPORT_SRC_RULE_CLOCK_H_

// RuleClock: tells when rules fall asleep or wake (`during`, `expires`): a
// timer on the wall clock that also fires when that is set (CASES F19) and when
// a suspended machine has slept over it (F20). Arm from any thread; the fd is
// polled, and HandleReadable called, by one.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proc/unique_fd.h"
#include "rules/rule_set.h"

namespace sallyport {

// Both clocks and the local time zone, as they are now.
Moment CurrentMoment();

class RuleClock {
 public:
  static absl::StatusOr<std::unique_ptr<RuleClock>> Open();

  int fd() const { return fd_.get(); }
  // At InfiniteFuture it never fires.
  void Arm(absl::Time time);
  // True if the time has come, or the clock was set: build a new set and Arm.
  bool HandleReadable();

 private:
  explicit RuleClock(int fd) : fd_(fd) {}
  const proc::UniqueFd fd_;  // timerfd, CLOCK_REALTIME
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_CLOCK_H_
