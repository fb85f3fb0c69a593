// The resolver over a fake /proc and a fake kernel.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/proc/resolver_fixture.h"

namespace sallyport {
namespace {

TEST_F(ResolverTest, ProcessOlderThanTheDaemonIsFoundByOneConfirm) {
  fs_->Add(10, "/bin/curl");
  fs_->Hold(10, 5, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(Pids(owner), Pid{10});
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/curl");
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
  EXPECT_FALSE(was_slow_);
  EXPECT_EQ(fs_->CountCalls("readlink fd"), 1);
}

TEST_F(ResolverTest, NewProcessIsFoundByThePidCursor) {
  Start();
  fs_->Add(11, "/bin/wget");
  fs_->Hold(11, 3, 78);
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{11});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_FALSE(was_slow_);
}

TEST_F(ResolverTest, WarmLookupReadsOneCursorOneLinkOneExe) {
  Start();
  fs_->Add(11, "/bin/wget");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->Hold(11, 3, 79);
  ResolveSocket(79);
  now_ns_ += 1000 * kMs;
  ResolveSocket(79);
  fs_->Hold(11, 3, 80);
  fs_->calls.clear();
  Ownership owner = ResolveSocket(80);
  EXPECT_EQ(Pids(owner), Pid{11});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(fs_->calls, (std::vector<std::string>{
                            "0 newest ", "11 readlink fd/3", "11 stat exe"}));
}

TEST_F(ResolverTest, ManyOpenConnectionsOfOneProcessAreGuessed) {
  Start();
  fs_->Add(11, "/bin/wget");
  for (int fd = 3; fd < 100; ++fd) {
    fs_->Hold(11, fd, static_cast<uint64_t>(1000 + fd));
    Ownership owner = ResolveSocket(static_cast<uint64_t>(1000 + fd));
    ASSERT_EQ(Pids(owner), Pid{11}) << fd;
    ASSERT_FALSE(was_slow_);
  }
}

TEST_F(ResolverTest, TwoResolversShareWhatTheSlowLaneFound) {
  fs_->Add(10, "/bin/server");
  for (int fd = 3; fd < 400; ++fd) fs_->Hold(10, fd, 5000u + fd);
  Start();
  for (int pid = 20; pid < 30; ++pid) fs_->Add(pid, "/bin/idle");
  auto slow = CreateProcResolver(
      table_, std::make_unique<FakeSocketLookup>(&kernel_), {});
  fs_->Close(10, 7);
  fs_->Hold(10, 7, 90);
  kernel_.exact = {Socket(90)};
  Ownership owner;
  ASSERT_EQ(resolver_->ResolveFast(TcpFlow(), kUid, &owner),
            ResolveStatus::kNeedSlow);
  slow->ResolveSlow(TcpFlow(), kUid, &owner);
  EXPECT_EQ(Pids(owner), Pid{10});
  fs_->Hold(10, 7, 91);
  kernel_.exact = {Socket(91)};
  EXPECT_EQ(resolver_->ResolveFast(TcpFlow(), kUid, &owner),
            ResolveStatus::kDone);
  EXPECT_EQ(Pids(owner), Pid{10});
}

TEST_F(ResolverTest, A01_SenderGoneIsUnattributedWithThePacketsUid) {
  Start();
  Ownership owner = Resolve(TcpFlow(), 4711);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_EQ(owner.socket_uid, 4711u);
  EXPECT_TRUE(owner.owners.empty());
  kernel_.exact = {Socket(0)};  // orphaned: the kernel still has it
  owner = Resolve(TcpFlow(), std::nullopt);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_EQ(owner.socket_uid, kUid);
}

// The process dies after its socket was found, at every step there is. Whatever
// the step, nobody else may be blamed.
TEST_F(ResolverTest, A01_ProcessThatVanishesAtAnyStepIsNotReplaced) {
  for (int step = 0; step < 40; ++step) {
    fs_ = std::make_shared<FakeProcFs>();
    fs_->Add(1, "/sbin/init", 0, 0);
    fs_->Add(5, "/bin/other");
    Start();
    fs_->Add(11, "/bin/wget");
    fs_->Hold(11, 3, 78);
    int left = step;
    fs_->seam = [&](const std::string&) {
      if (left-- == 0) fs_->Exit(11);
    };
    Ownership owner = ResolveSocket(78);
    for (const auto& found : owner.owners) {
      EXPECT_EQ(found->id.pid, 11) << step;
    }
    if (!fs_->Has(11) && owner.owners.empty()) {
      EXPECT_EQ(owner.confidence, Confidence::kNone) << step;
    }
  }
}

// pid 11 dies after it was found, and its number goes to another program that
// has a socket behind the same descriptor. The open directory is the old
// process's, so nothing of the new one is ever read through it.
TEST_F(ResolverTest, A02_ReusedPidIsNotTakenForTheOldProcess) {
  for (int step = 0; step < 40; ++step) {
    fs_ = std::make_shared<FakeProcFs>();
    fs_->Add(1, "/sbin/init", 0, 0);
    Start();
    fs_->Add(11, "/bin/denied");
    fs_->Hold(11, 3, 78);
    int left = step;
    fs_->seam = [&](const std::string&) {
      if (left-- != 0) return;
      fs_->Exit(11);
      fs_->Add(11, "/bin/allowed");
      fs_->Hold(11, 3, 99);
    };
    Ownership owner = ResolveSocket(78);
    for (const auto& found : owner.owners) {
      EXPECT_EQ(found->app->path, "/bin/denied") << step;
    }
  }
}

// The process was known by what it ran when it sent before. It has exec'ed
// since: the packet may be older than the exec, so both are judged, once.
TEST_F(ResolverTest, A03_ExecBetweenTwoPacketsIsAmbiguousOnce) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  ASSERT_EQ(owner.owners.size(), 2u);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/python");
  EXPECT_EQ(owner.owners[1]->app->path, "/bin/sleep");
  owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/sleep");
}

TEST_F(ResolverTest, A03_CloseOnExecSocketWasMadeAfterTheExec) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  fs_->Hold(11, 3, 79);
  fs_->At(11).texts["fdinfo/3"] = "pos:\t0\nflags:\t02000002\nmnt_id:\t9\n";
  Ownership owner = ResolveSocket(79);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/sleep");
}

