#ifndef SALLYPORT_TESTS_SRC_FAKE_BOOT_TIMER_H_
#define SALLYPORT_TESTS_SRC_FAKE_BOOT_TIMER_H_

// A boot clock that ticks when told.

#include <string>

#include "absl/time/time.h"
#include "src/boot_timer.h"

namespace sallyport {

class FakeBootTimer : public BootTimer {
 public:
  int64_t NowNs() const override { return now_ns; }
  std::string BootId() const override { return boot_id; }
  void SetAlarm(int64_t at_ns) override { alarm_ns = at_ns; }
  int fd() const override { return -1; }
  void ClearAlarm() override {
    if (Rings()) alarm_ns = kNever;
  }

  void Pass(absl::Duration time) { now_ns += absl::ToInt64Nanoseconds(time); }
  bool Rings() const { return alarm_ns != kNever && now_ns >= alarm_ns; }

  int64_t now_ns = 1'000'000'000'000;
  std::string boot_id = "boot-1";
  int64_t alarm_ns = kNever;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_FAKE_BOOT_TIMER_H_
