#include "proc/socket_index.h"

#include <gtest/gtest.h>

namespace sallyport::proc {
namespace {

using Added = SocketIndex::Added;

TEST(SocketIndex, OneSlotForEachProcess) {
  SocketIndex index;
  EXPECT_EQ(index.Add(77, {1, {0, 3}}), Added::kNew);
  EXPECT_EQ(index.Add(77, {2, {0, 3}}), Added::kNew);
  EXPECT_EQ(index.Add(77, {1, {0, 9}}), Added::kKnown);
  const SocketIndex::Entry* entry = index.Find(77);
  ASSERT_EQ(entry->holdings.size(), 2u);
  EXPECT_EQ(entry->holdings[0].slot.fd, 9);
}

TEST(SocketIndex, AnEntryGoesWithItsLastHolder) {
  SocketIndex index;
  index.Add(77, {1, {0, 3}});
  index.Add(77, {2, {0, 3}});
  index.Remove(77, 1);
  EXPECT_NE(index.Find(77), nullptr);
  index.Remove(77, 2);
  EXPECT_EQ(index.Find(77), nullptr);
  index.Remove(77, 2);  // and once more changes nothing
  EXPECT_EQ(index.size(), 0u);
}

TEST(SocketIndex, FullIsSaidAndWhatIsThereStays) {
  SocketIndex index;
  for (uint32_t i = 0; i < SocketIndex::kMaxSockets; ++i) {
    ASSERT_EQ(index.Add(i, {1, {0, 3}}), Added::kNew);
  }
  EXPECT_EQ(index.Add(SocketIndex::kMaxSockets, {1, {0, 3}}), Added::kFull);
  EXPECT_EQ(index.Add(5, {2, {0, 3}}), Added::kNew);
}

}  // namespace
}  // namespace sallyport::proc
