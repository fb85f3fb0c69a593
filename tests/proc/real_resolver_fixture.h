#ifndef SALLYPORT_TESTS_PROC_REAL_RESOLVER_FIXTURE_H_
#define SALLYPORT_TESTS_PROC_REAL_RESOLVER_FIXTURE_H_

// The resolver on this machine's kernel: real sockets over loopback, real
// processes.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "proc/prerequisites.h"
#include "proc/proc_resolver.h"
#include "tests/proc/child.h"
#include "tests/proc/real_sockets.h"

namespace sallyport {

inline std::string ExeOf(int32_t pid) {
  char path[4096];
  std::string link = "/proc/" + std::to_string(pid) + "/exe";
  ssize_t length = readlink(link.c_str(), path, sizeof(path));
  return std::string(path, static_cast<size_t>(std::max<ssize_t>(length, 0)));
}

class RealResolverTest : public testing::Test {
 protected:
  // What the test runner left open would be every child's.
  static void SetUpTestSuite() { closefrom(3); }

  void SetUp() override {
    absl::Status can_read = CanReadProcesses();
    auto table = CreateProcessTable();
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *table;
    resolver_ = CreateProcResolver(table_, PatientOptions());
    // Own processes can be read without any privilege: most tests need no more.
    is_privileged_ = can_read.ok();
  }

  // A machine under a sanitizer, or one with other work, is slow.
  static ProcResolverOptions PatientOptions() {
    ProcResolverOptions options;
    options.deadline = absl::Seconds(20);
    return options;
  }

  Ownership Resolve(const Flow& flow) {
    Ownership ownership;
    was_slow_ = resolver_->ResolveFast(flow, geteuid(), &ownership) ==
                ResolveStatus::kNeedSlow;
    if (was_slow_) resolver_->ResolveSlow(flow, geteuid(), &ownership);
    return ownership;
  }
  // Other work on the machine makes new processes; looking at too many of them
  // is for the slow lane. So the packet path gets several tries.
  Ownership ResolveFast(const Flow& flow) {
    Ownership ownership;
    for (int i = 0; i < 1000; ++i) {
      ownership = Resolve(flow);
      if (!was_slow_) return ownership;
    }
    ADD_FAILURE() << "never answered on the packet path";
    return ownership;
  }
  static std::vector<int32_t> Pids(const Ownership& ownership) {
    std::vector<int32_t> pids;
    for (const auto& owner : ownership.owners) pids.push_back(owner->id.pid);
    std::sort(pids.begin(), pids.end());
    return pids;
  }
  static void ExpectOnly(const Ownership& ownership, int32_t pid) {
    EXPECT_EQ(ownership.confidence, Confidence::kExact);
    EXPECT_EQ(Pids(ownership), Pid{pid});
    EXPECT_EQ(ownership.socket_uid, geteuid());
  }

  // A copy of a program that waits, under `name` in a directory of our own.
  std::string CopyOfSleep(const std::string& name) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary)
        << std::ifstream("/bin/sleep", std::ios::binary).rdbuf();
    chmod(path.c_str(), 0755);
    return path;
  }
  // Runs `path`; the child alone holds the socket of the flow it returns.
  std::unique_ptr<Child> RunWithSocket(const std::string& path, Flow* flow) {
    UniqueFd udp = UdpSocket();
    *flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9);
    return std::make_unique<Child>(std::vector<std::string>{path, "100"});
  }

  void TearDown() override {
    std::string command = "rm -rf '" + directory_ + "'";
    if (system(command.c_str()) != 0) ADD_FAILURE();
  }

  using Pid = std::vector<int32_t>;
  std::shared_ptr<ProcessTable> table_;
  std::unique_ptr<Resolver> resolver_;
  bool was_slow_ = false;
  bool is_privileged_ = false;
  std::string directory_ = [] {
    char name[] = "/tmp/sallyport-proc-XXXXXX";
    return std::string(mkdtemp(name));
  }();
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_REAL_RESOLVER_FIXTURE_H_
