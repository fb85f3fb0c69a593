// From a flow to its owner: what one lookup costs.
//
//   resolve_warm    one process, a new connection each time
//   resolve_cold    a new process for each connection
//   /N              beside N other processes of 100 sockets each
//
// Floors: what the same system calls cost without anything around them.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "proc/proc_resolver.h"
#include "proc/real_proc_fs.h"
#include "proc/sock_diag.h"
#include "proc/unique_fd.h"

namespace sallyport {
namespace {

using proc::UniqueFd;

constexpr int kSocketsOfOther = 100;

// Descriptors inherited from whoever started us would be every child's.
[[maybe_unused]] const int kInheritedClosed = (closefrom(3), 0);

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t PortOf(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

class Server {
 public:
  Server() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in any = Loopback(0);
    if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0 ||
        listen(fd_.get(), 4096) != 0) {
      std::abort();
    }
    port_ = PortOf(fd_.get());
  }
  // Connects from this process and resets afterwards, so that no port stays in
  // time-wait.
  UniqueFd Connect() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    linger reset{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    sockaddr_in to = Loopback(port_);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
      std::abort();
    }
    return fd;
  }
  Flow FlowFrom(uint16_t port) const {
    Flow flow;
    flow.protocol = kProtoTcp;
    flow.src = flow.dst = IpAddress::V4(INADDR_LOOPBACK);
    flow.src_port = port;
    flow.dst_port = port_;
    return flow;
  }
  // Takes what has piled up.
  void Drain() const {
    fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    while (true) {
      UniqueFd accepted(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted.ok()) return;
    }
  }

 private:
  UniqueFd fd_;
  uint16_t port_ = 0;
};

