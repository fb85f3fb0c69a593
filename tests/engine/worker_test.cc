#include "engine/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/engine/fakes.h"

namespace sallyport {
namespace {

Rule MakeRule(const std::string& name, RulePolicy policy,
              const std::string& app) {
  Rule rule;
  rule.name = name;
  rule.policy = policy;
  rule.app = app;
  return rule;
}

std::unique_ptr<const PolicySnapshot> MakePolicy(std::vector<Rule> rules,
                                                 Mode mode = Mode::kEnforce) {
  auto policy = std::make_unique<PolicySnapshot>();
  policy->rules = *RuleSet::Build(std::move(rules));
  policy->settings.mode = mode;
  policy->settings.default_verdict = Verdict::kDeny;
  policy->settings.unattributed_verdict = Verdict::kDeny;
  return policy;
}

// A worker with its thread, over fakes. Port 80 is curl's, 81 wget's.
class WorkerTest : public ::testing::Test {
 protected:
  void Start(std::vector<Rule> rules, FailPosture posture,
             Mode mode = Mode::kEnforce) {
    world_.owners[80] = MakeProcess("/usr/bin/curl");
    world_.owners[81] = MakeProcess("/usr/bin/wget");
    table_ = std::make_unique<RuleTable>(MakePolicy(std::move(rules), mode));
    fail_policy_ = std::make_unique<FailPolicy>(posture);
    lane_ = std::make_unique<SlowLane>(
        2, [this] { return std::make_unique<FakeResolver>(world_); }, *table_,
        sink_, *fail_policy_, interfaces_);
    worker_ = std::make_unique<Worker>(
        WorkerParts{queue_, resolver_, *table_, *lane_, sink_, *fail_policy_,
                    canary_, interfaces_},
        0);
    thread_ = std::thread([this] { returned_ = worker_->Run(); });
  }
  void StopWorker() {
    worker_->Stop();
    thread_.join();
  }
  ~WorkerTest() override {
    if (thread_.joinable()) StopWorker();
  }

  FakeWorld world_;
  FakeQueue queue_;
  FakeResolver resolver_{world_};
  FakeSink sink_;
  FakeLinkLookup links_;
  InterfaceTable interfaces_{links_};
  Canary canary_{1, MarkBits{}};
  std::unique_ptr<RuleTable> table_;
  std::unique_ptr<FailPolicy> fail_policy_;
  std::unique_ptr<SlowLane> lane_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
  bool returned_ = false;
};

TEST_F(WorkerTest, AnswersByRuleAndRecordsTheDecision) {
  Start({MakeRule("curl", RulePolicy::kAllow, "/usr/bin/curl"),
         MakeRule("wget", RulePolicy::kReject, "/usr/bin/wget")},
        FailPosture::kClosed);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 80)), 0x42);
  queue_.Feed(2, Ipv4(6, Tcp(1000, 81)));
  queue_.Feed(3, Ipv4(6, Tcp(1000, 82)));
  const auto answers = queue_.WaitForAnswers(3);
  EXPECT_EQ(answers[0].verdict, Verdict::kAllow);
  EXPECT_EQ(answers[0].mark, 0x42u);
  EXPECT_EQ(answers[1].verdict, Verdict::kReject);
  EXPECT_EQ(answers[2].verdict, Verdict::kDeny);
  const auto records = sink_.WaitFor(3);
  EXPECT_EQ(std::string(records[0].rule_name, records[0].rule_name_length),
            "curl");
  EXPECT_EQ(records[2].decision.reason, Reason::kUnattributed);
  EXPECT_GT(records[0].latency_ns, 0);
}

TEST_F(WorkerTest, B18_MalformedIsDeniedAndRecorded) {
  Start({MakeRule("all", RulePolicy::kAllow, "any")}, FailPosture::kOpen);
  queue_.Feed(1, {0x45, 0});
  queue_.Feed(2, {});
  EXPECT_EQ(queue_.WaitForAnswers(2)[0].verdict, Verdict::kDeny);
  EXPECT_EQ(sink_.WaitFor(2)[1].decision.reason, Reason::kMalformed);
}

