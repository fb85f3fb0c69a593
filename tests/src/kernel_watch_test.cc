// The watch over a divert and process events of the test's own; what it hears
// of the ruleset comes from the kernel, in a network namespace of the test's.

#include "src/kernel_watch.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/flow_fakes.h"
#include "tests/engine/netns.h"
#include "tests/proc/fake_proc_fs.h"
#include "tests/src/log_capture.h"

namespace sallyport {
namespace {

// What was asked of divert and events, in order. Any thread.
class SharedLog {
 public:
  void Add(const std::string& call) {
    std::lock_guard lock(mutex_);
    calls_.push_back(call);
  }
  CallLog calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }
  int Count(const std::string& call) const {
    std::lock_guard lock(mutex_);
    return static_cast<int>(std::count(calls_.begin(), calls_.end(), call));
  }

 private:
  mutable std::mutex mutex_;
  CallLog calls_;
};

// FakeDivert, for the test's thread and the watch's.
class SharedDivert final : public Divert {
 public:
  explicit SharedDivert(SharedLog& log) : log_(log) {}

  // `attempts` installs fail, then one works.
  void Damage(size_t attempts = 0) {
    std::lock_guard lock(mutex_);
    fake_.intact = false;
    fake_.install_statuses.assign(attempts, absl::UnavailableError("busy"));
  }
  void Mend() {
    std::lock_guard lock(mutex_);
    fake_.intact = true;
  }
  void FailToVerify(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    fake_.verify_status = status;
  }
  // The next Verify waits until `go_on` says so.
  void HoldUp(const std::function<bool()>& go_on) {
    std::lock_guard lock(mutex_);
    go_on_ = go_on;
  }

  absl::Status Install() override {
    log_.Add("install");
    std::lock_guard lock(mutex_);
    return fake_.Install();
  }
  absl::Status Remove() override { return absl::OkStatus(); }
  absl::StatusOr<bool> Verify() override {
    log_.Add("verify");
    std::function<bool()> go_on;
    {
      std::lock_guard lock(mutex_);
      go_on = std::exchange(go_on_, nullptr);
    }
    if (go_on) {
      EXPECT_TRUE(WaitUntil(go_on));
    }
    std::lock_guard lock(mutex_);
    return fake_.Verify();
  }
  DivertState state() const override { return {}; }

 private:
  SharedLog& log_;
  std::mutex mutex_;
  FakeDivert fake_;
  std::function<bool()> go_on_;
};

// One process is born each time the test says so, until it breaks.
class FakeBirths final : public ProcessEventSource {
 public:
  FakeBirths(SharedLog& log, int32_t pid)
      : log_(log), pid_(pid), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~FakeBirths() override { close(fd_); }

  void Happen() { eventfd_write(fd_, 1); }
  void Break() {
    is_broken_ = true;
    Happen();
  }

  int fd() const override { return fd_; }
  int Read(std::span<ProcessEvent> events) override {
    if (is_broken_) {
      log_.Add("broken");
      return -EIO;  // and stays readable
    }
    eventfd_t count;
    if (eventfd_read(fd_, &count) != 0) return 0;
    log_.Add("read");
    events[0] = {ProcessEvent::Kind::kFork, pid_};
    return 1;
  }
  bool is_drained() const override { return true; }

 private:
  SharedLog& log_;
  const int32_t pid_;
  const int fd_;
  std::atomic<bool> is_broken_{false};
};

constexpr int32_t kChild = 11;

class KernelWatchTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    MustRun("nft 'add table inet sallyport; add table inet somebody'");
  }
  void TearDown() override {
    watch_.reset();
    NetnsTest::TearDown();
  }

  void Start(std::shared_ptr<ProcessEventFeed> events = nullptr) {
    auto watch =
        KernelWatch::Start(divert_, std::move(events), [this] { ++repaired_; });
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }
  void StartWithBirths() {
    fs_->Add(1, "/sbin/init", 0, 0);
    ASSERT_TRUE(processes_->Prime().ok());
    fs_->Add(kChild, "/bin/sh");
    auto births = std::make_unique<FakeBirths>(log_, kChild);
    births_ = births.get();
    feed_ = std::make_shared<ProcessEventFeed>(std::move(births), processes_);
    Start(feed_);
  }
  // A change that the kernel tells of, in one message.
  void Change(const std::string& table) {
    MustRun(absl::StrCat("nft add chain inet ", table, " c", ++changes_));
  }
  void ChangeOurs() { Change("sallyport"); }
  bool WaitForCalls(const std::string& call, int count) {
    return WaitUntil([&] { return log_.Count(call) >= count; });
  }

  SharedLog log_;
  SharedDivert divert_{log_};
  std::atomic<int> repaired_{0};
  std::shared_ptr<FakeProcFs> fs_ = std::make_shared<FakeProcFs>();
  std::shared_ptr<ProcessTable> processes_ =
      std::make_shared<ProcessTable>(fs_);
  std::shared_ptr<ProcessEventFeed> feed_;  // outlives the watch
  FakeBirths* births_ = nullptr;            // the feed's
  std::unique_ptr<KernelWatch> watch_;
  int changes_ = 0;
};

