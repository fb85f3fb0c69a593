// Over a fake /proc and a fake kernel: how an owner is found, and at what cost.

#include <memory>
#include <optional>
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

}  // namespace
}  // namespace sallyport
