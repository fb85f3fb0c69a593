// What the divert lets pass without asking, and what it does not, decided by
// counters at the other end of a wire. Nobody listens on the queue and the
// posture is closed: a packet that arrives was accepted by the kernel alone.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "engine/nft_divert.h"
#include "tests/engine/netns.h"

namespace sallyport {
namespace {

constexpr const char* kPeer4 = "10.99.0.2";

sockaddr_in V4(const char* address, uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address, &to.sin_addr);
  return to;
}

sockaddr_in6 V6(const char* address, uint16_t port) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(port);
  inet_pton(AF_INET6, address, &to.sin6_addr);
  to.sin6_scope_id = if_nametoindex("v0");
  return to;
}

template <typename Address>
const sockaddr* AsSockaddr(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

class Socket {
 public:
  Socket(int family, int type, int protocol = 0)
      : fd_(socket(family, type, protocol)) {
    EXPECT_GE(fd_, 0);
  }
  ~Socket() { close(fd_); }
  template <typename Address>
  void Bind(const Address& address) {
    EXPECT_EQ(bind(fd_, AsSockaddr(address), sizeof(address)), 0);
  }
  // Whether it leaves is the judge's to say, not the return value's.
  template <typename Address>
  void Send(const Address& to, const void* bytes, size_t length) {
    sendto(fd_, bytes, length, 0, AsSockaddr(to), sizeof(to));
  }
  void SetHopLimit(int hops) {
    setsockopt(fd_, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
    setsockopt(fd_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

class EssentialLive : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    AddPeer();
    auto divert = NftDivert::Create(DivertOptions{});
    ASSERT_TRUE(divert.ok()) << divert.status();
    divert_ = *std::move(divert);
    ASSERT_TRUE(divert_->Install().ok());
  }

  // Without conntrack no packet is a reply: what passes then is essential.
  void SwitchConntrackOff() {
    MustRun(
        "nft 'table inet off { "
        "chain in { type filter hook prerouting priority -300; notrack; }; "
        "chain out { type filter hook output priority -300; notrack; }; }'");
  }
  bool Arrives(const std::string& name) {
    return WaitUntil([&] { return PeerCount(name) > 0; });
  }
  void SendUdp(uint16_t from, uint16_t to) {
    Socket udp(AF_INET, SOCK_DGRAM);
    udp.Bind(V4("0.0.0.0", from));
    udp.Send(V4(kPeer4, to), "x", 1);
  }
  // Everything sent before it has been counted once it has arrived.
  void SendMarkerAndWait() {
    const uint64_t before = PeerCount("marker");
    SendUdp(68, 67);
    ASSERT_TRUE(WaitUntil([&] { return PeerCount("marker") > before; }));
  }
  void CountMarker() { CountInPeer("marker", "udp dport 67"); }

  std::unique_ptr<NftDivert> divert_;
};

TEST_F(EssentialLive, B23_DhcpPassesOtherPortsDoNot) {
  CountMarker();
  CountInPeer("other", "udp dport { 53, 547, 5353 }");
  CountInPeer("wrong_source", "udp dport 67 udp sport != 68");
  SendUdp(68, 53);
  SendUdp(12345, 67);
  SendUdp(67, 67);
  SendUdp(546, 547);  // DHCPv6 is not spoken over IPv4, but the rule is one
  SendMarkerAndWait();
  EXPECT_EQ(PeerCount("wrong_source"), 0u);
  EXPECT_EQ(PeerCount("other"), 1u);
}

TEST_F(EssentialLive, B23_Dhcp6Passes) {
  CountInPeer("dhcp6", "meta nfproto ipv6 udp sport 546 udp dport 547");
  Socket udp(AF_INET6, SOCK_DGRAM);
  udp.Bind(V6("::", 546));
  udp.Send(V6("ff02::1:2", 547), "x", 1);
  EXPECT_TRUE(Arrives("dhcp6"));
}

// The peer finds us: it asks for our address, and we answer.
TEST_F(EssentialLive, B23_NeighbourDiscoveryWorksBothWays) {
  CountInPeer("advert", "icmpv6 type nd-neighbor-advert ip6 saddr fd99::1");
  CountInPeer("solicit", "icmpv6 type nd-neighbor-solicit");
  InPeer([] {
    Socket udp(AF_INET6, SOCK_DGRAM);
    udp.Send(V6("fd99::1", 9), "x", 1);
  });
  EXPECT_TRUE(Arrives("advert"));
  // And we find the peer, for a packet that is allowed to go there.
  MustRun("ip -6 neigh flush dev v0");
  Socket dhcp(AF_INET6, SOCK_DGRAM);
  dhcp.Bind(V6("::", 546));
  dhcp.Send(V6("fd99::2", 547), "x", 1);
  EXPECT_TRUE(Arrives("solicit"));
}

TEST_F(EssentialLive, B23_MulticastReportsPass) {
  CountInPeer("igmp", "meta l4proto igmp");
  CountInPeer("mld", "icmpv6 type mld2-listener-report");
  Socket v4(AF_INET, SOCK_DGRAM);
  ip_mreqn group{};
  inet_pton(AF_INET, "239.1.2.3", &group.imr_multiaddr);
  group.imr_ifindex = static_cast<int>(if_nametoindex("v0"));
  ASSERT_EQ(
      setsockopt(v4.fd(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)),
      0);
  Socket v6(AF_INET6, SOCK_DGRAM);
  ipv6_mreq group6{};
  inet_pton(AF_INET6, "ff02::4242", &group6.ipv6mr_multiaddr);
  group6.ipv6mr_interface = if_nametoindex("v0");
  ASSERT_EQ(setsockopt(v6.fd(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group6,
                       sizeof(group6)),
            0);
  EXPECT_TRUE(Arrives("igmp"));
  EXPECT_TRUE(Arrives("mld"));
}

// The peer learns at once that a port is closed, with and without conntrack.
TEST_F(EssentialLive, B23_ClosedPortsAreAnsweredByTheKernel) {
  for (bool tracked : {true, false}) {
    if (!tracked) SwitchConntrackOff();
    InPeer([&] {
      for (int family : {AF_INET, AF_INET6}) {
        const auto to4 = V4("10.99.0.1", 9);
        auto to6 = V6("fd99::1", 9);
        to6.sin6_scope_id = 0;
        const sockaddr* to =
            family == AF_INET ? AsSockaddr(to4) : AsSockaddr(to6);
        const socklen_t length = family == AF_INET ? sizeof(to4) : sizeof(to6);
        Socket tcp(family, SOCK_STREAM);
        EXPECT_EQ(connect(tcp.fd(), to, length), -1);
        EXPECT_EQ(errno, ECONNREFUSED) << family << tracked;  // RST
        Socket udp(family, SOCK_DGRAM);
        ASSERT_EQ(connect(udp.fd(), to, length), 0);
        ASSERT_EQ(send(udp.fd(), "x", 1, 0), 1);
        char byte;
        EXPECT_EQ(recv(udp.fd(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED) << family << tracked;  // ICMP error
      }
    });
  }
}

// What the kernel may send unasked, a program with a raw socket may not: it
// could carry anything.
TEST_F(EssentialLive, B23_ForgedRstIcmpErrorAndIgmpAreNotEssential) {
  CountMarker();
  CountInPeer("rst", "tcp flags & rst == rst");
  CountInPeer("unreachable", "icmp type destination-unreachable");
  CountInPeer("igmp", "igmp type leave-group");
  CountInPeer("error6", "icmpv6 type destination-unreachable");

  tcphdr tcp{};
  tcp.source = htons(1);
  tcp.dest = htons(2);
  tcp.doff = 5;
  tcp.rst = 1;
  Socket(AF_INET, SOCK_RAW, IPPROTO_TCP).Send(V4(kPeer4, 0), &tcp, sizeof(tcp));
  icmphdr icmp{};
  icmp.type = ICMP_DEST_UNREACH;
  Socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
      .Send(V4(kPeer4, 0), &icmp, sizeof(icmp));
  const std::vector<uint8_t> igmp = {0x17, 0, 0xe8, 0xff, 0, 0, 0, 0};  // leave
  Socket(AF_INET, SOCK_RAW, IPPROTO_IGMP)
      .Send(V4(kPeer4, 0), igmp.data(), igmp.size());
  icmp6_hdr icmp6{};
  icmp6.icmp6_type = ICMP6_DST_UNREACH;
  Socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
      .Send(V6("fd99::2", 0), &icmp6, sizeof(icmp6));
  SendMarkerAndWait();
  EXPECT_EQ(PeerCount("rst"), 0u);
  EXPECT_EQ(PeerCount("unreachable"), 0u);
  EXPECT_EQ(PeerCount("igmp"), 0u);
  EXPECT_EQ(PeerCount("error6"), 0u);
}

// Neighbour discovery and MLD that a router could forward are none.
TEST_F(EssentialLive, B23_HopLimitsAreChecked) {
  CountMarker();
  CountInPeer("advert", "icmpv6 type nd-router-advert");
  Socket raw(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  std::vector<uint8_t> advert(16);
  advert[0] = 134;
  raw.SetHopLimit(64);
  raw.Send(V6("ff02::1", 0), advert.data(), advert.size());
  SendMarkerAndWait();
  EXPECT_EQ(PeerCount("advert"), 0u);
  raw.SetHopLimit(255);
  raw.Send(V6("ff02::1", 0), advert.data(), advert.size());
  EXPECT_TRUE(Arrives("advert"));
}

TEST_F(EssentialLive, B04_WhatConntrackDoesNotKnowIsAsked) {
  CountMarker();
  CountInPeer("tcp", "meta l4proto tcp");
  tcphdr tcp{};
  tcp.source = htons(1);
  tcp.dest = htons(2);
  tcp.doff = 5;
  tcp.fin = tcp.psh = tcp.urg = 1;  // no state begins like this
  Socket raw(AF_INET, SOCK_RAW, IPPROTO_TCP);
  raw.Send(V4(kPeer4, 0), &tcp, sizeof(tcp));
  SwitchConntrackOff();
  tcp.fin = tcp.psh = tcp.urg = 0;
  tcp.syn = 1;
  raw.Send(V4(kPeer4, 0), &tcp, sizeof(tcp));
  SendMarkerAndWait();
  EXPECT_EQ(PeerCount("tcp"), 0u);
}

TEST_F(EssentialLive, LoopbackIsJudgedOrSkippedAsTold) {
  const auto arrives = [] {
    Socket receiver(AF_INET, SOCK_DGRAM), sender(AF_INET, SOCK_DGRAM);
    receiver.Bind(V4("127.0.0.1", 7777));
    sender.Send(V4("127.0.0.1", 7777), "x", 1);
    char byte;
    return recv(receiver.fd(), &byte, 1, MSG_DONTWAIT) == 1;
  };
  EXPECT_FALSE(arrives());
  DivertOptions options;
  options.judge_loopback = false;
  auto skip = NftDivert::Create(options);
  ASSERT_TRUE(skip.ok()) << skip.status();
  ASSERT_TRUE((*skip)->Install().ok());
  EXPECT_TRUE(arrives());
  // What was skipped is not settled: judged again once that is wanted.
  ASSERT_TRUE(divert_->Install().ok());
  EXPECT_FALSE(arrives());
}

// A table is replaced as a whole: no moment without one, whatever way.
TEST_F(EssentialLive, F07_NothingLeavesWhileTheTableIsReplaced) {
  CountMarker();
  CountInPeer("leak", "udp dport 9");
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sent{0};
  std::thread sender([&] {
    while (!stop) {
      // A new flow each time, so that each is one to be judged.
      Socket udp(AF_INET, SOCK_DGRAM);
      udp.Send(V4(kPeer4, 9), "x", 1);
      ++sent;
    }
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(divert_->Install().ok());
    // A chain too many makes the next one replace the table itself.
    MustRun("nft add chain inet sallyport strange");
    ASSERT_TRUE(divert_->Install().ok());
  }
  ASSERT_TRUE(WaitUntil([&] { return sent > 100; }));
  stop = true;
  sender.join();
  SendMarkerAndWait();
  EXPECT_EQ(PeerCount("leak"), 0u) << "of " << sent;
}

}  // namespace
}  // namespace sallyport