TEST_F(KernelWatchTest, F07_ADamagedRulesetIsPutBackAndItsGapIsTold) {
  LogCapture said;
  Start();
  divert_.Damage();
  ChangeOurs();
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
  EXPECT_EQ(log_.calls(), (CallLog{"verify", "install"}));
  EXPECT_EQ(said.Count("changed by somebody else and has been put back"), 1);
}

// Our own transactions are heard like those of others.
TEST_F(KernelWatchTest, AChangeThatDamagedNothingIsLookedAtAndLeftAlone) {
  LogCapture said;
  Start();
  ChangeOurs();
  ASSERT_TRUE(WaitForCalls("verify", 1));
  divert_.Damage();
  ChangeOurs();
  ASSERT_TRUE(WaitUntil([&] { return repaired_ > 0; }));
  EXPECT_EQ(log_.calls(), (CallLog{"verify", "verify", "install"}));
  EXPECT_EQ(repaired_, 1);
  EXPECT_EQ(said.Count("put back"), 1);
}

TEST_F(KernelWatchTest, TablesOfOthersAreNotOurs) {
  StartWithBirths();
  Change("somebody");
  // The second is read in a turn that began after the change.
  for (int turn = 1; turn <= 2; ++turn) {
    births_->Happen();
    ASSERT_TRUE(WaitForCalls("read", turn));
  }
  EXPECT_EQ(log_.Count("verify"), 0);
}

TEST_F(KernelWatchTest, F07_ARepairThatFailsIsTriedUntilItWorks) {
  LogCapture said;
  Start();
  divert_.Damage(2);
  ChangeOurs();
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
  EXPECT_EQ(log_.Count("install"), 3);
  EXPECT_EQ(said.Count("can't be put back, we go on trying: busy"), 1)
      << "once, not every time";
  EXPECT_EQ(said.Count("has been put back"), 1);
}

TEST_F(KernelWatchTest, F07_ARulesetThatCannotBeReadIsLookedAtAgain) {
  LogCapture said;
  Start();
  divert_.FailToVerify(absl::UnavailableError("no memory"));
  ChangeOurs();
  ASSERT_TRUE(WaitForCalls("verify", 2));
  divert_.Damage();
  divert_.FailToVerify(absl::OkStatus());
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
  EXPECT_EQ(said.Count("we go on trying: no memory"), 1);
}

// Whoever mended it, it was damaged: what left meanwhile was not judged.
TEST_F(KernelWatchTest, F07_AGapIsToldAlsoIfSomebodyElseMendedTheRuleset) {
  LogCapture said;
  Start();
  divert_.Damage(1000);
  ChangeOurs();
  ASSERT_TRUE(WaitForCalls("install", 1));
  EXPECT_EQ(repaired_, 0);
  divert_.Mend();
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
}

TEST_F(KernelWatchTest, EndsWhileItGoesOnTrying) {
  LogCapture said;
  Start();
  divert_.Damage(1'000'000);
  ChangeOurs();
  ASSERT_TRUE(WaitForCalls("install", 2));
  watch_.reset();
  const int tries = log_.Count("install");
  ChangeOurs();
  EXPECT_EQ(log_.Count("install"), tries);
  EXPECT_EQ(repaired_, 0);
}

TEST_F(KernelWatchTest, ProcessEventsReachTheTable) {
  StartWithBirths();
  EXPECT_TRUE(watch_->has_process_events());
  EXPECT_EQ(processes_->process_count(), 1u);
  births_->Happen();
  EXPECT_TRUE(WaitUntil([&] { return processes_->process_count() == 2; }));
}

// While the ruleset is gone, packets leave unjudged.
TEST_F(KernelWatchTest, TheRulesetComesBeforeProcessEvents) {
  StartWithBirths();
  std::atomic<bool> may_go_on = false;
  divert_.HoldUp([&] { return may_go_on.load(); });
  ChangeOurs();
  ASSERT_TRUE(WaitForCalls("verify", 1));
  // Both have something to say when the watch asks the next time.
  births_->Happen();
  ChangeOurs();
  may_go_on = true;
  ASSERT_TRUE(WaitForCalls("read", 1));
  EXPECT_EQ(log_.calls(), (CallLog{"verify", "verify", "read"}));
}

TEST_F(KernelWatchTest, WithoutProcessEventsTheRulesetIsWatched) {
  LogCapture said;
  Start();
  EXPECT_FALSE(watch_->has_process_events());
  divert_.Damage();
  ChangeOurs();
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
}

TEST_F(KernelWatchTest, ABrokenSourceIsLetGoAndTheRulesetIsWatchedStill) {
  LogCapture said;
  StartWithBirths();
  births_->Break();
  EXPECT_TRUE(WaitUntil([&] { return !watch_->has_process_events(); }));
  divert_.Damage();
  ChangeOurs();
  EXPECT_TRUE(WaitUntil([&] { return repaired_ == 1; }));
  EXPECT_EQ(said.Count("no more process events"), 1);
  EXPECT_EQ(log_.Count("broken"), 1) << "it was asked again";
}

}  // namespace
}  // namespace sallyport
