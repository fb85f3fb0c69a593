// The resolver on this machine's kernel: real sockets over loopback, real
// processes.

#include <gtest/gtest.h>
#include <linux/ip.h>
#include <net/if.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "proc/prerequisites.h"
#include "proc/proc_resolver.h"
#include "tests/proc/child.h"
#include "tests/proc/real_sockets.h"

#ifdef SALLYPORT_HAVE_LIBURING
#include <liburing.h>
#endif

namespace sallyport {
namespace {

std::string ExeOf(int32_t pid) {
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

TEST_F(RealResolverTest, OwnTcpConnectionsAreFoundWarm) {
  TcpServer server;
  for (int i = 0; i < 100; ++i) {
    UniqueFd client = server.Connect();
    Ownership owner = ResolveFast(server.FlowOf(client));
    ExpectOnly(owner, getpid());
    ASSERT_FALSE(owner.owners.empty());
    EXPECT_EQ(owner.owners[0]->app->path, ExeOf(getpid()));
    EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
    EXPECT_EQ(owner.owners[0]->uid, geteuid());
  }
}

TEST_F(RealResolverTest, SocketsOlderThanTheTableAreFound) {
  TcpServer server;
  UniqueFd client = server.Connect();
  auto table = CreateProcessTable();
  ASSERT_TRUE(table.ok());
  auto resolver = CreateProcResolver(*table);
  resolver_ = std::move(resolver);
  ExpectOnly(ResolveFast(server.FlowOf(client)), getpid());
}

TEST_F(RealResolverTest, NewProcessIsFoundOnThePacketPath) {
  TcpServer server;
  int port_pipe[2];
  ASSERT_EQ(pipe2(port_pipe, O_CLOEXEC), 0);
  Child child([&] {
    static UniqueFd client = server.Connect();
    uint16_t port = LocalPort(client.get());
    if (write(port_pipe[1], &port, sizeof(port)) < 0) _exit(1);
  });
  uint16_t port = 0;
  ASSERT_EQ(read(port_pipe[0], &port, sizeof(port)),
            static_cast<ssize_t>(sizeof(port)));
  ExpectOnly(ResolveFast(LoopbackFlow(kProtoTcp, port, server.port())),
             child.pid());
}

TEST_F(RealResolverTest, A01_ClosedSocketIsUnattributed) {
  TcpServer server;
  Flow flow;
  {
    UniqueFd client = server.Connect();
    flow = server.FlowOf(client);
    linger reset{1, 0};
    setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
  Ownership owner = Resolve(flow);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_EQ(owner.socket_uid, geteuid());
}

TEST_F(RealResolverTest, A04_DeletedAndReplacedBinaryIsNotItsPath) {
  std::string path = CopyOfSleep("app");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
  unlink(path.c_str());
  CopyOfSleep("app");
  owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  EXPECT_EQ(owner.owners[0]->app->link_count, 0u);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(RealResolverTest, A05_FileReallyCalledDeletedKeepsItsName) {
  std::string path = CopyOfSleep("x (deleted)");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
}

TEST_F(RealResolverTest, A06_MemfdIsItsOwnKind) {
  UniqueFd memfd(static_cast<int>(syscall(SYS_memfd_create, "firefox", 1u)));
  std::ifstream sleep("/bin/sleep", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(sleep)), {});
  ASSERT_EQ(write(memfd.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  Flow flow;
  auto child =
      RunWithSocket("/proc/self/fd/" + std::to_string(memfd.get()), &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->kind, App::Kind::kMemfd);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
  EXPECT_EQ(owner.owners[0]->app->path, "/memfd:firefox");
}

TEST_F(RealResolverTest, A17_ParentAndChildWithOneSocketAreBothOwners) {
  TcpServer server;
  UniqueFd client = server.Connect();
  Flow flow = server.FlowOf(client);
  ExpectOnly(Resolve(flow), getpid());
  Child child([] {});
  Ownership owner = Resolve(flow);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
}

TEST_F(RealResolverTest, A18_SocketKeptOverExecHasOwnersOfTwoPrograms) {
  UniqueFd udp = UdpSocket();
  Flow flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9);
  Child child({"/bin/sleep", "100"});
  Ownership owner = Resolve(flow);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
  std::vector<std::string> paths;
  for (const auto& found : owner.owners) paths.push_back(found->app->path);
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> expected = {ExeOf(getpid()), ExeOf(child.pid())};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(paths, expected);
}

TEST_F(RealResolverTest, A19_SocketInFlightIsUnattributed) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
  Flow flow;
  {
    UniqueFd udp = UdpSocket();
    flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9);
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = udp.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    ASSERT_EQ(sendmsg(pair[0], &message, 0), 1);
  }
  EXPECT_EQ(Resolve(flow).confidence, Confidence::kNone);
  close(pair[0]);
  close(pair[1]);
}

#ifdef SALLYPORT_HAVE_LIBURING
TEST_F(RealResolverTest, A21_DirectDescriptorOfIoUringIsFound) {
  io_uring ring;
  int error = io_uring_queue_init(4, &ring, 0);
  if (error < 0) GTEST_SKIP() << "io_uring: " << strerror(-error);
  error = io_uring_register_files_sparse(&ring, 4);
  if (error < 0) GTEST_SKIP() << "sparse files: " << strerror(-error);
  auto run = [&](auto prepare) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    prepare(entry);
    io_uring_submit(&ring);
    io_uring_cqe* result = nullptr;
    io_uring_wait_cqe(&ring, &result);
    int value = result->res;
    io_uring_cqe_seen(&ring, result);
    return value;
  };
  int made = run([](io_uring_sqe* entry) {
    io_uring_prep_socket_direct(entry, AF_INET, SOCK_STREAM, 0, 1, 0);
  });
  if (made < 0) GTEST_SKIP() << "socket_direct: " << strerror(-made);
  TcpServer server;
  sockaddr_in to = LoopbackV4(server.port());
  ASSERT_EQ(run([&](io_uring_sqe* entry) {
              io_uring_prep_connect(entry, 1, reinterpret_cast<sockaddr*>(&to),
                                    sizeof(to));
              entry->flags |= IOSQE_FIXED_FILE;
            }),
            0);
  // Whom the server talks to; the socket itself has no descriptor to ask.
  std::ifstream table("/proc/thread-self/net/tcp");
  std::string line;
  uint16_t port = 0;
  while (std::getline(table, line)) {
    unsigned local = 0, remote = 0;
    if (std::sscanf(line.c_str(), " %*d: 0100007F:%X 0100007F:%X", &local,
                    &remote) == 2 &&
        remote == server.port()) {
      port = static_cast<uint16_t>(local);
    }
  }
  ASSERT_NE(port, 0);
  ExpectOnly(Resolve(LoopbackFlow(kProtoTcp, port, server.port())), getpid());
  EXPECT_TRUE(was_slow_);
  ExpectOnly(ResolveFast(LoopbackFlow(kProtoTcp, port, server.port())),
             getpid());
  io_uring_queue_exit(&ring);
}
#endif

TEST_F(RealResolverTest, A22_ThreadWithItsOwnDescriptorsIsFound) {
  std::mutex mutex;
  std::condition_variable changed;
  uint16_t port = 0;
  bool is_done = false;
  std::thread thread([&] {
    int error = unshare(CLONE_FILES);
    std::unique_lock lock(mutex);
    static UniqueFd udp;
    udp = UdpSocket();
    port = error == 0 ? LocalPort(udp.get()) : 1;
    changed.notify_all();
    changed.wait(lock, [&] { return is_done; });
    udp = UniqueFd();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return port != 0; });
  }
  Ownership owner = Resolve(LoopbackFlow(kProtoUdp, port, 9));
  {
    std::lock_guard lock(mutex);
    is_done = true;
  }
  changed.notify_all();
  thread.join();
  ExpectOnly(owner, getpid());
}

// Its /proc/PID/exe and fd are empty then; those of its threads are not.
TEST_F(RealResolverTest, A22_ProcessWhoseFirstThreadHasEndedIsFound) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    std::thread([&] {
      while (!ExeOf(getpid()).empty()) usleep(1000);  // until it has ended
      static UniqueFd udp = UdpSocket();
      uint16_t port = LocalPort(udp.get());
      if (write(ready[1], &port, sizeof(port)) != sizeof(port)) _exit(1);
      while (true) pause();
    }).detach();
    syscall(SYS_exit, 0);  // of this thread; pthread_exit would unwind
  }
  uint16_t port = 0;
  close(ready[1]);
  ASSERT_EQ(read(ready[0], &port, sizeof(port)), 2);
  close(ready[0]);
  for (int times = 0; times < 2; ++times) {
    ExpectOnly(Resolve(LoopbackFlow(kProtoUdp, port, 9)), child);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(RealResolverTest, A23_TwinsOnOnePortAreBothOwners) {
  UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int on = 1;
  setsockopt(udp.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  ASSERT_TRUE(Bind(udp.get(), LoopbackV4()));
  uint16_t port = LocalPort(udp.get());
  Child child([&] {
    static UniqueFd own(socket(AF_INET, SOCK_DGRAM, 0));
    setsockopt(own.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (!Bind(own.get(), LoopbackV4(port))) _exit(1);
    udp = UniqueFd();
  });
  for (uint16_t to = 1; to < 20; ++to) {
    Ownership owner = Resolve(LoopbackFlow(kProtoUdp, port, to));
    EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
    EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
  }
}

TEST_F(RealResolverTest, A24_UnconnectedUdpIsFoundForEveryDestination) {
  for (bool find_twins : {true, false}) {
    ProcResolverOptions options = PatientOptions();
    options.find_udp_twins = find_twins;
    resolver_ = CreateProcResolver(table_, options);
    UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    ASSERT_TRUE(Bind(udp.get(), any));
    Flow flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 53);
    ExpectOnly(Resolve(flow), getpid());
    flow.dst = IpAddress::V4(0x08080808);
    flow.src = IpAddress::V4(0x0A000001);
    ExpectOnly(Resolve(flow), getpid());
    flow.dst = IpAddress::V4(0xEFFFFFFA);  // A27: 239.255.255.250
    ExpectOnly(Resolve(flow), getpid());
    flow.dst = IpAddress::V4(0xFFFFFFFF);
    ExpectOnly(Resolve(flow), getpid());
  }
}

TEST_F(RealResolverTest, A25_DualStackSocketIsFoundForIpv4Packets) {
  for (bool find_twins : {true, false}) {
    ProcResolverOptions options = PatientOptions();
    options.find_udp_twins = find_twins;
    resolver_ = CreateProcResolver(table_, options);
    UniqueFd udp(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!udp.ok()) GTEST_SKIP() << "no IPv6";
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    ASSERT_EQ(bind(udp.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)),
              0);
    ExpectOnly(Resolve(LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 53)),
               getpid());
    int on = 1;
    UniqueFd only(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    setsockopt(only.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    ASSERT_EQ(bind(only.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)),
              0);
    EXPECT_EQ(
        Resolve(LoopbackFlow(kProtoUdp, LocalPort(only.get()), 53)).confidence,
        Confidence::kNone);
  }
  TcpServer server;
  UniqueFd tcp(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(server.port());
  to.sin6_addr.s6_addr[10] = to.sin6_addr.s6_addr[11] = 0xff;
  to.sin6_addr.s6_addr[12] = 127;
  to.sin6_addr.s6_addr[15] = 1;
  ASSERT_EQ(connect(tcp.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)),
            0);
  ExpectOnly(Resolve(server.FlowOf(tcp)), getpid());
}

TEST_F(RealResolverTest, A26_SocketBoundToADeviceIsFound) {
  TcpServer server;
  UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (setsockopt(tcp.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0) {
    GTEST_SKIP() << "SO_BINDTODEVICE: " << strerror(errno);
  }
  ASSERT_TRUE(Connect(tcp.get(), LoopbackV4(server.port())));
  Flow flow = server.FlowOf(tcp);
  flow.out_ifindex = if_nametoindex("lo");
  ExpectOnly(ResolveFast(flow), getpid());
  flow.out_ifindex = 0;  // not told: the slow lane walks the table
  ExpectOnly(Resolve(flow), getpid());
  EXPECT_TRUE(was_slow_);
  UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  setsockopt(udp.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
  ASSERT_TRUE(Bind(udp.get(), LoopbackV4()));
  ExpectOnly(Resolve(LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9)),
             getpid());
}

TEST_F(RealResolverTest, A31_PingSocketIsFoundByItsId) {
  // In a network namespace of our own: the group range is the namespace's.
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "network namespace: " << strerror(errno);
    }
    std::ofstream("/proc/sys/net/ipv4/ping_group_range") << "0 2147483647\n";
    UniqueFd ping(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
    if (!ping.ok()) GTEST_SKIP() << "ping socket: " << strerror(errno);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(0x1234);
    ASSERT_TRUE(Bind(ping.get(), any));
    resolver_ = CreateProcResolver(table_, PatientOptions());
    Flow flow = LoopbackFlow(kProtoIcmp, 0x1234, 0);
    flow.icmp_type = 8;
    ExpectOnly(Resolve(flow), getpid());
    flow.src_port = 0x1235;
    EXPECT_EQ(Resolve(flow).confidence, Confidence::kNone);
  }).join();
}

