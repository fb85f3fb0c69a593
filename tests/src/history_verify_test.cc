#include "src/history_verify.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "src/history.h"
#include "src/history_schema.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

namespace stdfs = std::filesystem;
using What = ChainBreak::What;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'700'000'000 * kSecond;

StoredEvent Numbered(int number, bool violation = true) {
  return {kStart + number * kSecond, violation, 1000, "/bin/a",
          "{\"number\":" + std::to_string(number) + "}"};
}

// A history, and what somebody with a hand on its file does to it.
class VerifyTest : public ::testing::Test {
 protected:
  // `count` violations and as many allowed flows, numbered from 1; closed.
  void Write(int count, const HistoryLimits& limits = {}) {
    const auto history = History::Open(path_, limits).value();
    std::vector<StoredEvent> events;
    for (int i = 1; i <= count; ++i) {
      events.push_back(Numbered(i, true));
      events.push_back(Numbered(i, false));
    }
    ASSERT_TRUE(history->Append(events).ok()) << history->error();
  }
  // A new one with 20 of each. Written once, then copied: the disk is slow.
  void Renew() {
    const std::string pristine = dir_ / "pristine.db";
    for (const char* suffix : {"", "-wal", "-shm"}) {
      stdfs::remove(path_ + suffix);
    }
    if (!stdfs::exists(pristine)) {
      Write(20);
      stdfs::copy_file(path_, pristine);
      return;
    }
    stdfs::copy_file(pristine, path_);
  }
  void Tamper(const std::string& sql) {
    auto db = SqliteDb::Open(path_, false).value();
    const absl::Status status =
        db.Exec(("PRAGMA synchronous = OFF;" + sql).c_str());
    ASSERT_TRUE(status.ok()) << status;
  }
  HistoryReport Verify(const VerifyOptions& options = {}) {
    auto report = VerifyHistory(path_, options);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(HistoryReport());
  }
  // What is wrong with the violations; the allowed flows must be intact.
  ChainBreak BreakOf(const HistoryReport& report) {
    EXPECT_FALSE(report.IsIntact());
    EXPECT_FALSE(report.chains[1].broken.has_value())
        << report.chains[1].broken->message;
    EXPECT_TRUE(report.chains[0].broken.has_value());
    return report.chains[0].broken.value_or(ChainBreak());
  }

  TempDir dir_;
  const std::string path_ = dir_ / "h.db";
};

TEST_F(VerifyTest, IntactFromTheFirstRecordToTheLast) {
  Write(20);
  const HistoryReport report = Verify();
  EXPECT_TRUE(report.IsIntact());
  for (const ChainReport& chain : report.chains) {
    EXPECT_EQ(chain.records, 20);
    EXPECT_EQ(chain.unchained, 0);
    EXPECT_EQ(chain.pruned, 0);
    EXPECT_EQ(chain.since_ns, kStart + kSecond);
    EXPECT_EQ(chain.newest_ns, kStart + 20 * kSecond);
    EXPECT_EQ(chain.head.id, 20);
  }
  EXPECT_NE(report.chains[0].head.hash, report.chains[1].head.hash);
}

TEST_F(VerifyTest, EmptyIsIntact) {
  Write(0);
  ASSERT_TRUE(History::Open(path_, {}).value()->error().ok());
  const HistoryReport report = Verify();
  EXPECT_TRUE(report.IsIntact());
  EXPECT_EQ(report.chains[0].records, 0);
  EXPECT_EQ(report.chains[0].since_ns, report.chains[0].begun_ns);
  EXPECT_GT(report.chains[0].begun_ns, kStart);
}

TEST_F(VerifyTest, GoesOnOverRestarts) {
  Write(5);
  Write(5);
  EXPECT_EQ(Verify().chains[0].records, 10);
  EXPECT_TRUE(Verify().IsIntact());
}