TEST_F(WorkerTest, MonitorAllowsButSaysWhatWouldHaveHappened) {
  Start({}, FailPosture::kClosed, Mode::kMonitor);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 80)));
  queue_.Feed(2, {0x45});
  EXPECT_EQ(queue_.WaitForAnswers(2)[0].verdict, Verdict::kAllow);
  EXPECT_EQ(queue_.WaitForAnswers(2)[1].verdict, Verdict::kAllow);
  EXPECT_TRUE(sink_.WaitFor(1)[0].decision.would_deny());
}

TEST_F(WorkerTest, ASlowLookUpDelaysNobodyElse) {
  // The story: one big scan of /proc held up every other program's packets.
  // Here the slow look-up can only end after a later packet was answered.
  std::mutex gate;
  gate.lock();
  world_.slow[90] = true;
  world_.owners[90] = MakeProcess("/usr/bin/curl");
  world_.before_slow_answer = [&gate] { std::lock_guard wait(gate); };
  Start({MakeRule("curl", RulePolicy::kAllow, "/usr/bin/curl")},
        FailPosture::kClosed);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 90)));
  queue_.Feed(2, Ipv4(6, Tcp(1000, 80)));
  EXPECT_EQ(queue_.WaitForAnswers(1)[0].id, 2u);
  gate.unlock();
  const auto answers = queue_.WaitForAnswers(2);
  EXPECT_EQ(answers[1].id, 1u);
  EXPECT_EQ(answers[1].verdict, Verdict::kAllow);
  // Two threads hand on their records: in any order.
  const auto records = sink_.WaitFor(2);
  EXPECT_EQ(std::count_if(records.begin(), records.end(),
                          [](const auto& record) {
                            return record.stage == Stage::kSlow;
                          }),
            1);
}

TEST_F(WorkerTest, TheSlowLaneJudgesByTheRulesOfTheMomentItAnswers) {
  std::mutex gate;
  gate.lock();
  world_.slow[90] = true;
  world_.owners[90] = MakeProcess("/usr/bin/curl");
  world_.before_slow_answer = [&gate] { std::lock_guard wait(gate); };
  Start({MakeRule("curl", RulePolicy::kAllow, "/usr/bin/curl")},
        FailPosture::kClosed);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 90)));
  queue_.Feed(2, Ipv4(6, Tcp(1000, 80)));
  queue_.WaitForAnswers(1);
  table_->Publish(
      MakePolicy({MakeRule("curl", RulePolicy::kDeny, "/usr/bin/curl")}));
  table_->Synchronize();  // a look-up under way must not hold this up
  gate.unlock();
  EXPECT_EQ(queue_.WaitForAnswers(2)[1].verdict, Verdict::kDeny);
}

TEST_F(WorkerTest, AHashIsComputedOnlyWhereARuleAsksForIt) {
  int hashed = 0;
  world_.sha256 = [&hashed] {
    ++hashed;
    return std::string(64, 'a');
  };
  Rule pinned = MakeRule("wget", RulePolicy::kAllow, "/usr/bin/wget");
  pinned.sha256 = {std::string(64, 'a')};
  Start({MakeRule("curl", RulePolicy::kAllow, "/usr/bin/curl"), pinned},
        FailPosture::kClosed);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 80)));
  queue_.WaitForAnswers(1);
  EXPECT_EQ(hashed, 0);
  queue_.Feed(2, Ipv4(6, Tcp(1000, 81)));
  EXPECT_EQ(queue_.WaitForAnswers(2)[1].verdict, Verdict::kAllow);
  EXPECT_EQ(hashed, 1);
}

TEST_F(WorkerTest, AFullSlowLaneAppliesTheFailPolicy) {
  std::mutex gate;
  gate.lock();
  world_.slow[90] = true;
  world_.before_slow_answer = [&gate] { std::lock_guard wait(gate); };
  Start({}, FailPosture::kOpen);
  // Both lane threads hold one each, the lane holds its bound, one is over.
  const uint32_t total = kSlowPacketsMax + 3;
  for (uint32_t i = 0; i < total; ++i) {
    queue_.Feed(i, Ipv4(6, Tcp(1000, 90)));
  }
  const auto answers = queue_.WaitForAnswers(1);
  EXPECT_EQ(answers[0].verdict, Verdict::kAllow);
  EXPECT_GE(fail_policy_->applied(), 1u);
  EXPECT_EQ(sink_.WaitFor(1)[0].decision.reason, Reason::kFailure);
  gate.unlock();
  EXPECT_EQ(queue_.WaitForAnswers(total).size(), total);
}