TEST_F(RealResolverTest, A32_RawSocketIsFoundByItsProtocol) {
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "network namespace: " << strerror(errno);
    }
    UniqueFd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 253));
    if (!raw.ok()) GTEST_SKIP() << "raw socket: " << strerror(errno);
    resolver_ = CreateProcResolver(table_, PatientOptions());
    Flow flow = LoopbackFlow(253, 0, 0);
    ExpectOnly(Resolve(flow), getpid());
    Child child([] { static UniqueFd other(socket(AF_INET, SOCK_RAW, 253)); });
    Ownership owner = Resolve(flow);
    EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
    EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
    // A TCP packet is nobody's by its port, whoever has a raw socket of 253.
    EXPECT_EQ(Resolve(LoopbackFlow(kProtoTcp, 1, 2)).confidence,
              Confidence::kNone);
  }).join();
}

TEST_F(RealResolverTest, A38_HostileNameIsKeptByteForByte) {
  std::string path = CopyOfSleep("a\nb\x1b[31m\xff\xfe (x) S 1");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  resolver_->Describe(*owner.owners[0]);
  ASSERT_NE(owner.owners[0]->facts(), nullptr);
  EXPECT_EQ(owner.owners[0]->facts()->cmdline,
            (std::vector<std::string>{path, "100"}));
}

