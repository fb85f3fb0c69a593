#include "src/history.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "src/sqlite_db.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

namespace stdfs = std::filesystem;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

StoredEvent Event(int64_t time_ns, bool violation, std::string json,
                  std::string app = "/bin/a", uint32_t uid = 1000) {
  return {time_ns, violation, uid, std::move(app), std::move(json)};
}

std::vector<std::string> QueryOf(const History& history,
                                 const HistoryQuery& query = {}) {
  const auto events = history.Query(query);
  EXPECT_TRUE(events.ok()) << events.status();
  return events.value_or(std::vector<std::string>());
}

using Texts = std::vector<std::string>;

TEST(History, KeepsAndFindsNewestLast) {
  TempDir dir;
  const auto history = History::Open(dir / "h.db", {}).value();
  const StoredEvent events[] = {Event(1, true, "v1"), Event(2, false, "f2"),
                                Event(3, true, "v3", "/bin/b", 1001),
                                Event(4, true, "v4", "/b\n")};
  ASSERT_TRUE(history->Append(events).ok());
  EXPECT_EQ(QueryOf(*history), Texts({"v1", "v3", "v4"}));
  EXPECT_EQ(QueryOf(*history, {.violations_only = false}),
            Texts({"v1", "f2", "v3", "v4"}));
  EXPECT_EQ(QueryOf(*history, {.since_ns = 3}), Texts({"v3", "v4"}));
  EXPECT_EQ(QueryOf(*history, {.app = "/bin/b"}), Texts({"v3"}));
  EXPECT_EQ(QueryOf(*history, {.app = "/b\n"}), Texts({"v4"}));
  EXPECT_EQ(QueryOf(*history, {.app = "/b\\x0a"}), Texts({"v4"}));
  EXPECT_EQ(QueryOf(*history, {.uid = 1001}), Texts({"v3"}));
  EXPECT_EQ(QueryOf(*history, {.limit = 2}), Texts({"v3", "v4"}));
  EXPECT_EQ(QueryOf(*history, {.violations_only = false, .limit = 3}),
            Texts({"f2", "v3", "v4"}));
}

TEST(History, OutlivesTheDaemonAndIsPrivate) {
  TempDir dir;
  const std::string path = dir / "h.db";
  {
    const auto history = History::Open(path, {}).value();
    const StoredEvent event = Event(1, true, "v1");
    ASSERT_TRUE(history->Append({&event, 1}).ok());
    for (const char* suffix : {"", "-wal"}) {
      struct stat info;
      ASSERT_EQ(stat((path + suffix).c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 077, 0u) << suffix;
    }
  }
  EXPECT_EQ(QueryOf(*History::Open(path, {}).value()), Texts({"v1"}));
}

TEST(History, FloodOfAllowedFlowsLeavesViolationsAlone) {
  TempDir dir;
  const std::string path = dir / "h.db";
  const int64_t max_bytes = 2 << 20;
  const auto history =
      History::Open(path, {.max_age = absl::Hours(1), .max_bytes = max_bytes})
          .value();
  std::vector<StoredEvent> batch;
  for (int i = 0; i < 100; ++i) batch.push_back(Event(i, true, "v"));
  ASSERT_TRUE(history->Append(batch).ok());
  // Sizes that fill pages badly: the file must keep its bound all the same.
  for (const size_t size : {600u, 2100u, 5000u}) {
    for (int round = 0; round < 40; ++round) {
      batch.clear();
      for (int i = 0; i < 100; ++i) {
        batch.push_back(Event(1000 + i, false, std::string(size, 'f')));
      }
      ASSERT_TRUE(history->Append(batch).ok());
    }
    EXPECT_LE(stdfs::file_size(path), static_cast<size_t>(max_bytes) * 11 / 10)
        << size;
  }
  EXPECT_EQ(QueryOf(*history).size(), 100u);
  const size_t all = QueryOf(*history, {.violations_only = false}).size();
  EXPECT_GT(all, 150u);
  EXPECT_LT(all, 2500u);
}

TEST(History, OldEventsGoByAndBy) {
  TempDir dir;
  const auto history =
      History::Open(dir / "h.db", {.max_age = absl::Hours(24)}).value();
  std::vector<StoredEvent> old;
  for (int i = 0; i < 1000; ++i) old.push_back(Event(i, i % 2 == 0, "old"));
  ASSERT_TRUE(history->Append(old).ok());
  // One append prunes a bounded number: a clock that leaps (CASES F19) for a
  // moment does not cost all.
  const StoredEvent event = Event(10 * kDay, true, "new");
  ASSERT_TRUE(history->Append({&event, 1}).ok());
  const HistoryQuery everything{.violations_only = false};
  EXPECT_GT(QueryOf(*history, everything).size(), 700u);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(history->Append({&event, 1}).ok());
  }
  EXPECT_EQ(QueryOf(*history, everything).size(), 21u);
}

