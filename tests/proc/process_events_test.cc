// Process events, and what a lookup saves where they are to be had.

#include "proc/process_events.h"

#include <cerrno>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/proc/resolver_fixture.h"

namespace sallyport {
namespace {

using Kind = ProcessEvent::Kind;

// What the kernel has queued for us.
class FakeSource : public ProcessEventSource {
 public:
  int fd() const override { return -1; }
  int Read(std::span<ProcessEvent> events) override {
    if (on_read) on_read();
    size_t count = 0;
    while (count < events.size() && !queued.empty()) {
      events[count++] = queued.front();
      queued.pop_front();
    }
    // As the connector's: an error waits for the events before it.
    return count == 0 && error != 0 ? std::exchange(error, 0)
                                    : static_cast<int>(count);
  }
  bool is_drained() const override { return error == 0 && queued.empty(); }

  std::deque<ProcessEvent> queued;
  int error = 0;
  std::function<void()> on_read;
};

class ProcessEventsTest : public ResolverTest {
 protected:
  void StartWithNews() {
    auto source = std::make_unique<FakeSource>();
    source_ = source.get();
    Start();
    feed_ = std::make_shared<ProcessEventFeed>(std::move(source), table_);
    ProcResolverOptions options;
    options.news = feed_;
    resolver_ = CreateProcResolver(
        table_, std::make_unique<FakeSocketLookup>(&kernel_), options);
  }
  void Tell(Kind kind, int32_t pid) { source_->queued.push_back({kind, pid}); }
  void TellAndHear(Kind kind, int32_t pid) {
    Tell(kind, pid);
    ASSERT_TRUE(feed_->HandleReadable().ok());
  }
  // A program that has sent before, from descriptor 3.
  void StartWithWarmPython() {
    fs_->Add(11, "/bin/python");
    StartWithNews();
    fs_->Hold(11, 3, 78);
    ResolveSocket(78);
    fs_->Hold(11, 3, 79);
    ResolveSocket(79);
    fs_->Hold(11, 3, 80);
    fs_->calls.clear();
  }

