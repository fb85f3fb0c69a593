#include "proc/owner_hints.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "proc/real_proc_fs.h"
#include "tests/proc/fake_proc_fs.h"
#include "tests/proc/real_sockets.h"
#include "tests/allocation_count.h"

namespace sallyport::proc {
namespace {

using Calls = std::vector<std::string>;

constexpr uint32_t kUid = 1000;
constexpr uint64_t kNobodys = 1;  // a socket that nobody holds

class OwnerHintsTest : public ::testing::Test {
 protected:
  // `pid` was found to hold a socket behind `slot`.
  OwnerHints::Hint& Note(int32_t pid, FdSlot slot, uint32_t uid = kUid) {
    if (!fs_->Has(pid)) {
      fs_->Add(pid, "/bin/x", uid);
      EXPECT_TRUE(table_.Prime().ok());
    }
    const TrackedPtr process = table_.Find(pid);
    return hints_.Note({process, slot}, table_.DirOf(process), uid);
  }
  OwnerHints::Hint& Note(int32_t pid, int32_t fd) {
    return Note(pid, FdSlot{0, fd});
  }
  // The pid, or 0.
  int32_t Search(uint64_t inode, uint32_t uid = kUid) {
    fs_->calls.clear();
    const OwnerHints::Hint* hint = hints_.Search(inode, uid);
    return hint == nullptr ? 0 : hint->process->id.pid;
  }
  // In the order in which a search asks them first.
  std::vector<int32_t> Known(uint32_t uid = kUid, size_t limit = 1000) {
    std::vector<TrackedPtr> processes;
    hints_.MostRecent(uid, limit, &processes);
    std::vector<int32_t> pids;
    for (const TrackedPtr& process : processes) pids.push_back(process->id.pid);
    return pids;
  }
  bool Knows(int32_t pid) {
    const TrackedPtr process = table_.Find(pid);
    return process != nullptr && hints_.Find(*process) != nullptr;
  }

