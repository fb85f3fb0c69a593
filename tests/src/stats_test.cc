#include "src/stats.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using nlohmann::json;
using testing::MakeRecord;
using testing::MakeRecordOf;

json ToJson(const Stats& stats, const StatsFilter& filter = {}) {
  StatsSnapshot snapshot = stats.Snapshot();
  snapshot.dropped_events = 9;
  return json::parse(StatsToJson(snapshot, filter));
}

TEST(Stats, WholeShape) {
  Stats stats;
  stats.Count(MakeRecordOf(Verdict::kAllow, "/bin/a", 1000));
  stats.Count(MakeRecordOf(Verdict::kDeny, "/bin/a", 1001));
  stats.Count(MakeRecordOf(Verdict::kReject, "/bin/b", 1000));
  DecisionRecord record = MakeRecordOf(Verdict::kAllow, "/bin/a", 1000);
  record.decision.judged = Verdict::kReject;
  record.stage = Stage::kSlow;
  stats.Count(record);

  const json expected = {{"flows", {{"allow", 2}, {"deny", 1}, {"reject", 1}}},
                         {"would_deny", 1},
                         {"by_stage", {{"queue", 3}, {"slow", 1}}},
                         {"latency_us",
                          {{"p50", 52.3},
                           {"p90", 52.3},
                           {"p99", 52.3},
                           {"p999", 52.3},
                           {"max", 52.3}}},
                         {"dropped_events", 9},
                         {"apps",
                          {{{"path", "/bin/a"},
                            {"allow", 2},
                            {"deny", 1},
                            {"reject", 0},
                            {"last", "2023-11-14T22:13:20.123456Z"}},
                           {{"path", "/bin/b"},
                            {"allow", 0},
                            {"deny", 0},
                            {"reject", 1},
                            {"last", "2023-11-14T22:13:20.123456Z"}}}},
                         {"unattributed", 0},
                         {"malformed", 0}};
  EXPECT_EQ(ToJson(stats), expected) << ToJson(stats).dump(1);
}

TEST(Stats, EmptyIsWholeToo) {
  const json empty = ToJson(Stats());
  EXPECT_EQ(empty["flows"]["allow"], 0);
  EXPECT_EQ(empty["latency_us"]["max"], 0);
  EXPECT_EQ(empty["apps"], json::array());
}

TEST(Stats, UnattributedAndMalformed) {
  Stats stats;
  DecisionRecord record = MakeRecord(Verdict::kDeny);
  record.ownership = {};
  stats.Count(record);
  record.decision.reason = Reason::kMalformed;
  stats.Count(record);
  const json shown = ToJson(stats);
  EXPECT_EQ(shown["unattributed"], 1);
  EXPECT_EQ(shown["malformed"], 1);
  EXPECT_EQ(shown["flows"]["deny"], 2);
  EXPECT_EQ(shown["apps"], json::array());
  const StatsSnapshot snapshot = stats.Snapshot();
  EXPECT_EQ(
      snapshot.by_reason[size_t(Verdict::kDeny)][size_t(Reason::kMalformed)],
      1u);
}

TEST(Stats, FilterByApp) {
  Stats stats;
  stats.Count(MakeRecordOf(Verdict::kAllow, "/bin/a", 1000));
  stats.Count(MakeRecordOf(Verdict::kDeny, "/bin/b\n", 1000));
  // As typed, and as shown.
  for (const char* app : {"/bin/b\n", "/bin/b\\x0a"}) {
    const json shown = ToJson(stats, {.app = app, .uid = {}});
    EXPECT_EQ(shown["apps"].size(), 1u);
    EXPECT_EQ(shown["apps"][0]["path"], "/bin/b\\x0a");
    EXPECT_EQ(shown["flows"]["deny"], 1);
    EXPECT_EQ(shown["flows"]["allow"], 0);
  }
  EXPECT_EQ(ToJson(stats, {.app = "/bin/c", .uid = {}})["apps"], json::array());
}

TEST(Stats, FilterByUserShowsNothingOfOthers) {
  Stats stats;
  stats.Count(MakeRecordOf(Verdict::kAllow, "/bin/a", 1000));
  stats.Count(MakeRecordOf(Verdict::kDeny, "/bin/a", 1001));
  const json shown = ToJson(stats, {.app = "", .uid = 1001});
  const json expected = {{"flows", {{"allow", 0}, {"deny", 1}, {"reject", 0}}},
                         {"would_deny", 0},
                         {"by_stage", {{"queue", 1}, {"slow", 0}}},
                         {"apps",
                          {{{"path", "/bin/a"},
                            {"allow", 0},
                            {"deny", 1},
                            {"reject", 0},
                            {"last", "2023-11-14T22:13:20.123456Z"}}}}};
  EXPECT_EQ(shown, expected) << shown.dump(1);
}

TEST(Stats, TableOfAppsIsBoundedByNumber) {
  Stats stats;
  for (size_t i = 0; i < Stats::kMaxApps + 10; ++i) {
    stats.Count(MakeRecordOf(Verdict::kAllow, "/a/" + std::to_string(i), 1));
  }
  const StatsSnapshot snapshot = stats.Snapshot();
  EXPECT_EQ(snapshot.apps.size(), Stats::kMaxApps);
  EXPECT_EQ(snapshot.others.total(), 10u);
  EXPECT_EQ(snapshot.total.total(), Stats::kMaxApps + 10);
  EXPECT_EQ(ToJson(stats)["others"]["allow"], 10);
}

TEST(Stats, TableOfAppsIsBoundedByBytes) {
  Stats stats;
  for (int i = 0; i < 1000; ++i) {
    stats.Count(MakeRecordOf(Verdict::kAllow,
                             std::to_string(i) + std::string(4000, 'x'), 1));
  }
  const StatsSnapshot snapshot = stats.Snapshot();
  EXPECT_LE(snapshot.apps.size(), Stats::kMaxPathBytes / 4000);
  EXPECT_EQ(snapshot.others.total() + snapshot.apps.size(), 1000u);
}

}  // namespace
}  // namespace sallyport
