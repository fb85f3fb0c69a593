#ifndef SALLYPORT_TESTS_ENGINE_NETNS_H_
#define SALLYPORT_TESTS_ENGINE_NETNS_H_

// Network namespaces of a test's own. The fixture moves the test's thread into
// a fresh namespace `fw` and back again at the end; threads and programs that
// it starts in between live there too. AddPeer makes a second namespace at the
// other end of a veth, whose counters are the judges of what left. Namespaces
// go with their last file descriptor: nothing is left behind.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"

namespace sallyport {

struct CommandResult {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

inline CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  FILE* pipe = popen(absl::StrCat("( ", command, " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    result.output.append(buffer, got);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

// Fails the test unless the command succeeds; returns its output.
inline std::string MustRun(const std::string& command) {
  const CommandResult result = RunCommand(command);
  EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
  return result.output;
}

// Spins until `done`; false after 5 s.
inline bool WaitUntil(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    sched_yield();
  }
  return true;
}

class NetnsTest : public testing::Test {
 protected:
  void SetUp() override {
    outside_fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "skipped: making a network namespace needs root";
    }
    fw_fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    MustRun("ip link set lo up");
  }
  void TearDown() override {
    if (outside_fd_ >= 0) {
      EXPECT_EQ(setns(outside_fd_, CLONE_NEWNET), 0);
    }
    for (int fd : {outside_fd_, fw_fd_, peer_fd_}) {
      if (fd >= 0) close(fd);
    }
  }

  // fw: v0 10.99.0.1, fd99::1; peer: v1 10.99.0.2, fd99::2.
  void AddPeer() {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    peer_fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(setns(fw_fd_, CLONE_NEWNET), 0);
    MustRun(
        absl::StrCat("ip link add v0 type veth peer name v1 && "
                     "ip link set v1 netns /proc/",
                     getpid(), "/fd/", peer_fd_));
    InPeer([] {
      MustRun(
          "ip link set lo up && ip link set v1 up && "
          "ip addr add 10.99.0.2/24 dev v1 && "
          "ip addr add fd99::2/64 dev v1 nodad");
    });
    MustRun(
        "ip link set v0 up && ip addr add 10.99.0.1/24 dev v0 && "
        "ip addr add fd99::1/64 dev v0 nodad");
  }

  void InPeer(const std::function<void()>& work) {
    ASSERT_EQ(setns(peer_fd_, CLONE_NEWNET), 0);
    work();
    ASSERT_EQ(setns(fw_fd_, CLONE_NEWNET), 0);
  }

  // Counts in the peer, before anything there can drop, what matches.
  void CountInPeer(const std::string& name, const std::string& match) {
    InPeer([&] {
      MustRun(absl::StrCat(
          "nft 'add table inet judge; "
          "add chain inet judge seen { type filter hook prerouting "
          "priority -300; }; add counter inet judge n_",
          name, "; add rule inet judge seen ", match, " counter name n_", name,
          "'"));
    });
  }
  uint64_t PeerCount(const std::string& name) {
    uint64_t packets = 0;
    InPeer([&] {
      const std::string text =
          MustRun(absl::StrCat("nft list counter inet judge n_", name));
      const size_t at = text.find("packets ");
      if (at != std::string::npos) packets = std::stoull(text.substr(at + 8));
    });
    return packets;
  }

  int outside_fd_ = -1;
  int fw_fd_ = -1;
  int peer_fd_ = -1;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_ENGINE_NETNS_H_
