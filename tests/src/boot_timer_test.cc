#include "src/boot_timer.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace sallyport {
namespace {

bool Rings(BootTimer& timer, int wait_ms) {
  pollfd fd = {timer.fd(), POLLIN, 0};
  return poll(&fd, 1, wait_ms) == 1;
}

TEST(BootTimer, RingsOnceAtItsTime) {
  const auto timer = MakeBootTimer();
  ASSERT_TRUE(timer.ok()) << timer.status();
  BootTimer& t = **timer;
  EXPECT_EQ(t.BootId().size(), 36u);
  EXPECT_EQ(t.BootId(), t.BootId());
  EXPECT_FALSE(Rings(t, 0));
  const int64_t at = t.NowNs() + 20'000'000;
  t.SetAlarm(at);
  EXPECT_TRUE(Rings(t, 10'000));
  EXPECT_GE(t.NowNs(), at);
  EXPECT_TRUE(Rings(t, 0));  // until it is cleared
  t.ClearAlarm();
  EXPECT_FALSE(Rings(t, 0));
  t.ClearAlarm();  // of nothing: does not block
}

TEST(BootTimer, PastRingsAtOnceAndNeverNever) {
  const auto timer = MakeBootTimer();
  ASSERT_TRUE(timer.ok());
  (*timer)->SetAlarm(5);
  EXPECT_TRUE(Rings(**timer, 10'000));
  (*timer)->SetAlarm((*timer)->NowNs() - 1);
  EXPECT_TRUE(Rings(**timer, 10'000));
  (*timer)->SetAlarm(BootTimer::kNever);
  EXPECT_FALSE(Rings(**timer, 20));
}

}  // namespace
}  // namespace sallyport
