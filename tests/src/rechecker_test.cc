#include "src/rechecker.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "tests/engine/fakes.h"
#include "tests/engine/flow_fakes.h"
#include "tests/engine/netns.h"
#include "tests/src/log_capture.h"

namespace sallyport {
namespace {

constexpr char kDenied[] = "/usr/bin/denied";

JudgeSettings Enforcing() {
  JudgeSettings settings;
  settings.mode = Mode::kEnforce;
  return settings;
}

std::shared_ptr<const RuleSet> Rules(std::vector<Rule> rules) {
  return *RuleSet::Build(std::move(rules));
}

// A policy that asks for a recheck whenever it changes, as the daemon's does.
// What the fakes hold is the thread's while it works: it is looked at after
// WaitUntilDone only.
class RecheckerTest : public testing::Test {
 protected:
  RecheckerTest() {
    world_.owners[80] = MakeProcess(kDenied, 80);
    world_.owners[443] = MakeProcess("/usr/bin/allowed", 443);
    auto conntrack = std::make_unique<FakeConntrack>(log_);
    conntrack_ = conntrack.get();
    conntrack_->entries = {FlowEntry(1, kProtoTcp, 80),
                           FlowEntry(2, kProtoTcp, 443)};
    conntrack_->before_dump = [this] { ++dumps_; };
    rechecker_ = std::make_unique<Rechecker>(
        policy_, std::make_unique<FakeResolver>(world_), sink_, MarkBits{},
        std::move(conntrack), std::make_unique<FakeDestroyer>(log_));
  }

  void RequestAndWait() {
    rechecker_->Request();
    rechecker_->WaitUntilDone();
  }

  FakeWorld world_;
  CallLog log_;
  FakeSink sink_;
  std::atomic<int> dumps_{0};
  PolicyPublisher policy_{Rules({}), Enforcing(),
                          [this] { rechecker_->Request(); }};
  std::unique_ptr<Rechecker> rechecker_;
  FakeConntrack* conntrack_ = nullptr;  // the rechecker's
};

TEST_F(RecheckerTest, LooksWhenItIsAskedToAndNotBefore) {
  rechecker_->WaitUntilDone();
  EXPECT_EQ(dumps_, 0);
  RequestAndWait();
  EXPECT_EQ(dumps_, 1);
  EXPECT_TRUE(log_.empty()) << "everything is allowed still";
}

TEST_F(RecheckerTest, B05_ARuleThatIsNewCutsWhatItNoLongerAllows) {
  policy_.SetRules(Rules({DenyApp(kDenied)}));
  rechecker_->WaitUntilDone();
  EXPECT_EQ(log_, (CallLog{"destroy 80", "delete 1"}));
  const std::vector<DecisionRecord> records = sink_.WaitFor(0);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].flow.dst_port, 80);
  EXPECT_EQ(records[0].decision.verdict, Verdict::kDeny);
}

TEST_F(RecheckerTest, B05_AModeThatIsStricterCutsToo) {
  policy_.SetMode(Mode::kMonitor);
  policy_.SetRules(Rules({DenyApp(kDenied)}));
  rechecker_->WaitUntilDone();
  EXPECT_TRUE(log_.empty());
  policy_.SetMode(Mode::kEnforce);
  rechecker_->WaitUntilDone();
  EXPECT_EQ(log_, (CallLog{"destroy 80", "delete 1"}));
}

TEST_F(RecheckerTest, RequestsWhileItWorksAreOneForAfterwards) {
  std::atomic<bool> may_go_on = false;
  conntrack_->before_dump = [&] {
    if (++dumps_ > 1) return;
    EXPECT_TRUE(WaitUntil([&] { return may_go_on.load(); }));
  };
  rechecker_->Request();
  ASSERT_TRUE(WaitUntil([&] { return dumps_ == 1; }));
  // It is in the middle of its work: none of these waits for that, and what
  // they are about may have come too late for it.
  for (int times = 0; times < 3; ++times) rechecker_->Request();
  may_go_on = true;
  rechecker_->WaitUntilDone();
  EXPECT_EQ(dumps_, 2);
}