TEST(History, LoweredLimitIsReachedAndSpaceGivenBack) {
  TempDir dir;
  const std::string path = dir / "h.db";
  std::vector<StoredEvent> batch(2000, Event(1, false, std::string(8000, 'f')));
  {
    const auto history = History::Open(path, {}).value();
    ASSERT_TRUE(history->Append(batch).ok());
  }
  EXPECT_GT(stdfs::file_size(path), size_t{15} << 20);
  {
    const auto history =
        History::Open(path, {.max_bytes = int64_t{1} << 20}).value();
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(history->Append({batch.data(), 1}).ok());
    }
  }
  EXPECT_LT(stdfs::file_size(path), size_t{6} << 20);
}

TEST(History, F22_NewerSchemaIsRefusedAndTheFileKept) {
  TempDir dir;
  const std::string path = dir / "h.db";
  {
    auto db = SqliteDb::Open(path, false).value();
    ASSERT_TRUE(
        db.Exec("CREATE TABLE future (x); PRAGMA user_version = 99").ok());
  }
  const auto history = History::Open(path, {}).value();
  EXPECT_EQ(history->error().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(history->error().message().find(path), std::string::npos);
  const StoredEvent event = Event(1, true, "v1");
  EXPECT_FALSE(history->Append({&event, 1}).ok());
  EXPECT_EQ(history->Query({}).status(), history->error());
  auto db = SqliteDb::Open(path, false).value();
  EXPECT_EQ(db.Number("PRAGMA user_version").value(), 99);
  EXPECT_EQ(db.Number("SELECT count(*) FROM future").value(), 0);
}

TEST(History, SomebodyElsesDatabaseIsRefused) {
  TempDir dir;
  const std::string path = dir / "h.db";
  {
    auto db = SqliteDb::Open(path, false).value();
    ASSERT_TRUE(db.Exec("CREATE TABLE mail (x)").ok());
  }
  const auto history = History::Open(path, {}).value();
  EXPECT_EQ(history->error().code(), absl::StatusCode::kFailedPrecondition);
  // Moved away, as the message says, a new one is begun.
  stdfs::rename(path, dir / "mail.db");
  const StoredEvent event = Event(1, true, "v1");
  EXPECT_TRUE(history->Append({&event, 1}).ok());
  EXPECT_TRUE(history->error().ok());
  EXPECT_EQ(history->Query({}).value().size(), 1u);
}

size_t CountAside(const TempDir& dir) {
  size_t count = 0;
  for (const auto& entry : stdfs::directory_iterator(dir.path())) {
    const std::string name = entry.path().filename();
    count += name.starts_with("h.db.corrupt-") && !name.ends_with("-wal") &&
             !name.ends_with("-shm");
  }
  return count;
}

TEST(History, DamagedFileIsMovedAsideAndSaid) {
  TempDir dir;
  const std::string path = dir / "h.db";
  std::ofstream(path) << std::string(100'000, 'x');
  const auto history = History::Open(path, {}).value();
  EXPECT_TRUE(history->error().ok()) << history->error();
  EXPECT_NE(history->notice().find("damaged"), std::string::npos);
  EXPECT_EQ(CountAside(dir), 1u);
  const StoredEvent event = Event(1, true, "v1");
  ASSERT_TRUE(history->Append({&event, 1}).ok());
  EXPECT_EQ(QueryOf(*history), Texts({"v1"}));
}

TEST(History, FileDamagedWhileRunning) {
  TempDir dir;
  const std::string path = dir / "h.db";
  std::vector<StoredEvent> batch(500, Event(1, true, std::string(500, 'v')));
  {
    const auto history = History::Open(path, {}).value();
    ASSERT_TRUE(history->Append(batch).ok());
  }
  {
    // All but the page with the header and the schema.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(stdfs::file_size(path) - 4096, '\x55');
  }
  const auto history = History::Open(path, {}).value();
  ASSERT_TRUE(history->Append({batch.data(), 1}).ok()) << history->error();
  EXPECT_EQ(CountAside(dir), 1u);
  EXPECT_NE(history->notice(), "");
  EXPECT_EQ(QueryOf(*history).size(), 1u);
}

TEST(History, MissingDirectoryIsToldAndTriedAgain) {
  TempDir dir;
  const auto history = History::Open(dir / "later/h.db", {}).value();
  EXPECT_FALSE(history->error().ok());
  EXPECT_FALSE(history->Query({}).ok());
  const StoredEvent event = Event(1, true, "v1");
  EXPECT_FALSE(history->Append({&event, 1}).ok());
  ASSERT_TRUE(stdfs::create_directory(dir / "later"));
  EXPECT_TRUE(history->Append({&event, 1}).ok());
  EXPECT_TRUE(history->error().ok());
  EXPECT_EQ(QueryOf(*history), Texts({"v1"}));
}

TEST(History, LimitsMustBeSomething) {
  TempDir dir;
  EXPECT_FALSE(History::Open(dir / "h.db", {.max_bytes = 0}).ok());
  EXPECT_FALSE(
      History::Open(dir / "h.db", {.max_age = absl::ZeroDuration()}).ok());
}

TEST(History, QueriesDoNotHoldUpTheWriter) {
  TempDir dir;
  const auto history = History::Open(dir / "h.db", {}).value();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    size_t before = 0;
    while (!done) {
      const size_t now = QueryOf(*history, {.violations_only = false}).size();
      EXPECT_GE(now, before);
      before = now;
    }
  });
  std::vector<StoredEvent> batch(20, Event(1, true, "v"));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(history->Append(batch).ok()) << history->error();
  }
  done = true;
  reader.join();
}

