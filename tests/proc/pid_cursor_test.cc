#include "proc/pid_cursor.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::proc {
namespace {

std::vector<int32_t> Pids(const std::vector<PidCursor::Due>& due) {
  std::vector<int32_t> pids;
  for (const auto& one : due) pids.push_back(one.pid);
  return pids;
}

TEST(PidCursor, GivesWhatLiesBetweenTwoLooks) {
  PidCursor cursor;
  cursor.Reset(10);
  std::vector<PidCursor::Due> due;
  ASSERT_TRUE(cursor.Advance(13, &due));
  EXPECT_EQ(Pids(due), (std::vector<int32_t>{11, 12, 13}));
  due.clear();
  ASSERT_TRUE(cursor.Advance(13, &due));
  EXPECT_TRUE(due.empty());
}

TEST(PidCursor, RefusesALargeGapAndNumbersThatStartOver) {
  PidCursor cursor;
  cursor.Reset(10'000);
  std::vector<PidCursor::Due> due;
  EXPECT_FALSE(cursor.Advance(10'001 + PidCursor::kMaxGap, &due));
  EXPECT_FALSE(cursor.Advance(300, &due));
  EXPECT_TRUE(due.empty());
  EXPECT_EQ(cursor.newest(), 10'000);
}

TEST(PidCursor, AnAbsentOneIsLookedAtThreeTimesMore) {
  PidCursor cursor;
  std::vector<PidCursor::Due> due;
  PidCursor::Due pid{77, 0};
  int64_t now_ns = 1'000;
  for (int64_t delay_ns :
       {int64_t{0}, int64_t{10'000'000}, int64_t{200'000'000}}) {
    cursor.NoteAbsent(pid, now_ns);
    EXPECT_EQ(cursor.next_due_ns(), now_ns + delay_ns);
    if (delay_ns > 0) {
      cursor.TakeDue(now_ns + delay_ns - 1, &due);
      EXPECT_TRUE(due.empty());
    }
    now_ns += delay_ns;
    cursor.TakeDue(now_ns, &due);
    ASSERT_EQ(Pids(due), std::vector<int32_t>{77});
    pid = due[0];
    due.clear();
  }
  cursor.NoteAbsent(pid, now_ns);
  EXPECT_EQ(cursor.next_due_ns(), PidCursor::kNeverNs);
}

}  // namespace
}  // namespace sallyport::proc