TEST_F(RecheckerTest, WaitingEndsWithTheWorkAndNotWithItsBeginning) {
  std::atomic<bool> has_begun = false;
  std::atomic<bool> has_ended = false;
  conntrack_->before_dump = [&] {
    has_begun = true;
    // Long enough for one who does not wait to be seen; nobody's order hangs
    // on it.
    const int64_t end_ns = MonotonicNs() + 20'000'000;
    while (MonotonicNs() < end_ns) sched_yield();
    has_ended = true;
  };
  rechecker_->Request();
  ASSERT_TRUE(WaitUntil([&] { return has_begun.load(); }));
  rechecker_->WaitUntilDone();
  EXPECT_TRUE(has_ended);
}

TEST_F(RecheckerTest, AWalkThatFailsIsToldAndTheNextOneIsDone) {
  LogCapture said;
  conntrack_->dump_status = absl::UnavailableError("no memory");
  policy_.SetRules(Rules({DenyApp(kDenied)}));
  rechecker_->WaitUntilDone();
  EXPECT_EQ(said.Count("could not be looked at again: no memory"), 1);
  EXPECT_TRUE(log_.empty());
  conntrack_->dump_status = absl::OkStatus();
  RequestAndWait();
  EXPECT_EQ(log_, (CallLog{"destroy 80", "delete 1"}));
}

TEST_F(RecheckerTest, SaysWhatWasCutAndNothingIfNothingWas) {
  LogCapture said;
  RequestAndWait();
  EXPECT_EQ(said.text(), "");
  policy_.SetRules(Rules({DenyApp(kDenied)}));
  rechecker_->WaitUntilDone();
  EXPECT_EQ(said.Count("1 of 2 flows cut, 0 could not be\n"), 1);
}

TEST_F(RecheckerTest, SaysWhatCouldNotBeLookedAtOrCut) {
  LogCapture said;
  conntrack_->truncated = true;
  RequestAndWait();
  EXPECT_EQ(said.Count("0 of 2 flows cut, 0 could not be; there are more"), 1);
  conntrack_->truncated = false;
  conntrack_->delete_status[1] = absl::UnavailableError("busy");
  policy_.SetRules(Rules({DenyApp(kDenied)}));
  rechecker_->WaitUntilDone();
  EXPECT_EQ(said.Count("0 of 2 flows cut, 1 could not be\n"), 1);
}

TEST_F(RecheckerTest, EndsInTheMiddleOfAWalk) {
  constexpr int kFlows = 200'000;
  conntrack_->entries.assign(kFlows, FlowEntry(2, kProtoTcp, 443));
  std::atomic<int> seen = 0;
  std::atomic<bool> ends = false;
  world_.before_slow_answer = [&] {
    if (++seen > 1) return;
    EXPECT_TRUE(WaitUntil([&] { return ends.load(); }));
  };
  LogCapture said;
  rechecker_->Request();
  ASSERT_TRUE(WaitUntil([&] { return seen > 0; }));
  ends = true;
  rechecker_.reset();
  EXPECT_LT(seen, kFlows);
  EXPECT_EQ(said.Count("there are more"), 1);
}

using RecheckerInNetnsTest = NetnsTest;

TEST_F(RecheckerInNetnsTest, OpensWhatItNeeds) {
  PolicyPublisher policy(Rules({}), Enforcing(), [] {});
  FakeWorld world;
  FakeSink sink;
  LogCapture said;
  auto rechecker = Rechecker::Start(
      policy, std::make_unique<FakeResolver>(world), sink, MarkBits{});
  ASSERT_TRUE(rechecker.ok()) << rechecker.status();
  (*rechecker)->Request();
  (*rechecker)->WaitUntilDone();
  EXPECT_EQ(said.text(), "") << "an empty table is no error";
}

}  // namespace
}  // namespace sallyport
