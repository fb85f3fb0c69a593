#include "src/event_writer.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>

#include "tests/src/event_records.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using nlohmann::json;
using testing::MakeRecord;

std::vector<std::string> Lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Everything a decision can go to.
struct House {
  explicit House(const std::string& history_path,
                 EventWriterOptions options = {})
      : log({EventLogOptions::Sink::kFile, dir / "log"}),
        history(History::Open(
                    history_path.empty() ? dir / "h.db" : history_path, {})
                    .value()),
        writer(ring, {&stats, &feed, &log, history.get()}, {}, options) {}
  House() : House("") {}

  size_t Kept() {
    const HistoryQuery all{.violations_only = false, .limit = 10'000};
    return history->Query(all).value().size();
  }

  TempDir dir;
  EventRing ring{1024};
  Stats stats;
  EventFeed feed{{}};
  EventLog log;
  std::unique_ptr<History> history;
  EventWriter writer;
};

TEST(EventWriter, OneRecordReachesAll) {
  House house;
  house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  house.writer.DrainOnce();
  EXPECT_EQ(house.stats.Snapshot().total.total(), 1u);
  EXPECT_EQ(house.feed.Recent({}).size(), 1u);
  const auto lines = Lines(house.dir / "log");
  ASSERT_EQ(lines.size(), 1u);
  const auto kept = house.history->Query({}).value();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(lines[0], kept[0]);
  EXPECT_EQ(lines[0], house.feed.Recent({})[0]);
  EXPECT_EQ(json::parse(lines[0])["verdict"]["action"], "deny");
  EXPECT_EQ(house.writer.status().written, 1u);
}

TEST(EventWriter, AllowedFlowsOnlyWhereTheyAreWanted) {
  House house("", {.keep_allowed = false, .log_allowed = false});
  house.ring.OnDecision(MakeRecord(Verdict::kAllow));
  DecisionRecord would_deny = MakeRecord(Verdict::kAllow);
  would_deny.decision.judged = Verdict::kDeny;
  house.ring.OnDecision(std::move(would_deny));
  house.writer.DrainOnce();
  EXPECT_EQ(house.stats.Snapshot().total.total(), 2u);
  EXPECT_EQ(house.feed.Recent({}).size(), 2u);
  EXPECT_EQ(Lines(house.dir / "log").size(), 1u);
  EXPECT_EQ(house.Kept(), 1u);
}

TEST(EventWriter, RuleWithoutLogIsCountedAndShownOnly) {
  House house;
  DecisionRecord record = MakeRecord(Verdict::kDeny);
  record.decision.log = false;
  house.ring.OnDecision(std::move(record));
  house.writer.DrainOnce();
  EXPECT_EQ(house.stats.Snapshot().total.total(), 1u);
  EXPECT_EQ(house.feed.Recent({}).size(), 1u);
  EXPECT_TRUE(Lines(house.dir / "log").empty());
  EXPECT_EQ(house.Kept(), 0u);
}

DecisionRecord MakeUndecided() {
  DecisionRecord record = MakeRecord(Verdict::kAllow);
  record.decision.mode = Mode::kLearn;
  record.decision.judged = Verdict::kDeny;
  record.decision.reason = Reason::kDefault;
  return record;
}

TEST(EventWriter, WhatIsLearnedIsSavedWhileItRunsAndWhenItStops) {
  TempDir dir;
  EventRing ring(64);
  LearnLog learn(dir / "l.db");
  EventWriter writer(ring, {.learn = &learn}, {},
                     {.batching = absl::Milliseconds(1)});
  ASSERT_TRUE(writer.Start().ok());
  ring.OnDecision(MakeUndecided());
  const auto wait = [](const std::function<bool()>& done) {
    for (int i = 0; i < 5000 && !done(); ++i) poll(nullptr, 0, 1);
    return done();
  };
  EXPECT_TRUE(wait(
      [&] { return !learn.Snapshot().flows.empty() && !learn.unsaved(); }));
  // Nothing else happens: the writer comes back for it by itself.
  ring.OnDecision(MakeUndecided());
  EXPECT_TRUE(wait([&] {
    return learn.Snapshot().flows[0].count == 2 && !learn.unsaved();
  }));
  ring.OnDecision(MakeUndecided());
  writer.Stop();
  EXPECT_EQ(LearnLog(dir / "l.db").Snapshot().flows[0].count, 3u);
}

TEST(EventWriter, WithoutAnySinkItStillDrains) {
  EventRing ring(8);
  EventWriter writer(ring, {}, {});
  for (int i = 0; i < 20; ++i) {
    ring.OnDecision(MakeRecord(Verdict::kDeny));
    writer.DrainOnce();
  }
  EXPECT_EQ(writer.status().written, 20u);
  EXPECT_EQ(writer.status().dropped, 0u);
}

TEST(EventWriter, F16_HistoryThatFailsHoldsUpNothingAndGetsItsEventsLater) {
  TempDir elsewhere;
  House house(elsewhere / "later/h.db", {.retry = absl::ZeroDuration()});
  for (int i = 0; i < 10; ++i) {
    house.ring.OnDecision(MakeRecord(Verdict::kDeny));
    house.writer.DrainOnce();
  }
  EventWriterStatus status = house.writer.status();
  EXPECT_FALSE(status.history.ok());
  EXPECT_EQ(status.history_errors, 10u);
  EXPECT_EQ(status.history_lost, 0u);
  EXPECT_EQ(house.stats.Snapshot().total.total(), 10u);
  EXPECT_EQ(Lines(house.dir / "log").size(), 10u);

  ASSERT_TRUE(std::filesystem::create_directory(elsewhere / "later"));
  house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  house.writer.DrainOnce();
  EXPECT_TRUE(house.writer.status().history.ok());
  EXPECT_EQ(house.Kept(), 11u);
}

TEST(EventWriter, F16_WhatWaitsForTheHistoryIsBounded) {
  TempDir elsewhere;
  House house(elsewhere / "later/h.db");
  const size_t sent = 3 * EventWriter::kMaxBatch;
  for (size_t i = 0; i < sent; ++i) {
    house.ring.OnDecision(MakeRecord(Verdict::kDeny));
    if (i % 512 == 511) house.writer.DrainOnce();
  }
  house.writer.DrainOnce();
  ASSERT_TRUE(std::filesystem::create_directory(elsewhere / "later"));
  house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  house.writer.DrainOnce();
  EXPECT_GE(house.writer.status().history_lost, EventWriter::kMaxBatch);
  EXPECT_EQ(house.writer.status().written, sent + 1);
}

TEST(EventWriter, F16_StopTriesOnceMoreAndCountsWhatIsLost) {
  TempDir elsewhere;
  for (const bool comes_back : {false, true}) {
    House house(elsewhere / "later/h.db");
    house.ring.OnDecision(MakeRecord(Verdict::kDeny));
    house.writer.DrainOnce();
    if (comes_back) {
      ASSERT_TRUE(std::filesystem::create_directory(elsewhere / "later"));
    }
    ASSERT_TRUE(house.writer.Start().ok());
    house.writer.Stop();
    EXPECT_EQ(house.writer.status().history_lost, comes_back ? 0u : 1u);
  }
}

TEST(EventWriter, ThreadWakesForARecordAndStopsWithAFlush) {
  House house("", {.batching = absl::Milliseconds(1)});
  std::mutex mutex;
  std::condition_variable ready;
  bool seen = false;
  const auto id = house.feed.Subscribe({}, [&] {
    const std::lock_guard lock(mutex);
    seen = true;
    ready.notify_one();
  });
  ASSERT_TRUE(house.writer.Start().ok());
  house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  {
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return seen; });
  }
  EXPECT_TRUE(house.feed.Next(*id).has_value());
  for (int i = 0; i < 100; ++i) {
    house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  }
  house.writer.Stop();
  house.writer.Stop();
  EXPECT_EQ(house.Kept(), 101u);
  EXPECT_EQ(Lines(house.dir / "log").size(), 101u);
}