  using Pids = std::vector<int32_t>;
  std::shared_ptr<FakeProcFs> fs_ = std::make_shared<FakeProcFs>();
  ProcessTable table_{fs_};
  OwnerHints hints_;
};

TEST_F(OwnerHintsTest, TheDescriptorThatMatchedLastIsReadAndNothingElse) {
  Note(11, 3);
  fs_->Hold(11, 3, 78);
  EXPECT_EQ(Search(78), 11);
  EXPECT_EQ(fs_->calls, Calls{"11 readlink fd/3"});
}

// The guess is a place; only the link that is read says who holds it.
TEST_F(OwnerHintsTest, AnotherSocketBehindTheDescriptorIsNoMatch) {
  Note(11, 3);
  fs_->Hold(11, 3, 77);
  EXPECT_EQ(Search(78), 0);
}

TEST_F(OwnerHintsTest, AProgramThatKeepsItsConnectionsIsFoundOneFurther) {
  Note(11, 3);
  for (int32_t fd = 4; fd < 20; ++fd) {
    fs_->Hold(11, fd, static_cast<uint64_t>(1000 + fd));
    ASSERT_EQ(Search(static_cast<uint64_t>(1000 + fd)), 11);
    EXPECT_EQ(fs_->calls.size(), 2u) << "what matched is tried first";
  }
}

TEST_F(OwnerHintsTest, OlderDescriptorsAreTriedLatestFirst) {
  for (int32_t fd : {3, 7, 20}) Note(11, fd);
  EXPECT_EQ(Search(kNobodys), 0);
  EXPECT_EQ(fs_->calls, (Calls{"11 readlink fd/20", "11 readlink fd/21",
                               "11 readlink fd/7", "11 readlink fd/3"}));
  fs_->Hold(11, 3, 78);
  EXPECT_EQ(Search(78), 11);
  EXPECT_EQ(Search(78), 11);
  EXPECT_EQ(fs_->calls, Calls{"11 readlink fd/3"});
}

TEST_F(OwnerHintsTest, OfManyDescriptorsTheOneUnusedForLongestGivesWay) {
  for (int32_t fd = 10; fd <= 80; fd += 10) Note(11, fd);
  Note(11, 10);  // used again: 20 is the oldest now
  const OwnerHints::Hint& hint = Note(11, 99);
  EXPECT_EQ(hint.slot_count, OwnerHints::kMaxSlots);
  std::vector<int32_t> fds;
  for (const FdSlot& slot : hint.slots) fds.push_back(slot.fd);
  EXPECT_EQ(fds, (std::vector<int32_t>{99, 10, 80, 70, 60, 50, 40, 30}));
  EXPECT_EQ(Search(kNobodys), 0);
  ASSERT_EQ(fs_->calls.size(), 9u);
  EXPECT_EQ(fs_->calls.back(), "11 readlink fd/30") << "each of them is tried";
}

TEST_F(OwnerHintsTest, EverybodysBestGuessComesBeforeAnybodysSecond) {
  Note(11, 3);
  Note(12, 5);
  Note(11, 9);
  EXPECT_EQ(Search(kNobodys), 0);
  EXPECT_EQ(fs_->calls,
            (Calls{"11 readlink fd/9", "12 readlink fd/5", "11 readlink fd/10",
                   "12 readlink fd/6", "11 readlink fd/3"}));
}

TEST_F(OwnerHintsTest, WhoSentLastIsAskedFirst) {
  for (int32_t pid : {11, 12, 13}) Note(pid, 3);
  EXPECT_EQ(Known(), (Pids{11, 12, 13}));
  fs_->Hold(13, 3, 78);
  EXPECT_EQ(Search(78), 13);
  EXPECT_EQ(Known(), (Pids{13, 11, 12}));
  fs_->Hold(12, 3, 79);
  EXPECT_EQ(Search(79), 12);
  EXPECT_EQ(Known(), (Pids{12, 13, 11}));
}

TEST_F(OwnerHintsTest, A22_ADescriptorOfAThreadHasANextOneToo) {
  Note(11, FdSlot{12, 3});
  EXPECT_EQ(Search(kNobodys), 0);
  EXPECT_EQ(fs_->calls, (Calls{"11 readlink task/12/fd/3",  //
                               "11 readlink task/12/fd/4"}));
}

// Behind the next descriptor there is no other ring.
TEST_F(OwnerHintsTest, A21_AnIoUringIsAskedForItsFiles) {
  Note(11, FdSlot{0, 4, true});
  fs_->At(11).texts["fdinfo/4"] = "UserFiles:\t1\n    0: socket:[78]\n";
  EXPECT_EQ(Search(78), 11);
  EXPECT_EQ(Search(kNobodys), 0);
  EXPECT_EQ(fs_->calls, Calls{"11 read fdinfo/4"});
}

TEST_F(OwnerHintsTest, SocketsOfAnotherUserAreNotTheirs) {
  Note(11, FdSlot{0, 3}, 2000);
  fs_->Hold(11, 3, 78);
  EXPECT_EQ(Search(78), 0);
  EXPECT_TRUE(fs_->calls.empty());
  EXPECT_EQ(Search(78, 2000), 11);
}

TEST_F(OwnerHintsTest, WhoIsKnownToBeDeadIsNotAsked) {
  Note(11, 3);
  table_.Forget(table_.Find(11));
  EXPECT_EQ(Search(78), 0);
  EXPECT_TRUE(fs_->calls.empty());
}

TEST_F(OwnerHintsTest, A39_ASearchReadsNoMoreThan32Links) {
  for (int32_t pid = 100; pid < 200; ++pid) Note(pid, 3);
  EXPECT_EQ(Search(kNobodys), 0);
  EXPECT_EQ(fs_->calls.size(), static_cast<size_t>(OwnerHints::kMaxProbes));
}

TEST_F(OwnerHintsTest, WhoWasSeenOnceDoesNotPushOutThoseThatSendOften) {
  Pids often;
  for (int32_t pid = 11; pid < 19; ++pid) {
    Note(pid, 3);
    often.push_back(pid);
  }
  ASSERT_EQ(often.size(), OwnerHints::kFrontRow);
  for (int32_t pid = 100; pid < 300; ++pid) Note(pid, 3);
  Pids known = Known();
  EXPECT_EQ(known.size(), OwnerHints::kMaxProcesses);
  EXPECT_EQ(known[often.size()], 299) << "newcomers stand behind the first row";
  known.resize(often.size());
  EXPECT_EQ(known, often);
  EXPECT_FALSE(Knows(100));
}

TEST_F(OwnerHintsTest, AProcessHasOneHintWhateverIsNotedOfIt) {
  OwnerHints::Hint& hint = Note(11, 3);
  Search(kNobodys);
  EXPECT_EQ(hint.misses, 1u);
  EXPECT_EQ(&Note(11, FdSlot{0, 5}, 2000), &hint);
  EXPECT_EQ(hint.misses, 0u);
  EXPECT_EQ(hint.uid, 2000u);
  EXPECT_EQ(hint.slots[0], (FdSlot{0, 5}));
  EXPECT_EQ(hint.slots[1], (FdSlot{0, 3}));
  EXPECT_EQ(Known(2000), Pids{11});
  EXPECT_TRUE(Known().empty());
}

TEST_F(OwnerHintsTest, MissesAreCountedUntilAGuessIsRight) {
  OwnerHints::Hint& hint = Note(11, 3);
  for (uint32_t misses = 1; misses < 4; ++misses) {
    Search(kNobodys);
    EXPECT_EQ(hint.misses, misses) << "one a search, not one a descriptor";
  }
  fs_->Hold(11, 4, 78);
  Search(78);
  EXPECT_EQ(hint.misses, 0u);
}

TEST_F(OwnerHintsTest, WhoDiedWasTriedInVainAndIsForgotten) {
  Note(11, 3);
  Note(12, 3);
  Search(kNobodys);
  fs_->Exit(11);
  hints_.Prune(table_);
  EXPECT_EQ(Known(), Pids{12});
  EXPECT_EQ(table_.Find(11), nullptr);
  EXPECT_NE(table_.Find(12), nullptr);
}

// It is asked of those only that did not answer: the others cost nothing.
TEST_F(OwnerHintsTest, WhoWasNotTriedInVainIsLeftAlone) {
  Note(11, 3);
  fs_->Exit(11);
  fs_->calls.clear();
  hints_.Prune(table_);
  EXPECT_TRUE(fs_->calls.empty());
  EXPECT_EQ(Known(), Pids{11});
}

TEST_F(OwnerHintsTest, WhoseDeathWasHeardOfIsForgottenAtOnce) {
  Note(11, 3);
  table_.Forget(table_.Find(11));
  hints_.Prune(table_);
  EXPECT_TRUE(Known().empty());
}

// Its first thread may have ended: the directory is another one's then.
TEST_F(OwnerHintsTest, A22_TheDirectoryIsTheOneTheTableHas) {
  OwnerHints::Hint& hint = Note(11, 3);
  std::unique_ptr<ProcDir> other;
  ASSERT_EQ(fs_->OpenProcess(11, &other), 0);
  hint.dir = std::move(other);
  Search(kNobodys);
  hints_.Prune(table_);
  ASSERT_EQ(Known(), Pids{11});
  EXPECT_EQ(hint.dir, table_.DirOf(table_.Find(11)));
}

TEST_F(OwnerHintsTest, TheMostRecentAreOfTheUserAndNoMoreThanAskedFor) {
  for (int32_t pid : {11, 12, 13}) Note(pid, 3);
  Note(20, FdSlot{0, 3}, 2000);
  EXPECT_EQ(Known(kUid, 2), (Pids{11, 12}));
  EXPECT_EQ(Known(kUid, 0), Pids{});
  EXPECT_EQ(Known(2000), Pids{20});
}

TEST_F(OwnerHintsTest, ClearedOnesHoldNoDirectory) {
  Note(11, 3);
  const int before = fs_->open_dirs;
  table_.Forget(table_.Find(11));
  EXPECT_EQ(fs_->open_dirs, before) << "the hint holds it still";
  hints_.Clear();
  EXPECT_EQ(fs_->open_dirs, before - 1);
}

// On the real /proc: the fake's own strings would be counted too.
TEST(OwnerHints, ASearchAllocatesNothing) {
  auto fs = OpenProcFs();
  ASSERT_TRUE(fs.ok()) << fs.status();
  std::unique_ptr<ProcDir> dir;
  ASSERT_EQ((*fs)->OpenProcess(getpid(), &dir), 0);
  const UniqueFd socket = UdpSocket();
  struct stat about;
  ASSERT_EQ(fstat(socket.get(), &about), 0);
  const auto process = std::make_shared<TrackedProcess>(
      TrackedProcess::Birth{.id = {getpid(), 1}});
  OwnerHints hints;
  hints.Note({process, {0, socket.get() - 1}}, std::move(dir), kUid);

  const uint64_t before = sallyport::testing::AllocationsOfThisThread();
  const OwnerHints::Hint* found = hints.Search(about.st_ino, kUid);
  const OwnerHints::Hint* missed = hints.Search(kNobodys, kUid);
  EXPECT_EQ(sallyport::testing::AllocationsOfThisThread(), before);
  EXPECT_NE(found, nullptr);
  EXPECT_EQ(missed, nullptr);
}

}  // namespace
}  // namespace sallyport::proc