TEST_F(ResolverTest, A04_ReplacedBinaryIsNotItsPath) {
  fs_->Add(10, "/tmp/app");
  fs_->Hold(10, 5, 77);
  fs_->At(10).exe = "/tmp/app (deleted)";
  fs_->At(10).exe_stat.link_count = 0;
  fs_->host_files["/tmp/app"].id.inode = 1;  // another file by now
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->path, "/tmp/app");
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A05_FileReallyCalledDeletedKeepsItsName) {
  fs_->Add(10, "/tmp/x (deleted)");
  fs_->Hold(10, 5, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->path, "/tmp/x (deleted)");
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A06_MemfdIsItsOwnKind) {
  fs_->Add(10, "/memfd:firefox (deleted)");
  fs_->At(10).exe_stat.link_count = 0;
  fs_->Hold(10, 5, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->kind, App::Kind::kMemfd);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A07_SamePathInAnotherMountNamespaceIsNotThePath) {
  fs_->Add(10, "/usr/local/bin/curl");
  fs_->Hold(10, 5, 77);
  fs_->At(10).exe_stat.id.device = 99;
  Start();
  EXPECT_FALSE(ResolveSocket(77).owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A17_ChildWithACopyIsAnOwnerToo) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->Fork(11, 12);
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{11, 12}));
  EXPECT_FALSE(was_slow_);
}