// Processes that do nothing but hold sockets.
class Others {
 public:
  explicit Others(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      int ready[2];
      if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
      pid_t pid = fork();
      if (pid == 0) {
        for (int n = 0; n < kSocketsOfOther; ++n) {
          if (socket(AF_INET, SOCK_DGRAM, 0) < 0) _exit(1);
        }
        close(ready[1]);
        while (true) pause();
      }
      close(ready[1]);
      char byte;
      if (read(ready[0], &byte, 1) > 0) std::abort();
      close(ready[0]);
      pids_.push_back(pid);
    }
  }
  ~Others() {
    for (pid_t pid : pids_) kill(pid, SIGKILL);
    for (pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

 private:
  std::vector<pid_t> pids_;
};

// A new process that connects, tells its port, and waits until it is told to
// end.
class OneShot {
 public:
  explicit OneShot(const Server& server) {
    int up[2], down[2];
    if (pipe2(up, O_CLOEXEC) != 0 || pipe2(down, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      UniqueFd fd = server.Connect();
      uint16_t port = PortOf(fd.get());
      char byte;
      if (write(up[1], &port, sizeof(port)) < 0) _exit(1);
      close(down[1]);
      if (read(down[0], &byte, 1) < 0) _exit(1);
      _exit(0);
    }
    close(up[1]);
    close(down[0]);
    if (read(up[0], &port_, sizeof(port_)) != sizeof(port_)) std::abort();
    close(up[0]);
    stop_ = down[1];
  }
  ~OneShot() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  uint16_t port() const { return port_; }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
  uint16_t port_ = 0;
};

std::shared_ptr<ProcessTable> MakeTable() {
  auto table = CreateProcessTable();
  if (!table.ok()) {
    std::fprintf(stderr, "%s\n", table.status().ToString().c_str());
    std::abort();
  }
  return *std::move(table);
}

void Count(benchmark::State& state, int64_t slow, int64_t wrong) {
  auto lookups = static_cast<double>(state.iterations());
  state.counters["slow_share"] = static_cast<double>(slow) / lookups;
  state.counters["wrong"] = static_cast<double>(wrong);
}

bool IsOwnedBy(const Ownership& ownership, int32_t pid) {
  return ownership.owners.size() == 1 && ownership.owners[0]->id.pid == pid;
}

// Both lanes, one after the other; true if the slow one was needed.
bool Resolve(Resolver& resolver, const Flow& flow, Ownership* ownership) {
  if (resolver.ResolveFast(flow, geteuid(), ownership) !=
      ResolveStatus::kNeedSlow) {
    return false;
  }
  resolver.ResolveSlow(flow, geteuid(), ownership);
  return true;
}

void BM_resolve_warm(benchmark::State& state) {
  Others others(state.range(0));
  Server server;
  auto resolver = CreateProcResolver(MakeTable());
  int64_t slow = 0, wrong = 0;
  for (auto _ : state) {
    state.PauseTiming();
    UniqueFd client = server.Connect();
    server.Drain();
    Flow flow = server.FlowFrom(PortOf(client.get()));
    Ownership ownership;
    state.ResumeTiming();
    if (Resolve(*resolver, flow, &ownership)) ++slow;
    state.PauseTiming();
    if (!IsOwnedBy(ownership, getpid())) ++wrong;
    state.ResumeTiming();
  }
  Count(state, slow, wrong);
}
BENCHMARK(BM_resolve_warm)->Arg(0)->Arg(500)->Iterations(3000);

// The same lookup again: no connect in between that cools the caches.
void BM_resolve_again(benchmark::State& state) {
  Server server;
  auto resolver = CreateProcResolver(MakeTable());
  UniqueFd client = server.Connect();
  Flow flow = server.FlowFrom(PortOf(client.get()));
  Ownership ownership;
  for (auto _ : state) {
    Resolve(*resolver, flow, &ownership);
    benchmark::DoNotOptimize(ownership);
  }
}
BENCHMARK(BM_resolve_again);

void BM_resolve_udp_again(benchmark::State& state) {
  ProcResolverOptions options;
  options.find_udp_twins = state.range(0) != 0;
  auto resolver = CreateProcResolver(MakeTable(), options);
  UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in any = Loopback(0);
  if (bind(udp.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) {
    std::abort();
  }
  Flow flow;
  flow.protocol = kProtoUdp;
  flow.src = flow.dst = IpAddress::V4(INADDR_LOOPBACK);
  flow.src_port = PortOf(udp.get());
  flow.dst_port = 53;
  Ownership ownership;
  for (auto _ : state) {
    Resolve(*resolver, flow, &ownership);
    benchmark::DoNotOptimize(ownership);
  }
}
BENCHMARK(BM_resolve_udp_again)->ArgName("twins")->Arg(0)->Arg(1);

void BM_resolve_cold(benchmark::State& state) {
  Others others(state.range(0));
  Server server;
  auto resolver = CreateProcResolver(MakeTable());
  int64_t slow = 0, wrong = 0;
  for (auto _ : state) {
    state.PauseTiming();
    {
      OneShot process(server);
      server.Drain();
      Flow flow = server.FlowFrom(process.port());
      Ownership ownership;
      state.ResumeTiming();
      if (Resolve(*resolver, flow, &ownership)) ++slow;
      state.PauseTiming();
      if (ownership.owners.size() != 1) ++wrong;
    }
    state.ResumeTiming();
  }
  Count(state, slow, wrong);
}
BENCHMARK(BM_resolve_cold)->Arg(0)->Arg(500)->Iterations(1000);

void BM_floor_sock_diag(benchmark::State& state) {
  Server server;
  UniqueFd client = server.Connect();
  Flow flow = server.FlowFrom(PortOf(client.get()));
  auto lookup = OpenSockDiag();
  if (!lookup.ok()) std::abort();
  SocketInfo socket;
  for (auto _ : state) {
    if ((*lookup)->FindExact(flow, &socket) != LookupResult::kFound) {
      state.SkipWithError("not found");
      return;
    }
  }
}
BENCHMARK(BM_floor_sock_diag);

void BM_floor_proc_calls(benchmark::State& state) {
  auto fs = OpenProcFs();
  std::unique_ptr<ProcDir> dir;
  if (!fs.ok() || (*fs)->OpenProcess(getpid(), &dir) != 0) std::abort();
  std::array<char, 64> link;
  FileStat exe;
  for (auto _ : state) {
    benchmark::DoNotOptimize((*fs)->NewestPid());
    benchmark::DoNotOptimize(dir->ReadLink("fd/0", link));
    benchmark::DoNotOptimize(dir->Stat("exe", &exe));
  }
}
BENCHMARK(BM_floor_proc_calls);

// Start-up: everything is scanned once.
void BM_prime(benchmark::State& state) {
  Others others(state.range(0));
  for (auto _ : state) {
    auto table = MakeTable();
    benchmark::DoNotOptimize(table);
  }
}
BENCHMARK(BM_prime)->Arg(0)->Arg(500)->Iterations(10)->Unit(
    benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport
