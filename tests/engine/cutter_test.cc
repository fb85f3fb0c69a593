#include "engine/cutter.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/fakes.h"
#include "tests/engine/flow_fakes.h"

namespace sallyport {
namespace {

// One program per destination port, as FakeWorld has it.
class CutterTest : public testing::Test {
 protected:
  CutterTest() {
    world_.owners[80] = MakeProcess("/usr/bin/denied", 80);
    world_.owners[443] = MakeProcess("/usr/bin/allowed", 443);
    policy_.settings.mode = Mode::kEnforce;
    SetRules({DenyApp("/usr/bin/denied")});
  }

  void SetRules(std::vector<Rule> rules) {
    policy_.rules = *RuleSet::Build(std::move(rules));
  }
  void AddEntry(uint32_t id, uint8_t protocol, uint16_t port,
                uint32_t mark = 0x00100000) {
    conntrack_.entries.push_back(FlowEntry(id, protocol, port, mark));
  }
  CutReport Run(std::stop_token stop = {}, bool tell_undecided = false) {
    return *Recheck({conntrack_, destroyer_, resolver_, sink_}, MarkBits{},
                    policy_, std::move(stop), tell_undecided);
  }

  FakeWorld world_;
  CallLog log_;
  FakeConntrack conntrack_{log_};
  FakeDestroyer destroyer_{log_};
  FakeResolver resolver_{world_};
  FakeSink sink_;
  PolicySnapshot policy_;
};

TEST_F(CutterTest, B05_CutsWhatIsDeniedNowAndNothingElse) {
  AddEntry(1, kProtoTcp, 80);
  AddEntry(2, kProtoTcp, 443);
  const CutReport report = Run();
  EXPECT_EQ(report.walked, 2u);
  EXPECT_EQ(report.cut, 1u);
  EXPECT_EQ(report.destroyed, 1u);
  EXPECT_EQ(report.allowed, 1u);
  ASSERT_EQ(conntrack_.entries.size(), 1u);
  EXPECT_EQ(conntrack_.entries[0].id, 2u);

  const std::vector<DecisionRecord> records = sink_.WaitFor(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].flow.dst_port, 80);
  EXPECT_EQ(records[0].decision.verdict, Verdict::kDeny);
  EXPECT_EQ(std::string(records[0].rule_name, records[0].rule_name_length),
            "no-more");
  EXPECT_EQ(records[0].stage, Stage::kSlow);
  EXPECT_GT(records[0].time_ns, 0);
}

// The RST of a destroyed TCP socket must find its flow still allowed.
TEST_F(CutterTest, B05_TcpSocketGoesBeforeItsEntry) {
  AddEntry(1, kProtoTcp, 80);
  Run();
  EXPECT_EQ(log_, (CallLog{"destroy 80", "delete 1"}));
}

// A disconnected UDP socket can send again at once.
TEST_F(CutterTest, B05_UdpEntryGoesBeforeItsSocket) {
  AddEntry(1, kProtoUdp, 80);
  Run();
  EXPECT_EQ(log_, (CallLog{"delete 1", "destroy 80"}));
}

TEST_F(CutterTest, OtherProtocolsHaveOnlyTheirEntry) {
  AddEntry(1, kProtoSctp, 80);
  Run();
  EXPECT_EQ(log_, CallLog{"delete 1"});
}

TEST_F(CutterTest, FlowsWithoutOurBitAreNotLookedAt) {
  AddEntry(1, kProtoTcp, 80, 0);
  AddEntry(2, kProtoTcp, 80, 0x00200000);
  EXPECT_EQ(Run().walked, 0u);
  EXPECT_TRUE(log_.empty());
}

TEST_F(CutterTest, ModeMonitorCutsNothing) {
  policy_.settings.mode = Mode::kMonitor;
  AddEntry(1, kProtoTcp, 80);
  const CutReport report = Run();
  EXPECT_EQ(report.allowed, 1u);
  EXPECT_TRUE(log_.empty());
}

// Mode learn begins with flows that are older than it.
TEST_F(CutterTest, TellsOfUndecidedFlowsIfAsked) {
  Rule allow;
  allow.name = "yes";
  allow.policy = RulePolicy::kAllow;
  allow.app = "/usr/bin/allowed";
  SetRules({DenyApp("/usr/bin/denied"), allow});
  world_.owners[22] = MakeProcess("/usr/bin/other", 22);
  policy_.settings.mode = Mode::kLearn;
  policy_.settings.default_verdict = Verdict::kDeny;
  AddEntry(1, kProtoTcp, 443);   // decided
  AddEntry(2, kProtoTcp, 22);    // told
  AddEntry(3, kProtoTcp, 9999);  // nobody's any more
  EXPECT_EQ(Run().allowed, 3u);
  EXPECT_TRUE(sink_.WaitFor(0).empty());
  EXPECT_EQ(Run({}, true).allowed, 3u);
  const std::vector<DecisionRecord> records = sink_.WaitFor(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].flow.dst_port, 22);
  EXPECT_EQ(records[0].decision.verdict, Verdict::kAllow);
  EXPECT_TRUE(records[0].decision.would_deny());
  EXPECT_EQ(records[0].decision.mode, Mode::kLearn);
}