TEST_F(RealResolverTest, F29_LookupsGoOnWithoutDescriptors) {
  if (!is_privileged_) GTEST_SKIP() << "needs to read other processes";
  TcpServer server;
  UniqueFd client = server.Connect();
  ExpectOnly(Resolve(server.FlowOf(client)), getpid());
  std::vector<UniqueFd> others;
  rlimit old_limit;
  getrlimit(RLIMIT_NOFILE, &old_limit);
  rlimit limit = old_limit;
  limit.rlim_cur = 512;
  setrlimit(RLIMIT_NOFILE, &limit);
  while (true) {
    UniqueFd other(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!other.ok()) break;
    others.push_back(std::move(other));
  }
  pid_t child = fork();
  while (child == 0) pause();
  Ownership owner = Resolve(server.FlowOf(client));
  others.clear();
  setrlimit(RLIMIT_NOFILE, &old_limit);
  // While there are none the set may lack somebody, and says so.
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner).back(), child);
  EXPECT_EQ(Pids(Resolve(server.FlowOf(client))), (Pid{getpid(), child}));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(RealResolverTest, ShaIsThatOfTheRunningFile) {
  Flow flow;
  auto child = RunWithSocket(CopyOfSleep("app"), &flow);
  Ownership owner = Resolve(flow);
  ASSERT_FALSE(owner.owners.empty());
  auto hashed = resolver_->WithSha256(owner.owners[0]);
  FILE* pipe = popen("sha256sum /bin/sleep", "r");
  char expected[65] = {};
  ASSERT_EQ(fread(expected, 1, 64, pipe), 64u);
  pclose(pipe);
  EXPECT_EQ(hashed->app->sha256, expected);
  EXPECT_EQ(hashed->id, owner.owners[0]->id);
  // The next packet's app has it without being asked.
  EXPECT_EQ(Resolve(flow).owners[0]->app->sha256, expected);
  resolver_ = CreateProcResolver(table_);
  EXPECT_EQ(ResolveFast(flow).owners[0]->app->sha256, expected);
}