TEST_F(VerifyTest, EveryChangedColumnIsFound) {
  const char* const changes[] = {
      "json = '{}'",
      "json = json || ' '",
      "json = CAST(json AS BLOB)",
      "json = zeroblob(20000000)",
      "app = '/bin/b'",
      "app = 5",
      "uid = 0",
      "uid = NULL",
      "uid = 'x'",
      "time_ns = time_ns + 1",
      "time_ns = 'then'",
      "kind = 1",
      "cost = cost - 1",
      "hash = NULL",
      "hash = zeroblob(32)",
      "hash = substr(hash, 1, 31)",
      "hash = hash || x'00'",
  };
  for (const char* change : changes) {
    Renew();
    Tamper(std::string("UPDATE violation SET ") + change + " WHERE id = 7");
    const HistoryReport report = Verify();
    const ChainBreak broken = BreakOf(report);
    EXPECT_EQ(broken.id, 7) << change << ": " << broken.message;
    EXPECT_EQ(report.chains[0].records, 6) << change;
    EXPECT_TRUE(broken.what == What::kChanged || broken.what == What::kDamaged)
        << change;
  }
}

TEST_F(VerifyTest, ChangedRecordIsNamedWithItsTime) {
  Write(20);
  Tamper("UPDATE violation SET json = '{}' WHERE id = 7");
  const ChainBreak broken = BreakOf(Verify());
  EXPECT_EQ(broken.what, What::kChanged);
  EXPECT_EQ(broken.time_ns, kStart + 7 * kSecond);
  EXPECT_TRUE(absl::StrContains(broken.message, "record 7 of 2023-11-14T22:13"))
      << broken.message;
}

// With the hash made to fit its new content, the next record gives it away.
TEST_F(VerifyTest, RecordWithAHashOfItsOwnIsFoundAtTheNext) {
  Write(20);
  auto db = SqliteDb::Open(path_, false).value();
  const HistoryChain chain = LoadChain(db, "violation").value();
  ChainHasher hasher;
  Sha256Digest hash = chain.anchor.hash;
  for (int i = 1; i <= 7; ++i) {
    StoredEvent event = Numbered(i);
    if (i == 7) event.json = "{}";
    hash =
        hasher
            .Next(hash,
                  {i, 0, event.time_ns, 1000, event.app, event.json,
                   int64_t(100 + event.app.size() + Numbered(i).json.size())})
            .value();
  }
  auto update =
      db.Prepare("UPDATE violation SET json = '{}', hash = ? WHERE id = 7")
          .value();
  update.BindBlob(1, hash);
  ASSERT_TRUE(update.Run().ok());
  const ChainBreak broken = BreakOf(Verify());
  EXPECT_EQ(broken.what, What::kChanged);
  EXPECT_EQ(broken.id, 8);
}

TEST_F(VerifyTest, MissingRecordsAreNamed) {
  const struct {
    const char* where;
    What what;
    int64_t first, last;
  } cases[] = {
      {"id = 7", What::kMissing, 7, 7},
      {"id BETWEEN 7 AND 9", What::kMissing, 7, 9},
      {"id IN (3, 9)", What::kMissing, 3, 3},
      {"id <= 4", What::kMissing, 1, 4},
      {"id = 20", What::kCut, 20, 20},
      {"id > 15", What::kCut, 16, 20},
      {"1", What::kCut, 1, 20},
  };
  for (const auto& c : cases) {
    Renew();
    Tamper(std::string("DELETE FROM violation WHERE ") + c.where);
    const ChainBreak broken = BreakOf(Verify());
    EXPECT_EQ(broken.what, c.what) << c.where;
    EXPECT_EQ(broken.id, c.first) << broken.message;
    EXPECT_EQ(broken.last_id, c.last) << broken.message;
  }
}

TEST_F(VerifyTest, ClosedGapIsFoundAllTheSame) {
  Write(20);
  Tamper(
      "DELETE FROM violation WHERE id = 7;"
      "UPDATE violation SET id = id - 1 WHERE id > 7;"
      "UPDATE chain SET head_id = 19 WHERE name = 'violation'");
  const ChainBreak broken = BreakOf(Verify());
  EXPECT_EQ(broken.what, What::kChanged);
  EXPECT_EQ(broken.id, 7);
}

TEST_F(VerifyTest, InsertedRecordsAreFound) {
  const auto insert = [](const std::string& id) {
    return "INSERT INTO violation (id, time_ns, app, json, cost) VALUES (" +
           id + ", 5, '', '{}', 100)";
  };
  Write(20);
  Tamper(insert("21"));
  EXPECT_EQ(BreakOf(Verify()).what, What::kInserted);
  EXPECT_EQ(BreakOf(Verify()).id, 21);
  // The daemon needs the place: its own record counts.
  Write(1);
  EXPECT_TRUE(Verify().IsIntact());
  Tamper(insert("0"));
  EXPECT_EQ(Verify().chains[0].unchained, 1);  // says it is not of the chain
}

