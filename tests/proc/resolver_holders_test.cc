// Over a fake /proc: everybody who holds the socket, wherever he keeps it.

#include <algorithm>

#include "tests/proc/resolver_fixture.h"

namespace sallyport {
namespace {

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

}  // namespace
}  // namespace sallyport