TEST_F(RealResolverTest, FactsAreOfTheProcess) {
  Flow flow;
  auto child = RunWithSocket("/bin/sleep", &flow);
  Ownership owner = Resolve(flow);
  ASSERT_FALSE(owner.owners.empty());
  resolver_->Describe(*owner.owners[0]);
  const ProcessFacts* facts = owner.owners[0]->facts();
  ASSERT_NE(facts, nullptr);
  EXPECT_EQ(facts->cmdline, (std::vector<std::string>{"/bin/sleep", "100"}));
  EXPECT_EQ(facts->comm, "sleep");
  EXPECT_FALSE(facts->user_name.empty());
  ASSERT_FALSE(facts->parent_paths.empty());
  EXPECT_EQ(facts->parent_paths[0], ExeOf(getpid()));
  EXPECT_EQ(owner.owners[0]->parent_pid, getpid());
  resolver_->Describe(*owner.owners[0]);
  EXPECT_EQ(owner.owners[0]->facts(), facts);
}

TEST_F(RealResolverTest, FactsOfADeadProcessAreItsUserOnly) {
  Process process;
  process.id = {getpid(), 1};  // not our start time: another life of the pid
  process.uid = 0;
  resolver_->Describe(process);
  ASSERT_NE(process.facts(), nullptr);
  EXPECT_TRUE(process.facts()->cmdline.empty());
  EXPECT_EQ(process.facts()->user_name, "root");
}

}  // namespace
}  // namespace sallyport
