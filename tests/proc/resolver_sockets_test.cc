// Over a fake kernel: which sockets a packet may have left from.

#include <cstdio>
#include <optional>
#include <string>

#include "tests/proc/resolver_fixture.h"

namespace sallyport {
namespace {

TEST_F(ResolverTest, A23_TwinsOnOnePortAreAllOwners) {
  fs_->Add(10, "/bin/a");
  fs_->Add(11, "/bin/b");
  fs_->Hold(10, 3, 77);
  fs_->Hold(11, 3, 78);
  Start();
  kernel_.by_port = {Socket(77), Socket(78)};
  Ownership owner = Resolve(UdpFlow());
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{10, 11}));
}

TEST_F(ResolverTest, A23_TwinOfAnotherUserIsNotTheSender) {
  fs_->Add(10, "/bin/a");
  fs_->Add(11, "/bin/b", 2000);
  fs_->Hold(10, 3, 77);
  fs_->Hold(11, 3, 78);
  Start();
  kernel_.by_port = {Socket(77), Socket(78, 2000)};
  Ownership owner = Resolve(UdpFlow(), 2000);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(Pids(owner), Pid{11});
}

TEST_F(ResolverTest, TwoSocketsOfOneProcessAreOneExactOwner) {
  fs_->Add(10, "/bin/dns");
  fs_->Hold(10, 3, 77);
  fs_->Hold(10, 4, 78);
  Start();
  kernel_.by_port = {Socket(77), Socket(78)};
  Ownership owner = Resolve(UdpFlow());
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(Pids(owner), Pid{10});
}

TEST_F(ResolverTest, A28_SocketOfRootInADroppedProcessKeepsBothUids) {
  fs_->Add(10, "/bin/ntpd", 65534);
  fs_->Hold(10, 3, 77);
  Start();
  Ownership owner = ResolveSocket(77, 0);
  EXPECT_EQ(owner.socket_uid, 0u);
  ASSERT_EQ(Pids(owner), Pid{10});
  EXPECT_EQ(owner.owners[0]->uid, 65534u);
}

TEST_F(ResolverTest, A30_KernelSocketIsNobodys) {
  Start();
  Ownership owner = Resolve(UdpFlow(), kUid);  // a tunnel: no socket at all
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_TRUE(owner.owners.empty());
  EXPECT_FALSE(was_slow_);
}

TEST_F(ResolverTest, A31_PingSocketIsFoundByItsId) {
  fs_->Add(10, "/bin/ping");
  fs_->Hold(10, 3, 77);
  Start();
  fs_->net["icmp"] =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
      "retrnsmt   uid  timeout inode ref pointer drops             \n"
      "    1: 0100007F:F405 0200007F:0000 07 00000000:00000000 00:00000000 "
      "00000000  1000        0 77 2 0000000000000000 0         \n";
  Flow flow = UdpFlow();
  flow.protocol = kProtoIcmp;
  flow.icmp_type = 8;
  flow.src_port = 0xF405;
  flow.dst_port = 0;
  Ownership owner = Resolve(flow);
  EXPECT_EQ(Pids(owner), Pid{10});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  flow.src_port = 1;
  EXPECT_EQ(Resolve(flow).confidence, Confidence::kNone);
}

constexpr char kRawHeader[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
    "retrnsmt   uid  timeout inode ref pointer drops\n";

std::string RawLine(int protocol, uint32_t uid, uint64_t inode) {
  char line[200];
  std::snprintf(line, sizeof(line),
                "  %3d: 00000000:%04X 00000000:0000 07 00000000:00000000 "
                "00:00000000 00000000 %5u        0 %lu 2 ffff 0\n",
                protocol, static_cast<unsigned>(protocol), uid,
                static_cast<unsigned long>(inode));
  return line;
}

TEST_F(ResolverTest, A32_RawProtocolHasItsHoldersAsASet) {
  fs_->Add(10, "/bin/a", 0);
  fs_->Add(11, "/bin/b", 0);
  fs_->Hold(10, 3, 77);
  fs_->Hold(11, 3, 78);
  Start();
  Flow flow = UdpFlow();
  flow.protocol = 253;
  fs_->net["raw"] = kRawHeader + RawLine(253, 0, 77) + RawLine(1, 0, 5);
  Ownership owner = Resolve(flow, 0);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(Pids(owner), Pid{10});
  fs_->net["raw"] += RawLine(253, 0, 78);
  owner = Resolve(flow, 0);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{10, 11}));
}

// A SYN written by hand: its ports belong to no socket, or to somebody else's.
TEST_F(ResolverTest, A32_ForgedTcpPacketIsNotTheWorkOfAPort) {
  fs_->Add(10, "/bin/scanner", 0);
  fs_->Add(11, "/bin/browser");
  fs_->Hold(10, 3, 77);
  fs_->Hold(11, 3, 78);
  fs_->net["raw"] = kRawHeader + RawLine(255, 0, 77);
  Start();
  kernel_.by_port = {Socket(78)};  // the same source port, another tuple
  Ownership owner = Resolve(TcpFlow(), 0);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), Pid{10});
  // The sender of an ordinary packet is gone: not the scanner's doing.
  EXPECT_EQ(Resolve(TcpFlow(), kUid).confidence, Confidence::kNone);
  EXPECT_EQ(Resolve(TcpFlow(), std::nullopt).confidence, Confidence::kNone);
  // The tuple of the browser's connection, but the kernel says root sent it.
  kernel_.exact = {Socket(78)};
  EXPECT_EQ(Pids(Resolve(TcpFlow(), 0)), Pid{10});
}

TEST_F(ResolverTest, F33_WithoutSockDiagTheTablesOfProcNetAnswer) {
  fs_->Add(10, "/bin/curl");
  fs_->Hold(10, 3, 77);
  Start();
  kernel_.miss = LookupResult::kUnsupported;
  fs_->net["tcp"] =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
      "retrnsmt   uid  timeout inode\n"
      "   0: 010200C0:9C40 00000000:0000 0A 00000000:00000000 00:00000000 "
      "00000000  1000        0 66 1 0 100 0 0 10 0\n"
      "   1: 010200C0:9C40 020200C0:01BB 02 00000000:00000000 00:00000000 "
      "00000000  1000        0 77 1 0 100 0 0 10 0\n";
  fs_->net["udp"] = fs_->net["tcp"];
  Ownership owner = Resolve(TcpFlow());
  EXPECT_EQ(Pids(owner), Pid{10});
  EXPECT_TRUE(was_slow_);
  EXPECT_EQ(Pids(Resolve(UdpFlow())), Pid{10});
}

}  // namespace
}  // namespace sallyport