TEST_F(VerifyTest, CutThatAlsoTurnsTheHeadBackNeedsAHeadFromElsewhere) {
  Write(20);
  const Sha256Digest head = Verify().chains[0].head.hash;
  EXPECT_TRUE(Verify({.heads = {head}}).IsIntact());
  Tamper(
      "UPDATE chain SET head_id = 15, head_hash = (SELECT hash FROM violation"
      " WHERE id = 15) WHERE name = 'violation';"
      "DELETE FROM violation WHERE id > 15");
  EXPECT_TRUE(Verify().IsIntact());  // what verify cannot know by itself
  const HistoryReport report = Verify({.heads = {head}});
  EXPECT_FALSE(report.IsIntact());
  EXPECT_FALSE(report.heads[0].found);
  EXPECT_FALSE(report.chains[0].broken.has_value());
}

TEST_F(VerifyTest, HeadsOfLongAgoAreFoundWhereTheyAre) {
  Write(5);
  const HistoryReport before = Verify();
  Write(5);
  const HistoryReport report =
      Verify({.heads = {before.chains[1].head.hash, before.chains[0].head.hash,
                        Sha256Digest{}}});
  ASSERT_EQ(report.heads.size(), 3u);
  EXPECT_EQ(report.heads[0].chain, "allowed");
  EXPECT_EQ(report.heads[0].id, 5);
  EXPECT_EQ(report.heads[1].chain, "violations");
  EXPECT_FALSE(report.heads[2].found);
  EXPECT_FALSE(report.IsIntact());
}

TEST_F(VerifyTest, RememberedHeadsTellThatTheFileIsAnother) {
  Write(20);
  const HistoryReport old = Verify();
  HistoryHeads heads = {old.chains[0].head, old.chains[1].head};
  EXPECT_TRUE(Verify({.remembered = heads}).IsIntact());
  Write(3);
  EXPECT_TRUE(Verify({.remembered = heads}).IsIntact());
  heads[0].hash[0] ^= 1;
  EXPECT_EQ(BreakOf(Verify({.remembered = heads})).what, What::kReplaced);
  EXPECT_EQ(BreakOf(Verify({.remembered = heads})).id, 20);
  heads = {old.chains[0].head, old.chains[1].head};
  heads[0].id = 30;
  const ChainBreak broken = BreakOf(Verify({.remembered = heads}));
  EXPECT_EQ(broken.what, What::kReplaced);
  EXPECT_TRUE(absl::StrContains(broken.message, "up to 30")) << broken.message;
}

// Somebody with all rights who writes the whole file anew while we run.
TEST_F(VerifyTest, WriterKnowsItsOwnFile) {
  const auto history = History::Open(path_, {}).value();
  const StoredEvent event = Numbered(1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(history->Append({&event, 1}).ok());
  }
  EXPECT_TRUE(history->Verify().value().IsIntact());
  const std::string other = dir_ / "other.db";
  {
    const auto forged = History::Open(other, {}).value();
    for (int i = 0; i < 9; ++i) {
      const StoredEvent invented = Numbered(i);
      ASSERT_TRUE(forged->Append({&invented, 1}).ok());
    }
  }
  EXPECT_TRUE(VerifyHistory(other, {}).value().IsIntact());
  stdfs::rename(other, path_);
  stdfs::remove(path_ + "-wal");
  stdfs::remove(path_ + "-shm");
  const HistoryReport report = history->Verify().value();
  EXPECT_FALSE(report.IsIntact());
}

