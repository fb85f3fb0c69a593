#include "src/learn_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/src/event_records.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using testing::MakeProcess;

// What mode learn let through, with default deny: /usr/bin/curl of uid 1000
// to TCP 198.51.100.7:443.
DecisionRecord Undecided(std::string path = "/usr/bin/curl",
                         uint32_t uid = 1000) {
  DecisionRecord record =
      testing::MakeRecordOf(Verdict::kAllow, std::move(path), uid);
  record.decision.mode = Mode::kLearn;
  record.decision.judged = Verdict::kDeny;
  record.decision.reason = Reason::kDefault;
  record.rule_name_length = 0;
  return record;
}

DecisionRecord To(DecisionRecord record, uint32_t address, uint16_t port) {
  record.flow.dst = IpAddress::V4(address);
  record.flow.dst_port = port;
  return record;
}

struct House {
  explicit House(LearnLimits limits = {}) : log(dir / "l.db", limits) {}
  TempDir dir;
  LearnLog log;
};

TEST(LearnLog, RepeatsAreOneFlow) {
  House house;
  DecisionRecord record = Undecided();
  house.log.Record(record);
  record.time_ns += 5;
  house.log.Record(record);
  const LearnSnapshot snapshot = house.log.Snapshot();
  ASSERT_EQ(snapshot.flows.size(), 1u);
  const LearnedFlow& flow = snapshot.flows[0];
  EXPECT_EQ(flow.app, "/usr/bin/curl");
  EXPECT_EQ(flow.naming, AppNaming::kByPath);
  EXPECT_EQ(flow.address, record.flow.dst);
  EXPECT_EQ(flow.protocol, kProtoTcp);
  EXPECT_EQ(flow.port, 443);
  EXPECT_EQ(flow.uid, 1000u);
  EXPECT_EQ(flow.count, 2u);
  EXPECT_EQ(flow.shared, 0u);
  EXPECT_EQ(flow.first_ns, record.time_ns - 5);
  EXPECT_EQ(flow.last_ns, record.time_ns);
  EXPECT_TRUE(snapshot.saved.ok());
}

TEST(LearnLog, OnlyWhatLearnLetThroughUndecided) {
  const struct {
    Mode mode;
    Verdict verdict;
    Reason reason;
    uint32_t rule;
  } cases[] = {
      {Mode::kMonitor, Verdict::kAllow, Reason::kDefault, kNoRule},
      {Mode::kEnforce, Verdict::kAllow, Reason::kDefault, kNoRule},
      {Mode::kLearn, Verdict::kAllow, Reason::kRule, 3},
      {Mode::kLearn, Verdict::kDeny, Reason::kRule, 3},
      {Mode::kLearn, Verdict::kDeny, Reason::kMalformed, kNoRule},
      {Mode::kLearn, Verdict::kAllow, Reason::kFailure, kNoRule},
  };
  House house;
  for (const auto& c : cases) {
    DecisionRecord record = Undecided();
    record.decision.mode = c.mode;
    record.decision.verdict = c.verdict;
    record.decision.reason = c.reason;
    record.decision.rule = c.rule;
    house.log.Record(record);
  }
  EXPECT_TRUE(house.log.Snapshot().flows.empty());
  EXPECT_FALSE(house.log.unsaved());
}

TEST(LearnLog, WhoNoRuleCanNameIsKeptApart) {
  House house;
  DecisionRecord nobody = Undecided();
  nobody.ownership.owners.clear();
  nobody.ownership.confidence = Confidence::kNone;
  nobody.ownership.socket_uid = 7;
  nobody.decision.reason = Reason::kUnattributed;
  house.log.Record(nobody);
  DecisionRecord kernel = Undecided();
  auto process = std::make_shared<Process>();
  auto app = std::make_shared<App>();
  app->kind = App::Kind::kKernel;
  process->app = app;
  kernel.ownership.owners[0] = process;
  house.log.Record(kernel);
  DecisionRecord replaced = Undecided();
  auto old = std::make_shared<App>(*replaced.ownership.owners[0]->app);
  old->path_is_exe = false;
  process = std::make_shared<Process>();
  process->app = old;
  replaced.ownership.owners[0] = process;
  house.log.Record(replaced);
  house.log.Record(Undecided());
  const LearnSnapshot snapshot = house.log.Snapshot();
  ASSERT_EQ(snapshot.flows.size(), 4u);
  EXPECT_EQ(snapshot.flows[0].app, "");
  EXPECT_EQ(snapshot.flows[0].naming, AppNaming::kNobody);
  EXPECT_EQ(snapshot.flows[0].uid, 0u);
  EXPECT_EQ(snapshot.flows[1].uid, 7u);
  EXPECT_EQ(snapshot.flows[2].naming, AppNaming::kByPath);
  EXPECT_EQ(snapshot.flows[3].naming, AppNaming::kNotItsPath);
}