TEST_F(CutterTest, AnOrphanedTcpFlowMayCloseOthersAreJudgedAnew) {
  policy_.settings.unattributed_verdict = Verdict::kDeny;
  AddEntry(1, kProtoTcp, 9999);
  AddEntry(2, kProtoUdp, 9999);
  const CutReport report = Run();
  EXPECT_EQ(report.orphans, 1u);
  EXPECT_EQ(report.cut, 1u);
  ASSERT_EQ(conntrack_.entries.size(), 1u);
  EXPECT_EQ(conntrack_.entries[0].id, 1u);
}

TEST_F(CutterTest, AnEntryThatIsGoneAlreadyIsCut) {
  AddEntry(1, kProtoTcp, 80);
  conntrack_.delete_status[1] = absl::NotFoundError("gone");
  EXPECT_EQ(Run().cut, 1u);
}

TEST_F(CutterTest, AnEntryThatResistsIsCountedAndTheWalkGoesOn) {
  AddEntry(1, kProtoTcp, 80);
  AddEntry(2, kProtoTcp, 80);
  conntrack_.delete_status[1] = absl::UnavailableError("busy");
  const CutReport report = Run();
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(report.cut, 1u);
}

TEST_F(CutterTest, AKernelThatCannotDestroySocketsIsReported) {
  destroyer_.result = DestroyResult::kUnsupported;
  AddEntry(1, kProtoTcp, 80);
  const CutReport report = Run();
  EXPECT_TRUE(report.destroy_unsupported);
  EXPECT_EQ(report.destroyed, 0u);
  EXPECT_EQ(report.cut, 1u) << "its next packet is judged anew all the same";
}

TEST_F(CutterTest, AHashThatCannotBeHadLeavesTheSocketToItsNextPacket) {
  Rule rule = DenyApp("/usr/bin/denied");
  rule.sha256 = {std::string(64, 'a')};
  SetRules({rule});
  AddEntry(1, kProtoTcp, 80);  // FakeWorld finds no hash
  const CutReport report = Run();
  EXPECT_EQ(report.requeued, 1u);
  EXPECT_EQ(report.cut, 0u);
  EXPECT_EQ(log_, CallLog{"delete 1"});
}

TEST_F(CutterTest, AHashIsComputedWhereARuleAsks) {
  Rule rule = DenyApp("/usr/bin/denied");
  rule.sha256 = {std::string(64, 'a')};
  SetRules({rule});
  world_.sha256 = [] { return std::string(64, 'a'); };
  AddEntry(1, kProtoTcp, 80);
  EXPECT_EQ(Run().cut, 1u);
}

TEST_F(CutterTest, StopsWhenAskedTo) {
  AddEntry(1, kProtoTcp, 80);
  std::stop_source stop;
  stop.request_stop();
  const CutReport report = Run(stop.get_token());
  EXPECT_EQ(report.walked, 0u);
  EXPECT_TRUE(report.truncated);
}

TEST_F(CutterTest, ATruncatedWalkSaysSo) {
  conntrack_.truncated = true;
  EXPECT_TRUE(Run().truncated);
}

TEST_F(CutterTest, AConntrackThatCannotBeReadIsAnError) {
  conntrack_.dump_status = absl::UnimplementedError("no ctnetlink");
  EXPECT_TRUE(absl::IsUnimplemented(
      Recheck({conntrack_, destroyer_, resolver_, sink_}, MarkBits{}, policy_)
          .status()));
}

}  // namespace
}  // namespace sallyport
