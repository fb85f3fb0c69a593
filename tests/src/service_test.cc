#include "src/service.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/src/notify_socket.h"

namespace sallyport {
namespace {

TEST(Service, SaysWhatSystemdUnderstands) {
  NotifySocket manager;
  NotifyReady("all\nwell");
  EXPECT_EQ(manager.Heard(), "READY=1\nSTATUS=all well");
  NotifyStatus("x");
  EXPECT_EQ(manager.Heard(), "STATUS=x");
  NotifyWatchdog();
  EXPECT_EQ(manager.Heard(), "WATCHDOG=1");
  NotifyStopping();
  EXPECT_EQ(manager.Heard(), "STOPPING=1");
}

// The story: sd_notify waited for a manager that did not read, on the thread
// that hears SIGTERM: the daemon could not be stopped.
TEST(Service, F12_AManagerThatDoesNotReadHoldsUpNothing) {
  NotifySocket manager;
  NotifyReady("x");
  for (int i = 0; i < 10'000; ++i) NotifyWatchdog();  // more than any queue
  NotifyStopping();
  EXPECT_EQ(manager.Heard(), "READY=1\nSTATUS=x");
}

TEST(Service, WithoutSystemdNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  NotifyReady("x");
  NotifyWatchdog();
}

TEST(Service, WatchdogIsFedTwiceAsOftenAsAsked) {
  unsetenv("WATCHDOG_USEC");
  EXPECT_EQ(WatchdogInterval(), absl::InfiniteDuration());
  setenv("WATCHDOG_USEC", "10000000", 1);
  EXPECT_EQ(WatchdogInterval(), absl::Seconds(5));
  setenv("WATCHDOG_PID", "1", 1);  // meant for another process
  EXPECT_EQ(WatchdogInterval(), absl::InfiniteDuration());
  unsetenv("WATCHDOG_PID");
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace sallyport