TEST(LearnLog, EveryHolderOfASocketIsRecorded) {
  House house;
  DecisionRecord record = Undecided();
  record.ownership.confidence = Confidence::kAmbiguous;
  record.ownership.owners.push_back(MakeProcess("/usr/bin/curl", 1, 1000));
  record.ownership.owners.push_back(MakeProcess("/bin/sh", 2, 0));
  house.log.Record(record);
  LearnSnapshot snapshot = house.log.Snapshot();
  ASSERT_EQ(snapshot.flows.size(), 2u);
  EXPECT_EQ(snapshot.flows[0].app, "/bin/sh");
  EXPECT_EQ(snapshot.flows[0].shared, 1u);
  EXPECT_EQ(snapshot.flows[1].count, 1u);
  // Hundreds of holders: the first are learned, the others told.
  for (int i = 0; i < 300; ++i) {
    record.ownership.owners.push_back(
        MakeProcess("/bin/" + std::to_string(i), i, 0));
  }
  house.log.Record(record);
  snapshot = house.log.Snapshot();
  EXPECT_EQ(snapshot.flows.size(), 16u);
  ASSERT_EQ(snapshot.left_out.size(), 1u);
  EXPECT_EQ(snapshot.left_out[0].flows, 302u - 16);
}

TEST(LearnLog, PathsAreTextsOfRules) {
  House house;
  house.log.Record(Undecided("/opt/a\n*"));
  EXPECT_EQ(house.log.Snapshot().flows[0].app, "/opt/a\\x0a\\*");
}

TEST(LearnLog, BoundsAreKeptAndTold) {
  House house({.apps = 2, .flows_per_app = 3, .flows = 5});
  for (uint32_t i = 0; i < 10; ++i) {
    house.log.Record(To(Undecided("/bin/a"), 0xc0000200 + i, 443));
  }
  for (uint32_t i = 0; i < 10; ++i) {
    house.log.Record(To(Undecided("/bin/b"), 0xc0000200 + i, 443));
  }
  house.log.Record(Undecided("/bin/c"));
  LearnSnapshot snapshot = house.log.Snapshot();
  EXPECT_EQ(snapshot.flows.size(), 5u);
  const std::vector<LeftOut> left_out = {{"", AppNaming::kByPath, 1},
                                         {"/bin/a", AppNaming::kByPath, 7},
                                         {"/bin/b", AppNaming::kByPath, 8}};
  EXPECT_EQ(snapshot.left_out, left_out);
  // What is known is counted all the same.
  house.log.Record(To(Undecided("/bin/a"), 0xc0000200, 443));
  EXPECT_EQ(house.log.Snapshot().flows[0].count, 2u);
  // And all of it outlives a restart.
  ASSERT_TRUE(house.log.Save().ok());
  LearnLog again(house.dir / "l.db",
                 {.apps = 2, .flows_per_app = 3, .flows = 5});
  EXPECT_EQ(again.Snapshot().left_out, left_out);
  EXPECT_EQ(again.Snapshot().flows, house.log.Snapshot().flows);

  House small({.bytes = 2000});
  for (uint32_t i = 0; i < 50; ++i) {
    small.log.Record(Undecided("/bin/" + std::string(i * 10, 'x')));
  }
  EXPECT_LT(small.log.Snapshot().flows.size(), 15u);
  EXPECT_GT(small.log.Snapshot().flows.size(), 3u);
}

TEST(LearnLog, ARestartKeepsWhatWasLearned) {
  TempDir dir;
  LearnSnapshot before;
  {
    LearnLog log(dir / "l.db");
    for (uint32_t i = 0; i < 100; ++i) {
      log.Record(To(Undecided("/bin/" + std::to_string(i % 7)), i,
                    static_cast<uint16_t>(i)));
    }
    ASSERT_TRUE(log.Save().ok());
    EXPECT_FALSE(log.unsaved());
    before = log.Snapshot();
  }
  LearnLog log(dir / "l.db");
  EXPECT_EQ(log.Snapshot().flows, before.flows);
  EXPECT_FALSE(log.unsaved());
  log.Record(To(Undecided("/bin/0"), 0, 0));
  EXPECT_TRUE(log.unsaved());
  EXPECT_EQ(log.Snapshot().flows.size(), before.flows.size());
}