// Runs `body` in a child that has a file system of 1 MiB at `mount_point`, and
// in no other process. False: not permitted here.
template <typename Body>
bool OnTinyDisk(const std::string& mount_point, Body body) {
  constexpr int kNotPermitted = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("sallyport-test", mount_point.c_str(), "tmpfs", 0,
              "size=1048576") != 0) {
      _exit(kNotPermitted);
    }
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermitted) return false;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  return true;
}

TEST(History, F16_DiskFullIsToldAndRecoveredFrom) {
  TempDir dir;
  const bool ran = OnTinyDisk(dir.path(), [&] {
    const auto history = History::Open(dir / "h.db", {}).value();
    EXPECT_TRUE(history->error().ok()) << history->error();
    const StoredEvent small = Event(1, true, "v1");
    EXPECT_TRUE(history->Append({&small, 1}).ok());
    {
      std::ofstream filler(dir / "filler");
      filler << std::string(2 << 20, 'x');
    }
    const std::vector<StoredEvent> batch(
        500, Event(2, true, std::string(1000, 'x')));
    EXPECT_FALSE(history->Append(batch).ok());
    EXPECT_FALSE(history->error().ok());
    EXPECT_FALSE(history->Append(batch).ok());
    stdfs::remove(dir / "filler");
    const StoredEvent later = Event(3, true, "v3");
    EXPECT_TRUE(history->Append({&later, 1}).ok()) << history->error();
    EXPECT_TRUE(history->error().ok());
    // What was there is there still; of the failed batch there is nothing.
    EXPECT_EQ(QueryOf(*history), Texts({"v1", "v3"}));
    EXPECT_EQ(history->notice(), "");
  });
  if (!ran) GTEST_SKIP() << "mounting is not permitted";
}

TEST(History, F17_ReadOnlyDiskIsToldAndRecoveredFrom) {
  TempDir dir;
  const bool ran = OnTinyDisk(dir.path(), [&] {
    const auto remount = [&](unsigned long flags) {
      return mount("", dir.path().c_str(), "", MS_REMOUNT | flags, nullptr);
    };
    EXPECT_EQ(remount(MS_RDONLY), 0);
    const auto history = History::Open(dir / "h.db", {}).value();
    const StoredEvent event = Event(1, true, "v1");
    EXPECT_FALSE(history->error().ok());
    EXPECT_FALSE(history->Append({&event, 1}).ok());
    EXPECT_EQ(remount(0), 0);
    EXPECT_TRUE(history->Append({&event, 1}).ok()) << history->error();
    EXPECT_EQ(QueryOf(*history), Texts({"v1"}));
  });
  if (!ran) GTEST_SKIP() << "mounting is not permitted";
}

}  // namespace
}  // namespace sallyport
