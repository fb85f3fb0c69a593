#include "src/learn_db.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

LearnedFlow Flow1() {
  LearnedFlow flow;
  flow.app = "/usr/bin/curl";
  flow.address = IpAddress::V4(0xc0000201);
  flow.protocol = 6;
  flow.port = 443;
  flow.uid = 1000;
  flow.count = 3;
  flow.shared = 1;
  flow.first_ns = 10;
  flow.last_ns = 30;
  return flow;
}

std::unique_ptr<LearnDb> Opened(const std::string& path) {
  auto db = LearnDb::Open(path);
  EXPECT_TRUE(db.ok()) << db.status();
  return db.ok() ? *std::move(db) : nullptr;
}

TEST(LearnDb, WhatWasSavedIsLoaded) {
  TempDir dir;
  LearnRows rows;
  rows.flows.push_back(Flow1());
  rows.flows.push_back(Flow1());
  rows.flows[1].name = "www.example.com";
  rows.flows.push_back(Flow1());
  rows.flows[2].uid.reset();
  rows.flows[2].address = *ParseIpAddress("2001:db8::1");
  rows.flows.push_back(Flow1());
  // Bytes that no rule's text could hold, and that it need not.
  rows.flows[3].app = "/memfd:a//b\n\xff (deleted)";
  rows.flows[3].naming = AppNaming::kNotItsPath;
  rows.flows.push_back(Flow1());
  rows.flows[4].app = "";
  rows.flows[4].naming = AppNaming::kNobody;
  rows.flows[4].uid = UINT32_MAX;
  rows.left_out = {{"", AppNaming::kByPath, 5},
                   {"/usr/bin/curl", AppNaming::kByPath, 7}};
  ASSERT_TRUE(Opened(dir / "l.db")->Save(rows).ok());
  struct stat st {};
  ASSERT_EQ(stat((dir / "l.db").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  const auto loaded = Opened(dir / "l.db")->Load(100);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->flows.size(), rows.flows.size());
  for (const LearnedFlow& flow : rows.flows) {
    EXPECT_EQ(std::count(loaded->flows.begin(), loaded->flows.end(), flow), 1)
        << flow.app;
  }
  EXPECT_EQ(loaded->left_out, rows.left_out);
  EXPECT_EQ(Opened(dir / "l.db")->Load(2)->flows.size(), 2u);
}

TEST(LearnDb, SavingAgainReplaces) {
  TempDir dir;
  const auto db = Opened(dir / "l.db");
  LearnRows rows;
  rows.flows.push_back(Flow1());
  rows.left_out = {{"/usr/bin/curl", AppNaming::kByPath, 7}};
  ASSERT_TRUE(db->Save(rows).ok());
  rows.flows[0].count = 9;
  rows.left_out[0].flows = 8;
  ASSERT_TRUE(db->Save(rows).ok());
  const LearnRows loaded = *db->Load(100);
  EXPECT_EQ(loaded.flows, rows.flows);
  EXPECT_EQ(loaded.left_out, rows.left_out);
}

TEST(LearnDb, ClearsOneAppOrAll) {
  TempDir dir;
  const auto db = Opened(dir / "l.db");
  LearnRows rows;
  rows.flows = {Flow1(), Flow1()};
  rows.flows[1].app = "/bin/b";
  rows.left_out = {{"/usr/bin/curl", AppNaming::kByPath, 7},
                   {"", AppNaming::kByPath, 1}};
  ASSERT_TRUE(db->Save(rows).ok());
  ASSERT_TRUE(db->Clear("/usr/bin/curl").ok());
  EXPECT_EQ(db->Load(100)->flows.size(), 1u);
  EXPECT_EQ(db->Load(100)->left_out.size(), 1u);
  ASSERT_TRUE(db->Clear("").ok());
  EXPECT_TRUE(db->Load(100)->flows.empty());
  EXPECT_TRUE(db->Load(100)->left_out.empty());
}

TEST(LearnDb, RowsThatMakeNoSenseAreLeftOut) {
  TempDir dir;
  ASSERT_NE(Opened(dir / "l.db"), nullptr);
  {
    auto db = SqliteDb::Open(dir / "l.db", false);
    ASSERT_TRUE(db.ok());
    constexpr const char* kRows[] = {
        "'relative', 0, '192.0.2.1', 6, 443, 0, '192.0.2.1', 1, 0, 0, 0",
        "'/bin/a', 9, '192.0.2.1', 6, 443, 0, '192.0.2.1', 1, 0, 0, 0",
        "'/bin/a', 0, '192.0.2.2', 6, 443, 0, 'here', 1, 0, 0, 0",
        "'/bin/a', 0, '192.0.2.3', 256, 443, 0, '192.0.2.3', 1, 0, 0, 0",
        "'/bin/a', 0, '192.0.2.4', 6, 65536, 0, '192.0.2.4', 1, 0, 0, 0",
        "'/bin/a', 0, '192.0.2.5', 6, 1, -2, '192.0.2.5', 1, 0, 0, 0",
        "'/bin/a', 0, '192.0.2.6', 6, 1, 0, '192.0.2.6', -1, 0, 0, 0",
        "'/bin/a', 0, '*.Example.com', 6, 1, 0, '192.0.2.7', 1, 0, 0, 0",
        "'/bin/a', 0, '', 6, 1, 0, '', 1, 0, 0, 0",
    };
    for (const char* row : kRows) {
      const std::string sql =
          std::string("INSERT INTO learned VALUES (") + row + ")";
      ASSERT_TRUE(db->Exec(sql.c_str()).ok()) << row;
    }
  }
  const auto loaded = Opened(dir / "l.db")->Load(100);
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(loaded->flows.empty());
}

TEST(LearnDb, F22_AFileOfAnotherVersionOrProgramIsLeftAsItIs) {
  TempDir dir;
  ASSERT_NE(Opened(dir / "new.db"), nullptr);
  ASSERT_TRUE(SqliteDb::Open(dir / "new.db", false)
                  ->Exec("PRAGMA user_version = 2")
                  .ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(LearnDb::Open(dir / "new.db").status()));
  ASSERT_TRUE(
      SqliteDb::Open(dir / "other.db", false)->Exec("CREATE TABLE t (x)").ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(LearnDb::Open(dir / "other.db").status()));
  dir.Write("text.db", std::string(8192, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(LearnDb::Open(dir / "text.db").status()));
}

}  // namespace
}  // namespace sallyport