  std::shared_ptr<ProcessEventFeed> feed_;
  FakeSource* source_ = nullptr;  // the feed's
};

TEST_F(ProcessEventsTest, WarmLookupReadsOneLinkAndNothingElseByName) {
  StartWithWarmPython();
  Ownership owner = ResolveSocket(80);
  EXPECT_EQ(Pids(owner), Pid{11});
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(fs_->calls,
            (std::vector<std::string>{"11 readlink fd/3", "0 fstat exe"}));
}

TEST_F(ProcessEventsTest, NewProcessIsKnownBeforeItsFirstPacket) {
  StartWithNews();
  fs_->Add(11, "/bin/sh");
  TellAndHear(Kind::kFork, 11);
  fs_->SetExe(fs_->At(11), "/bin/wget");
  TellAndHear(Kind::kExec, 11);
  fs_->Hold(11, 3, 78);
  fs_->calls.clear();
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{11});
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/wget");
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(fs_->CountCalls("11 read stat"), 0);
  EXPECT_EQ(fs_->CountCalls("newest"), 0);
  EXPECT_FALSE(was_slow_);
}

// What the exec closed may be opened again, and must not be passed over.
TEST_F(ProcessEventsTest, DescriptorUsedAgainAfterAnExecIsFoundAtOnce) {
  fs_->Add(10, "/bin/sh");
  fs_->At(10).links["fd/3"] = "pipe:[5]";
  StartWithNews();
  fs_->Fork(10, 11);
  TellAndHear(Kind::kFork, 11);
  fs_->Close(11, 3);
  fs_->SetExe(fs_->At(11), "/bin/wget");
  TellAndHear(Kind::kExec, 11);
  fs_->Hold(11, 3, 78);
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(Pids(owner), Pid{11});
  EXPECT_FALSE(was_slow_);
}

TEST_F(ProcessEventsTest, A03_ExecThatWasHeardIsLookedAt) {
  StartWithWarmPython();
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  TellAndHear(Kind::kExec, 11);
  Ownership owner = ResolveSocket(80);
  ASSERT_EQ(owner.owners.size(), 2u);
  EXPECT_EQ(owner.owners[1]->app->path, "/bin/sleep");
}

TEST_F(ProcessEventsTest, A03_ExecThatIsNotYetHeardIsLookedAt) {
  StartWithWarmPython();
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  Tell(Kind::kExec, 11);
  Ownership owner = ResolveSocket(80);
  ASSERT_EQ(owner.owners.size(), 2u);
  EXPECT_EQ(owner.owners[1]->app->path, "/bin/sleep");
}

TEST_F(ProcessEventsTest, A03_ExecTheKernelNeverToldIsSeenAfterASecond) {
  StartWithWarmPython();
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  now_ns_ += 1001 * kMs;
  Ownership owner = ResolveSocket(80);
  ASSERT_EQ(owner.owners.size(), 2u);
  EXPECT_EQ(owner.owners[1]->app->path, "/bin/sleep");
}

TEST_F(ProcessEventsTest, A04_DeletionIsSeenThoughNobodyTells) {
  StartWithWarmPython();
  fs_->At(11).exe = "/bin/python (deleted)";
  fs_->At(11).exe_stat.link_count = 0;
  fs_->host_files.erase("/bin/python");
  Ownership owner = ResolveSocket(80);
  ASSERT_EQ(owner.owners.size(), 1u);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ProcessEventsTest, A17_ChildIsAnOwnerWhetherHeardOrNot) {
  for (bool heard : {true, false}) {
    StartWithWarmPython();
    ResolveSocket(80);
    const int32_t child = heard ? 12 : 13;
    fs_->Fork(11, child);
    Tell(Kind::kFork, child);
    if (heard) {
      ASSERT_TRUE(feed_->HandleReadable().ok());
    }
    Ownership owner = ResolveSocket(80);
    EXPECT_EQ(Pids(owner), (Pid{11, child})) << heard;
    fs_->Exit(child);
  }
}

TEST_F(ProcessEventsTest, EventsOnTheirWayToTheTableAreNotHeardYet) {
  StartWithNews();
  EXPECT_TRUE(feed_->is_all_heard());
  Tell(Kind::kFork, 11);
  EXPECT_FALSE(feed_->is_all_heard());
  bool was_heard = false;
  source_->on_read = [&] {
    source_->on_read = nullptr;
    source_->queued.clear();
    was_heard = feed_->is_all_heard();
  };
  ASSERT_TRUE(feed_->HandleReadable().ok());
  EXPECT_FALSE(was_heard);
  EXPECT_TRUE(feed_->is_all_heard());
}

TEST_F(ProcessEventsTest, AfterALossAnExecThatWasLostIsSeen) {
  StartWithWarmPython();
  fs_->Add(12, "/bin/sh");
  Tell(Kind::kFork, 12);  // and then, in the same batch:
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  source_->error = -ENOBUFS;
  EXPECT_FALSE(feed_->is_all_heard());
  ASSERT_TRUE(feed_->HandleReadable().ok());
  EXPECT_EQ(feed_->losses(), 1u);
  EXPECT_TRUE(feed_->is_all_heard());
  EXPECT_EQ(ResolveSocket(80).owners.back()->app->path, "/bin/sleep");
}

TEST_F(ProcessEventsTest, LossIsMadeGoodOnlyOnceProcCanBeListed) {
  StartWithWarmPython();
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  source_->error = -ENOBUFS;
  fs_->errors["0 list /proc"] = -ENFILE;
  ASSERT_TRUE(feed_->HandleReadable().ok());
  EXPECT_FALSE(feed_->is_all_heard());
  EXPECT_EQ(ResolveSocket(80).owners.back()->app->path, "/bin/sleep");
  fs_->errors.clear();
  ASSERT_TRUE(feed_->HandleReadable().ok());
  EXPECT_TRUE(feed_->is_all_heard());
}

// The kernel may lose its word of a fork for want of memory, unnoticed.
TEST_F(ProcessEventsTest, ForkTheKernelNeverToldIsSeenAfter100Milliseconds) {
  StartWithWarmPython();
  ResolveSocket(80);
  fs_->Fork(11, 12);
  now_ns_ += 101 * kMs;
  EXPECT_EQ(Pids(ResolveSocket(80)), (Pid{11, 12}));
}

TEST_F(ProcessEventsTest, A17_LineOfAncestorsGoesOnOverTheDead) {
  StartWithWarmPython();  // 11 has made socket 80
  fs_->Fork(11, 12);
  TellAndHear(Kind::kFork, 12);
  fs_->Fork(12, 13);
  TellAndHear(Kind::kFork, 13);
  fs_->Exit(12);
  TellAndHear(Kind::kExit, 12);
  Ownership owner = ResolveSocket(80);
  EXPECT_EQ(Pids(owner), (Pid{11, 13}));
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
}

TEST_F(ProcessEventsTest, A17_ParentThatMovedItsCopyIsAnOwnerToo) {
  StartWithWarmPython();
  fs_->Fork(11, 12);
  TellAndHear(Kind::kFork, 12);
  fs_->Close(11, 3);
  fs_->Hold(11, 50, 80);
  Ownership owner = ResolveSocket(80);
  EXPECT_EQ(Pids(owner), (Pid{11, 12}));
}

// Nobody remembers who stood between: everybody is asked.
TEST_F(ProcessEventsTest, A17_BrokenLineIsAQuestionToEverybody) {
  fs_->Add(10, "/bin/listener");
  StartWithNews();
  fs_->Hold(10, 7, 80);
  fs_->Add(13, "/bin/sleep", kUid, 12);  // of 12, which was never seen
  fs_->Hold(13, 7, 80);
  TellAndHear(Kind::kFork, 13);
  Ownership owner = ResolveSocket(80);
  EXPECT_EQ(Pids(owner), (Pid{10, 13}));
  EXPECT_TRUE(was_slow_);
}

TEST_F(ProcessEventsTest, BrokenSourceIsNeverTrustedAgain) {
  StartWithWarmPython();
  source_->error = -EIO;
  EXPECT_FALSE(feed_->HandleReadable().ok());
  EXPECT_FALSE(feed_->is_all_heard());
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  EXPECT_EQ(ResolveSocket(80).owners.back()->app->path, "/bin/sleep");
}

TEST_F(ProcessEventsTest, DeadProcessIsForgotten) {
  fs_->Add(11, "/bin/python");
  StartWithNews();
  const size_t before = table_->process_count();
  fs_->Exit(11);
  TellAndHear(Kind::kExit, 11);
  EXPECT_EQ(table_->process_count(), before - 1);
}

}  // namespace
}  // namespace sallyport
