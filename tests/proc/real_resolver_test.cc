// On the real kernel: which socket a packet left from, and its owner.

#include <net/if.h>
#include <sched.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/proc/real_resolver_fixture.h"

namespace sallyport {
namespace {

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

}  // namespace
}  // namespace sallyport
