#include "engine/queue_table.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(QueueTable, ReadsTheColumnsOfTheKernel) {
  const auto rows = ParseQueueTable(
      " 4180  31337     2 2   256     5     7     1234  1\n"
      "    1 4294967295  0 1 65531     0     0        0  1\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].number, 4180);
  EXPECT_EQ(rows[0].portid, 31337u);
  EXPECT_EQ(rows[0].waiting, 2u);
  EXPECT_EQ(rows[0].dropped, 5u);
  EXPECT_EQ(rows[0].user_dropped, 7u);
  EXPECT_EQ(rows[0].last_id, 1234u);
}

TEST(QueueTable, SkipsLinesItDoesNotUnderstand) {
  EXPECT_TRUE(ParseQueueTable("").empty());
  EXPECT_TRUE(ParseQueueTable("a b c\n1 2 3\n99999 1 1 1 1 1 1 1\n").empty());
}

}  // namespace
}  // namespace sallyport