TEST(EventWriter, SeveralThreadsJudgeWhileItWrites) {
  House house("", {.batching = absl::Milliseconds(1)});
  ASSERT_TRUE(house.writer.Start().ok());
  constexpr uint64_t kEach = 2000;
  std::vector<std::thread> judges;
  for (int t = 0; t < 3; ++t) {
    judges.emplace_back([&] {
      for (uint64_t i = 0; i < kEach; ++i) {
        house.ring.OnDecision(MakeRecord(Verdict::kDeny));
      }
    });
  }
  while (house.writer.status().written == 0) house.stats.Snapshot();
  for (std::thread& judge : judges) judge.join();
  house.writer.Stop();
  const EventWriterStatus status = house.writer.status();
  EXPECT_EQ(status.written + status.dropped, 3 * kEach);
  EXPECT_EQ(house.Kept(), status.written);
}

EventNotice Notice(int number) {
  return {.time_ns = 1'700'000'000'000'000'000,
          .type = "rules_changed",
          .text = "rules",
          .json = "{\"number\":" + std::to_string(number) + "}"};
}

TEST(EventWriter, NoticeReachesLogFeedAndHistory) {
  House house;
  house.writer.Post(Notice(1));
  house.ring.OnDecision(MakeRecord(Verdict::kDeny));
  house.writer.DrainOnce();
  const HistoryQuery changes{.kind = StoredKind::kRulesChanged};
  EXPECT_EQ(house.history->Query(changes).value(),
            std::vector<std::string>({"{\"number\":1}"}));
  EXPECT_EQ(house.Kept(), 1u);  // a flow is no change of rules
  EXPECT_EQ(house.feed.Recent({}).size(), 2u);
  EXPECT_EQ(Lines(house.dir / "log").size(), 2u);
  EXPECT_TRUE(house.history->Verify().value().IsIntact());
  EXPECT_EQ(house.history->Verify()->chains[0].records, 2);
}

TEST(EventWriter, NoticeWakesTheThread) {
  House house;
  ASSERT_TRUE(house.writer.Start().ok());
  for (int i = 0; i < 3; ++i) {
    house.writer.Post(Notice(i));
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (house.feed.Recent({}).size() <= static_cast<size_t>(i)) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::yield();
    }
  }
  house.writer.Stop();
}

TEST(EventWriter, NoticesThatWaitAreBounded) {
  House house;
  for (size_t i = 0; i < EventWriter::kMaxNotices + 5; ++i) {
    house.writer.Post(Notice(1));
  }
  EXPECT_EQ(house.writer.status().dropped, 5u);
  house.writer.DrainOnce();
  const HistoryQuery changes{.kind = StoredKind::kRulesChanged};
  EXPECT_EQ(house.history->Query(changes)->size(), EventWriter::kMaxNotices);
}

}  // namespace
}  // namespace sallyport