TEST(LearnLog, SavesWhenItIsDue) {
  House house;
  const auto begin = LearnLog::Clock::time_point() + std::chrono::hours(1);
  house.log.SaveIfDue(begin);  // nothing to save
  house.log.Record(Undecided());
  house.log.SaveIfDue(begin);
  EXPECT_FALSE(house.log.unsaved());
  house.log.Record(Undecided());
  house.log.SaveIfDue(begin + LearnLog::kSaveInterval / 2);
  EXPECT_TRUE(house.log.unsaved());
  house.log.SaveIfDue(begin + LearnLog::kSaveInterval);
  EXPECT_FALSE(house.log.unsaved());
  EXPECT_EQ(LearnLog(house.dir / "l.db").Snapshot().flows[0].count, 2u);
}

TEST(LearnLog, F16_ADiskThatFailsLosesNothing) {
  TempDir dir;
  LearnLog log(dir / "later/l.db");
  EXPECT_FALSE(log.Snapshot().saved.ok());
  log.Record(Undecided());
  EXPECT_FALSE(log.Save().ok());
  EXPECT_TRUE(log.unsaved());
  EXPECT_EQ(log.Snapshot().flows.size(), 1u);
  EXPECT_FALSE(log.Clear("").ok());
  EXPECT_EQ(log.Snapshot().flows.size(), 1u);

  // It comes back, and holds what an earlier run had learned.
  ASSERT_TRUE(std::filesystem::create_directory(dir / "later"));
  {
    LearnLog earlier(dir / "later/l.db");
    earlier.Record(Undecided());
    earlier.Record(Undecided("/bin/other"));
    ASSERT_TRUE(earlier.Save().ok());
  }
  EXPECT_TRUE(log.Save().ok());
  EXPECT_TRUE(log.Snapshot().saved.ok());
  const LearnSnapshot all = LearnLog(dir / "later/l.db").Snapshot();
  ASSERT_EQ(all.flows.size(), 2u);
  EXPECT_EQ(all.flows[0].app, "/bin/other");
  EXPECT_EQ(all.flows[1].count, 2u);
}

TEST(LearnLog, ADamagedFileIsMovedAsideAndAllWrittenAnew) {
  House house;
  house.log.Record(Undecided());
  ASSERT_TRUE(house.log.Save().ok());
  // Behind its back, also what the connection has in memory.
  for (const char* suffix : {"-wal", "-shm"}) {
    unlink((house.dir / "l.db" + suffix).c_str());
  }
  house.dir.Write("l.db", std::string(65'536, 'x'));
  LearnLog log(house.dir / "l.db");
  EXPECT_NE(log.Snapshot().notice, "");
  EXPECT_TRUE(log.Snapshot().saved.ok());
  log.Record(Undecided());
  ASSERT_TRUE(log.Save().ok());
  EXPECT_EQ(LearnLog(house.dir / "l.db").Snapshot().flows.size(), 1u);
}

TEST(LearnLog, ClearForgetsAlsoOnTheDisk) {
  House house;
  house.log.Record(Undecided("/bin/a"));
  house.log.Record(Undecided("/opt/b\n"));
  house.log.Record(Undecided("/bin/c"));
  ASSERT_TRUE(house.log.Save().ok());
  ASSERT_TRUE(house.log.Clear("/opt/b\\x0a").ok());
  ASSERT_TRUE(house.log.Clear("/bin/unknown").ok());
  EXPECT_EQ(house.log.Snapshot().flows.size(), 2u);
  EXPECT_EQ(LearnLog(house.dir / "l.db").Snapshot().flows.size(), 2u);
  ASSERT_TRUE(house.log.Clear("").ok());
  EXPECT_TRUE(house.log.Snapshot().flows.empty());
  EXPECT_TRUE(LearnLog(house.dir / "l.db").Snapshot().flows.empty());
  // And it goes on.
  house.log.Record(Undecided("/bin/a"));
  ASSERT_TRUE(house.log.Save().ok());
  EXPECT_EQ(LearnLog(house.dir / "l.db").Snapshot().flows.size(), 1u);
}

}  // namespace
}  // namespace sallyport
