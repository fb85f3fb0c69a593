#include "src/service.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

// The socket that systemd would listen on.
class Manager {
 public:
  Manager() {
    const std::string path = dir_ / "notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  std::string Heard() {
    char text[1000];
    const ssize_t n = recv(fd_, text, sizeof(text), 0);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

 private:
  TempDir dir_;
  int fd_;
};

TEST(Service, SaysWhatSystemdUnderstands) {
  Manager manager;
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
  Manager manager;
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