// The parent sent before, so a hint points at it. It opens a new socket, forks,
// and the child moves the copy to another descriptor before it sends.
TEST_F(ResolverTest, A17_ChildThatMovedItsCopyIsAnOwnerToo) {
  Start();
  fs_->Add(11, "/bin/allowed");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->Hold(11, 3, 79);
  fs_->Fork(11, 12);
  fs_->SetExe(fs_->At(12), "/bin/denied");
  fs_->Close(12, 3);
  fs_->Hold(12, 9, 79);
  Ownership owner = ResolveSocket(79);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{11, 12}));
}

// Only the child is new to us; the parent that made the socket was scanned long
// before it did.
TEST_F(ResolverTest, A17_ParentThatStillHoldsItIsAnOwnerToo) {
  fs_->Add(11, "/bin/python");
  Start();
  fs_->Hold(11, 3, 78);
  fs_->Fork(11, 12);
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), (Pid{11, 12}));
  // What was found of the ancestors is remembered, and confirmed.
  fs_->Close(11, 3);
  owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{12});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
}

// A master opens the socket, forks its workers, closes its own copy.
TEST_F(ResolverTest, A17_SiblingsOfADeadParentAreAllOwners) {
  Start();
  fs_->Add(11, "/bin/master");
  fs_->Hold(11, 3, 78);
  for (int pid = 12; pid < 20; ++pid) fs_->Fork(11, pid);
  fs_->Exit(11);
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), (Pid{12, 13, 14, 15, 16, 17, 18, 19}));
}

TEST_F(ResolverTest, A18_HoldersWithDifferentExesAreAllOwners) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  fs_->Fork(11, 12);
  fs_->SetExe(fs_->At(12), "/bin/sleep");
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{11, 12}));
}

TEST_F(ResolverTest, ManyAlikeHoldersAreBounded) {
  Start();
  fs_->Add(11, "/bin/master");
  fs_->Hold(11, 3, 78);
  for (int pid = 12; pid < 112; ++pid) fs_->Fork(11, pid);
  fs_->SetExe(fs_->At(111), "/bin/other");
  Ownership owner = ResolveSocket(78);
  EXPECT_TRUE(was_slow_);
  EXPECT_LE(owner.owners.size(), 17u);
  EXPECT_TRUE(
      std::any_of(owner.owners.begin(), owner.owners.end(),
                  [](const auto& p) { return p->app->path == "/bin/other"; }));
}

TEST_F(ResolverTest, A19_SocketInFlightIsUnattributedAndNotSearchedAgain) {
  for (int pid = 5; pid < 25; ++pid) fs_->Add(pid, "/bin/x");
  Start();
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_EQ(owner.socket_uid, kUid);
  fs_->calls.clear();
  owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_FALSE(was_slow_);
  EXPECT_LE(fs_->calls.size(), 3u);
  // It arrived somewhere. A second later it is looked for again.
  fs_->Hold(7, 4, 78);
  now_ns_ += 2000 * kMs;
  EXPECT_EQ(Pids(ResolveSocket(78)), Pid{7});
}

TEST_F(ResolverTest, A21_SocketRegisteredWithAnIoUringIsFoundInItsFdinfo) {
  fs_->Add(10, "/bin/uring");
  fs_->At(10).links["fd/4"] = "anon_inode:[io_uring]";
  fs_->At(10).texts["fdinfo/4"] =
      "pos:\t0\nSqMask:\t0x7\nUserFiles:\t2\n    0: socket:[77]\n"
      "    1: socket:[78]\nUserBufs:\t0\n";
  Start();
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{10});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_TRUE(was_slow_);
  ResolveSocket(77);
  EXPECT_FALSE(was_slow_);  // the ring is a hint by now
}

TEST_F(ResolverTest, A22_ThreadWithItsOwnTableIsFound) {
  fs_->Add(10, "/bin/threads");
  fs_->Hold(10, 3, 50);
  for (const char* link : {"task/12/fd/3", "task/13/fd/3"}) {
    fs_->At(10).links[link] = "socket:[50]";
  }
  fs_->At(10).links["task/12"] = fs_->At(10).links["task/13"] = "";
  fs_->At(10).links["task/13/fd/8"] = "socket:[78]";
  Start();
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{10});
  EXPECT_TRUE(was_slow_);
  fs_->At(10).links["task/13/fd/8"] = "socket:[79]";
  EXPECT_EQ(Pids(ResolveSocket(79)), Pid{10});
  EXPECT_FALSE(was_slow_);
}

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

