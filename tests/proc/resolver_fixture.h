#ifndef SALLYPORT_TESTS_PROC_RESOLVER_FIXTURE_H_
#define SALLYPORT_TESTS_PROC_RESOLVER_FIXTURE_H_

// A resolver over a fake /proc and a fake kernel.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "proc/proc_resolver.h"
#include "tests/proc/fake_proc_fs.h"
#include "tests/proc/fake_socket_lookup.h"

namespace sallyport {

inline constexpr uint32_t kUid = 1000;
inline constexpr int64_t kMs = 1'000'000;

inline SocketInfo Socket(uint64_t inode, uint32_t uid = kUid) {
  SocketInfo socket;
  socket.inode = inode;
  socket.uid = uid;
  socket.local_port = 40000;
  return socket;
}

inline Flow TcpFlow() {
  Flow flow;
  flow.protocol = kProtoTcp;
  flow.src = IpAddress::V4(0xC0000201);
  flow.dst = IpAddress::V4(0xC0000202);
  flow.src_port = 40000;
  flow.dst_port = 443;
  return flow;
}

inline Flow UdpFlow() {
  Flow flow = TcpFlow();
  flow.protocol = kProtoUdp;
  return flow;
}

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() { fs_->Add(1, "/sbin/init", 0, 0); }

  void Start(ProcResolverOptions resolver_options = {}) {
    options_.now = [this] { return now_ns_; };
    table_ = std::make_shared<ProcessTable>(fs_, options_);
    ASSERT_TRUE(table_->Prime().ok());
    resolver_ = CreateProcResolver(
        table_, std::make_unique<FakeSocketLookup>(&kernel_), resolver_options);
    fs_->calls.clear();
  }

  // As the engine does: the packet path, then if need be the slow lane.
  Ownership Resolve(const Flow& flow,
                    std::optional<uint32_t> packet_uid = kUid) {
    Ownership ownership;
    was_slow_ = resolver_->ResolveFast(flow, packet_uid, &ownership) ==
                ResolveStatus::kNeedSlow;
    if (was_slow_) resolver_->ResolveSlow(flow, packet_uid, &ownership);
    return ownership;
  }
  Ownership ResolveSocket(uint64_t inode, uint32_t uid = kUid) {
    kernel_.exact = {Socket(inode, uid)};
    return Resolve(TcpFlow(), uid);
  }
  static std::vector<int32_t> Pids(const Ownership& ownership) {
    std::vector<int32_t> pids;
    for (const auto& owner : ownership.owners) pids.push_back(owner->id.pid);
    std::sort(pids.begin(), pids.end());
    return pids;
  }

  using Pid = std::vector<int32_t>;
  std::shared_ptr<FakeProcFs> fs_ = std::make_shared<FakeProcFs>();
  FakeSocketLookup::Kernel kernel_;
  ProcessTableOptions options_;
  std::shared_ptr<ProcessTable> table_;
  std::unique_ptr<Resolver> resolver_;
  int64_t now_ns_ = 1000 * kMs;
  bool was_slow_ = false;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_RESOLVER_FIXTURE_H_