TEST_F(WorkerTest, ARuleForADeviceLooksItUpOnce) {
  Rule vpn = MakeRule("vpn", RulePolicy::kAllow, "/usr/bin/curl");
  vpn.interface = {"vpn"};
  links_.Set(5, {"wg0", true});
  links_.Set(6, {"eth0", false});
  Start({vpn}, FailPosture::kClosed);
  queue_.Feed(1, Ipv4(6, Tcp(1000, 80)), 0, 5);
  queue_.WaitForAnswers(1);
  queue_.Feed(2, Ipv4(6, Tcp(1001, 80)), 0, 5);
  queue_.WaitForAnswers(2);
  queue_.Feed(3, Ipv4(6, Tcp(1002, 80)), 0, 6);
  auto answers = queue_.WaitForAnswers(3);
  EXPECT_EQ(answers[0].verdict, Verdict::kAllow);
  EXPECT_EQ(answers[1].verdict, Verdict::kAllow);
  EXPECT_EQ(answers[2].verdict, Verdict::kDeny);
  EXPECT_EQ(links_.calls(), 2);
  // Two threads hand on their records: in any order.
  for (const auto& record : sink_.WaitFor(3)) {
    const bool known = record.flow.src_port == 1001;
    EXPECT_EQ(record.stage, known ? Stage::kQueue : Stage::kSlow);
  }
  // No such device: we cannot judge, so the posture does.
  queue_.Feed(4, Ipv4(6, Tcp(1003, 80)), 0, 7);
  EXPECT_EQ(queue_.WaitForAnswers(4)[3].verdict, Verdict::kDeny);
}

TEST_F(WorkerTest, ABatchIsAnsweredWithOneCall) {
  Start({MakeRule("all", RulePolicy::kAllow, "any")}, FailPosture::kClosed);
  StopWorker();
  for (uint32_t i = 0; i < 40; ++i) queue_.Feed(i, Ipv4(6, Tcp(1000, 80)));
  Worker worker(WorkerParts{queue_, resolver_, *table_, *lane_, sink_,
                            *fail_policy_, canary_, interfaces_},
                0);
  std::thread thread([&worker] { worker.Run(); });
  queue_.WaitForAnswers(40);
  worker.Stop();
  thread.join();
  EXPECT_EQ(queue_.batch_sizes(), (std::vector<size_t>{kMaxBatch, 8}));
}

TEST_F(WorkerTest, RunReturnsFalseWhenTheQueueIsGone) {
  Start({}, FailPosture::kClosed);
  queue_.FailFromNowOn();
  thread_.join();
  EXPECT_FALSE(returned_);
}

TEST(Duty, ForgottenIsAnsweredByTheFailPolicyExactlyOnce) {
  FakeQueue queue;
  FailPolicy closed(FailPosture::kClosed);
  { Duty duty(&queue, &closed, 7, 0); }
  EXPECT_EQ(queue.WaitForAnswers(1)[0].verdict, Verdict::kDeny);
  {
    Duty duty(&queue, &closed, 8, 0);
    Duty moved(std::move(duty));
    std::move(moved).AnswerNow(Verdict::kAllow);
  }
  const auto answers = queue.WaitForAnswers(2);
  EXPECT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].verdict, Verdict::kAllow);
  EXPECT_EQ(closed.applied(), 1u);
}

TEST(Duty, AssignmentAnswersWhatWasHeldBefore) {
  FakeQueue queue;
  FailPolicy open(FailPosture::kOpen);
  Duty first(&queue, &open, 1, 0);
  first = Duty(&queue, &open, 2, 0);
  EXPECT_EQ(queue.WaitForAnswers(1)[0].id, 1u);
  std::move(first).AnswerNow(Verdict::kDeny);
  EXPECT_EQ(queue.WaitForAnswers(2)[1].id, 2u);
}

}  // namespace
}  // namespace sallyport