TEST_F(ResolverTest, A39_SearchEndsAtItsDeadline) {
  for (int pid = 5; pid < 3000; ++pid) {
    fs_->Add(pid, "/bin/x");
    fs_->Hold(pid, 3, static_cast<uint64_t>(10000 + pid));
  }
  Start();
  fs_->seam = [this](const std::string&) { now_ns_ += kMs / 100; };
  int64_t before = now_ns_;
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kNone);
  EXPECT_LE(now_ns_ - before, 60 * kMs);
}

TEST_F(ResolverTest, A40_InitIsNoCoHolder) {
  fs_->Hold(1, 40, 78);
  fs_->Add(10, "/bin/service");
  fs_->Hold(10, 3, 78);
  Start();
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(Pids(owner), Pid{10});
  fs_->Exit(10);
  EXPECT_EQ(Pids(ResolveSocket(78)), Pid{1});
}

TEST_F(ResolverTest, F29_OutOfDescriptorsOldDirectoriesGiveWay) {
  fs_->max_open_dirs = 8;
  for (int pid = 5; pid < 60; ++pid) {
    fs_->Add(pid, "/bin/x" + std::to_string(pid));
    fs_->Hold(pid, 3, static_cast<uint64_t>(1000 + pid));
  }
  Start();
  EXPECT_EQ(table_->process_count(), 56u);
  for (int pid = 5; pid < 60; ++pid) {
    Ownership owner = ResolveSocket(static_cast<uint64_t>(1000 + pid));
    EXPECT_EQ(Pids(owner), Pid{pid});
  }
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

TEST_F(ResolverTest, ThreadsAreNotProcesses) {
  fs_->Add(10, "/bin/x");
  Start();
  fs_->Add(11, "/bin/x").is_thread = true;
  fs_->Hold(11, 3, 78);
  EXPECT_EQ(ResolveSocket(78).confidence, Confidence::kNone);
  EXPECT_EQ(table_->process_count(), 2u);
}

// A pid is handed out before its process can be seen in /proc. A lookup that
// comes in between must not take the pid for dead forever.
TEST_F(ResolverTest, PidThatIsNotYetThereIsLookedAtAgain) {
  Start();
  fs_->Add(11, "/bin/parent");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->newest_pid = 12;
  EXPECT_EQ(Pids(ResolveSocket(78)), Pid{11});
  fs_->Fork(11, 12);
  EXPECT_EQ(Pids(ResolveSocket(78)), (Pid{11, 12}));
}

TEST_F(ResolverTest, PidsThatStartOverAreListed) {
  Start();
  fs_->Add(30000, "/bin/old");
  fs_->Hold(30000, 3, 78);
  EXPECT_EQ(Pids(ResolveSocket(78)), Pid{30000});  // a gap beyond the limit
  EXPECT_TRUE(was_slow_);
  fs_->Add(400, "/bin/new");
  fs_->newest_pid = 400;
  fs_->Hold(400, 3, 79);
  EXPECT_EQ(Pids(ResolveSocket(79)), Pid{400});
  EXPECT_TRUE(was_slow_);
  fs_->Fork(400, 401);
  fs_->newest_pid = 401;
  EXPECT_EQ(Pids(ResolveSocket(79)), (Pid{400, 401}));
  EXPECT_FALSE(was_slow_);
}

TEST_F(ResolverTest, HashReachesTheNextLookup) {
  fs_->Add(10, "/bin/curl");
  fs_->Hold(10, 3, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  auto same = resolver_->WithSha256(owner.owners[0]);
  EXPECT_EQ(same, owner.owners[0]);  // the fake's file is not the fake's exe
  EXPECT_TRUE(same->app->sha256.empty());
}

}  // namespace
}  // namespace sallyport