TEST_F(VerifyTest, SizePruningMovesTheAnchor) {
  const HistoryLimits small{.max_age = absl::Hours(24 * 365),
                            .max_bytes = 64 << 10};
  const auto history = History::Open(path_, small).value();
  Sha256Digest old_head{};
  for (int i = 0; i < 50; ++i) {
    std::vector<StoredEvent> batch;
    for (int k = 0; k < 40; ++k) batch.push_back(Numbered(i * 40 + k, k % 2));
    ASSERT_TRUE(history->Append(batch).ok()) << history->error();
    const HistoryReport report =
        history
            ->Verify(i == 0 ? std::vector<Sha256Digest>()
                            : std::vector{old_head})
            .value();
    ASSERT_TRUE(report.IsIntact()) << HistoryReportToJson(report);
    old_head = report.chains[i % 2].head.hash;
  }
  const HistoryReport report = Verify();
  for (const ChainReport& chain : report.chains) {
    EXPECT_GT(chain.pruned, 500);
    EXPECT_EQ(chain.pruned + chain.records, 1000);
    EXPECT_GT(chain.since_ns, kStart + 500 * kSecond);
  }
  // What is pruned is no longer provable; the newest pruned one still is.
  EXPECT_TRUE(Verify({.heads = {report.chains[0].anchor.hash}}).IsIntact());
}

TEST_F(VerifyTest, AgePruningMovesTheAnchor) {
  const auto history =
      History::Open(path_, {.max_age = absl::Seconds(100)}).value();
  for (int i = 0; i < 1000; i += 20) {
    std::vector<StoredEvent> batch;
    for (int k = 0; k < 20; ++k) batch.push_back(Numbered(i + k));
    ASSERT_TRUE(history->Append(batch).ok());
    ASSERT_TRUE(history->Verify().value().IsIntact()) << i;
  }
  const ChainReport chain = Verify().chains[0];
  EXPECT_GE(chain.records, 100);
  EXPECT_LE(chain.records, 121);
  EXPECT_EQ(chain.records + chain.pruned, 1000);
}

// CASES F19. What was written while the clock was wrong must not take the rest
// with it.
TEST_F(VerifyTest, AgePruningOverClocksThatLeap) {
  const auto history =
      History::Open(path_, {.max_age = absl::Seconds(100)}).value();
  const auto append = [&](int64_t time_ns) {
    StoredEvent event = Numbered(0);
    event.time_ns = time_ns;
    ASSERT_TRUE(history->Append({&event, 1}).ok());
    ASSERT_TRUE(history->Verify().value().IsIntact());
  };
  const auto times = [this] {
    auto db = SqliteDb::Open(path_, true).value();
    auto select =
        db.Prepare("SELECT time_ns FROM violation ORDER BY id").value();
    std::vector<int64_t> out;
    while (select.Step().value()) {
      out.push_back((select.Int(0) - kStart) / kSecond);
    }
    return out;
  };
  using Times = std::vector<int64_t>;
  append(kStart);
  append(kStart + 500'000 * kSecond);  // ahead: the first is too old for it
  EXPECT_EQ(times(), Times({500'000}));
  append(kStart + 10 * kSecond);  // set right
  append(0);                      // a start before the clock was set
  append(kStart + 20 * kSecond);
  append(kStart + 200 * kSecond);
  EXPECT_EQ(times(), Times({500'000, 10, -kStart / kSecond, 20, 200}));
  append(kStart + 500'150 * kSecond);
  EXPECT_EQ(times(), Times({500'150}));
}

TEST_F(VerifyTest, WhatPruningFindsMissingIsNotHeldAgainstTheRest) {
  const HistoryLimits limits{.max_age = absl::Seconds(100)};
  Write(50, limits);
  Tamper("DELETE FROM violation WHERE id IN (1, 2, 10)");
  EXPECT_FALSE(Verify().IsIntact());
  const auto history = History::Open(path_, limits).value();
  StoredEvent event = Numbered(120);
  ASSERT_TRUE(history->Append({&event, 1}).ok());  // prunes 1 to 19
  EXPECT_TRUE(Verify().IsIntact());
  EXPECT_EQ(Verify().chains[0].anchor.id, 19);
}

TEST_F(VerifyTest, OldFileIsBroughtToTheChainInPlace) {
  {
    auto db = SqliteDb::Open(path_, false).value();
    ASSERT_TRUE(
        db.Exec("CREATE TABLE violation (id INTEGER PRIMARY KEY, time_ns"
                " INTEGER NOT NULL, uid INTEGER, app TEXT NOT NULL, json TEXT"
                " NOT NULL, cost INTEGER NOT NULL);"
                "CREATE INDEX violation_time ON violation (time_ns);"
                "CREATE TABLE flow (id INTEGER PRIMARY KEY, time_ns INTEGER"
                " NOT NULL, uid INTEGER, app TEXT NOT NULL, json TEXT NOT"
                " NULL, cost INTEGER NOT NULL);"
                "CREATE INDEX flow_time ON flow (time_ns);"
                "CREATE TABLE budget (violation INTEGER NOT NULL, flow INTEGER"
                " NOT NULL);"
                "INSERT INTO budget VALUES (200, 0);"
                "INSERT INTO violation VALUES (1, 1700000000000000000, 5, '/a',"
                " 'one', 100);"
                "INSERT INTO violation VALUES (9, 1700000000000000001, 5, '/a',"
                " 'two', 100);"
                "PRAGMA user_version = 1")
            .ok());
  }
  EXPECT_EQ(VerifyHistory(path_, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  Write(5);
  const HistoryReport report = Verify();
  EXPECT_TRUE(report.IsIntact());
  EXPECT_EQ(report.chains[0].unchained, 2);
  EXPECT_EQ(report.chains[0].records, 5);
  EXPECT_EQ(report.chains[0].head.id, 14);
  EXPECT_EQ(report.chains[1].unchained, 0);
  const auto history = History::Open(path_, {}).value();
  const auto kept = history->Query({}).value();
  ASSERT_EQ(kept.size(), 7u);
  EXPECT_EQ(kept[0], "one");
  // The old ones are pruned first, and the chain's anchor stays.
  std::vector<StoredEvent> late(1, Numbered(100'000'000));
  ASSERT_TRUE(history->Append(late).ok());
  EXPECT_TRUE(Verify().IsIntact());
  EXPECT_EQ(Verify().chains[0].unchained, 0);
}

TEST_F(VerifyTest, OtherFilesAreRefused) {
  EXPECT_EQ(VerifyHistory(path_, {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(VerifyHistory(dir_.path(), {}).status().code(),
            absl::StatusCode::kNotFound);
  dir_.Write("h.db", "");
  EXPECT_EQ(VerifyHistory(path_, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  stdfs::remove(path_);
  Write(1);
  Tamper("PRAGMA user_version = 3");
  const absl::Status newer = VerifyHistory(path_, {}).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(newer.message(), "newer version")) << newer;
}

TEST_F(VerifyTest, BrokenTablesAreDamage) {
  const char* const deeds[] = {
      "DROP TABLE chain",
      "DELETE FROM chain",
      "UPDATE chain SET head_hash = 'x'",
      "UPDATE chain SET head_id = 9223372036854775807",
      "UPDATE chain SET anchor_id = 30",
      "UPDATE chain SET begin_id = -1",
      "UPDATE chain SET begin_id = 30",
      "ALTER TABLE violation DROP COLUMN hash",
      "DROP TABLE violation",
      "ALTER TABLE violation RENAME TO v;"
      "CREATE VIEW violation AS SELECT * FROM v",
  };
  for (const char* deed : deeds) {
    Renew();
    Tamper(deed);
    const HistoryReport report = Verify();
    EXPECT_FALSE(report.IsIntact()) << deed;
    ASSERT_TRUE(report.chains[0].broken.has_value()) << deed;
    EXPECT_EQ(report.chains[0].broken->what, What::kDamaged) << deed;
    // The daemon puts such a file aside and goes on.
    Write(2);
    EXPECT_TRUE(Verify().IsIntact()) << deed;
  }
  Tamper("UPDATE chain SET begin_ns = begin_ns + 1 WHERE name = 'violation'");
  EXPECT_EQ(BreakOf(Verify()).what, What::kChanged);
}

// Whatever byte of the file is turned, verify does not crash, and does not
// call it whole if a record reads differently.
TEST_F(VerifyTest, EveryFlippedByteOfARecordIsFound) {
  Write(12);
  const std::string whole = ReadWhole(path_);
  const auto texts = [this] {
    auto db = SqliteDb::OpenUnused(path_);
    std::vector<std::string> out;
    if (!db.ok()) return out;
    for (const char* table : kHistoryTables) {
      auto select =
          db->Prepare((std::string("SELECT json, app, time_ns, id FROM ") +
                       table + " ORDER BY id")
                          .c_str());
      if (!select.ok()) return std::vector<std::string>();
      while (select->Step().value_or(false)) {
        out.emplace_back(select->Text(0));
        out.emplace_back(select->Text(1));
        out.push_back(std::to_string(select->Int(2) + select->Int(3)));
      }
    }
    return out;
  };
  const auto original = texts();
  ASSERT_EQ(original.size(), 72u);
  int found = 0;
  for (size_t at = 0; at < whole.size(); at += 41) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x11);
    std::ofstream(path_, std::ios::binary) << flipped;
    const auto report = VerifyHistory(path_, {});
    const bool intact = report.ok() && report->IsIntact();
    if (!intact) ++found;
    if (texts() != original) {
      EXPECT_FALSE(intact) << at;
    }
  }
  EXPECT_GT(found, 20);
}

TEST_F(VerifyTest, ReadsWhileTheWriterWrites) {
  const auto history = History::Open(path_, {.max_bytes = 256 << 10}).value();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const auto report = history->Verify();
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_TRUE(report->IsIntact()) << HistoryReportToJson(*report);
    }
  });
  for (int i = 0; i < 60; ++i) {
    std::vector<StoredEvent> batch;
    for (int k = 0; k < 100; ++k) batch.push_back(Numbered(i * 100 + k, k % 3));
    EXPECT_TRUE(history->Append(batch).ok()) << history->error();
  }
  done = true;
  reader.join();
}

TEST_F(VerifyTest, LeavesNoTraceAndNeedsNoRightToWrite) {
  Write(5);
  const auto names = [this] {
    std::vector<std::string> out;
    for (const auto& entry : stdfs::directory_iterator(dir_.path())) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto before = names();
  EXPECT_EQ(before, std::vector<std::string>({"h.db"}));
  chmod(path_.c_str(), 0400);
  EXPECT_TRUE(Verify().IsIntact());
  EXPECT_EQ(names(), before);
  const std::string odd = dir_ / "a b%20?mode=rw#c.db";
  stdfs::rename(path_, odd);
  EXPECT_TRUE(VerifyHistory(odd, {}).value().IsIntact());
}

TEST_F(VerifyTest, HeadsAreThoseOfTheReport) {
  Write(5);
  const HistoryReport report = Verify();
  const auto history = History::Open(path_, {}).value();
  const HistoryHeads heads = history->Heads().value();
  EXPECT_EQ(heads[0], report.chains[0].head);
  EXPECT_EQ(heads[1], report.chains[1].head);
  EXPECT_FALSE(
      History::Open(dir_ / "no/h.db", {}).value()->Heads().status().ok());
}

TEST_F(VerifyTest, Json) {
  using nlohmann::json;
  Write(5);
  json whole = json::parse(HistoryReportToJson(Verify()));
  EXPECT_EQ(whole["intact"], true);
  EXPECT_EQ(whole["chains"][0]["chain"], "violations");
  EXPECT_EQ(whole["chains"][0]["records"], 5);
  EXPECT_EQ(whole["chains"][0]["since"], "2023-11-14T22:13:21.000000Z");
  EXPECT_FALSE(whole["chains"][0].contains("broken"));
  EXPECT_FALSE(whole.contains("heads"));
  Tamper("DELETE FROM violation WHERE id IN (2, 3)");
  whole = json::parse(HistoryReportToJson(Verify({.heads = {Sha256Digest{}}})));
  EXPECT_EQ(whole["intact"], false);
  EXPECT_EQ(whole["chains"][0]["broken"]["what"], "missing");
  EXPECT_EQ(whole["chains"][0]["broken"]["id"], 2);
  EXPECT_EQ(whole["chains"][0]["broken"]["last_id"], 3);
  EXPECT_EQ(whole["chains"][1]["intact"], true);
  EXPECT_EQ(whole["heads"][0]["found"], false);
  const json heads =
      json::parse(HistoryHeadsToJson({Verify().chains[0].head, {}}));
  ASSERT_EQ(heads["heads"].size(), 2u);
  EXPECT_EQ(heads["heads"][0]["id"], 5);
  EXPECT_EQ(heads["heads"][0]["hash"].get<std::string>().size(), 64u);
}

}  // namespace
}  // namespace sallyport
