#include "rules/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace sallyport {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

TEST(Rate, RoundTrips) {
  const struct {
    const char* text;
    Rate rate;
    const char* printed;
  } cases[] = {
      {"10/second burst 20", {10, RateUnit::kSecond, 20}, "10/second burst 20"},
      {"100/minute", {100, RateUnit::kMinute, 100}, "100/minute"},
      {"5/hour", {5, RateUnit::kHour, 5}, "5/hour"},
      {"1/day", {1, RateUnit::kDay, 1}, "1/day"},
      {" 5/hour  burst\t5 ", {5, RateUnit::kHour, 5}, "5/hour"},
      {"1000000/second",
       {1'000'000, RateUnit::kSecond, 1'000'000},
       "1000000/second"},
      {"1/day burst 366", {1, RateUnit::kDay, 366}, "1/day burst 366"},
  };
  for (const auto& c : cases) {
    const auto rate = ParseRate(c.text);
    ASSERT_TRUE(rate.ok()) << c.text << ": " << rate.status();
    EXPECT_EQ(*rate, c.rate) << c.text;
    EXPECT_EQ(RateToString(*rate), c.printed);
    EXPECT_EQ(*ParseRate(c.printed), c.rate);
  }
}

TEST(Rate, ErrorsSayWhatToWrite) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "'' is no rate; write 100/minute or 10/second burst 20"},
      {"10", "'10' is no rate; write 100/minute or 10/second burst 20"},
      {"10 / second",
       "'10 / second' is no rate; write 100/minute or 10/second burst 20"},
      {"1/second burst",
       "'1/second burst' is no rate; write 100/minute or 10/second burst 20"},
      {"1/second brust 2",
       "'1/second brust 2' is no rate; write 100/minute or 10/second burst "
       "20"},
      {"1/second burst 2 3",
       "'1/second burst 2 3' is no rate; write 100/minute or 10/second burst "
       "20"},
      {"ten/second", "'ten' is no number; write 1 to 1000000"},
      {"-1/second", "'-1' is no number; write 1 to 1000000"},
      {"0/second", "'0' is out of range; write 1 to 1000000"},
      {"1000001/second", "'1000001' is out of range; write 1 to 1000000"},
      {"99999999999999999999/day",
       "'99999999999999999999' is out of range; write 1 to 1000000"},
      {"10/secnod", "'secnod' is no unit; did you mean second?"},
      {"10/week", "'week' is no unit; write second, minute, hour or day"},
      {"10/second burst 0", "'0' is out of range; write 1 to 1000000"},
      {"1/day burst 367",
       "a burst of 367 at 1/day takes longer than 366 days to come back; at "
       "most 366"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParseRate(c.text).status().message(), c.message) << c.text;
  }
  EXPECT_FALSE(ValidateRate({0, RateUnit::kSecond, 1}).ok());
  EXPECT_FALSE(ValidateRate({1, RateUnit::kSecond, 0}).ok());
  EXPECT_FALSE(ValidateRate({1'000'001, RateUnit::kSecond, 1}).ok());
  EXPECT_FALSE(ValidateRate({1, RateUnit::kSecond, UINT32_MAX}).ok());
}

TEST(RateLimiter, BurstThenOneEveryInterval) {
  RateLimiter limiter({10, RateUnit::kSecond, 3});
  const int64_t start = 1000 * kSecond;
  EXPECT_TRUE(limiter.Take(7, start));
  EXPECT_TRUE(limiter.Take(7, start));
  EXPECT_TRUE(limiter.Take(7, start));
  EXPECT_FALSE(limiter.Take(7, start));
  EXPECT_FALSE(limiter.Take(7, start + 100 * kMs - 1));
  EXPECT_TRUE(limiter.Take(7, start + 100 * kMs));
  EXPECT_FALSE(limiter.Take(7, start + 199 * kMs));
  EXPECT_TRUE(limiter.Take(7, start + 200 * kMs));
  // Being refused costs nothing; a rest fills the bucket, and no more than it.
  for (int i = 0; i < 1000; ++i) limiter.Take(7, start + 200 * kMs);
  int taken = 0;
  for (int i = 0; i < 10; ++i) taken += limiter.Take(7, start + kSecond * 99);
  EXPECT_EQ(taken, 3);
}

TEST(RateLimiter, FirstBurstAtZeroAndAtTheEndOfTime) {
  for (int64_t now : {int64_t{0}, INT64_MAX, int64_t{1}}) {
    RateLimiter limiter({1, RateUnit::kDay, 366});
    int taken = 0;
    for (int i = 0; i < 1000; ++i) taken += limiter.Take(1, now);
    EXPECT_EQ(taken, 366) << now;
  }
}

TEST(RateLimiter, TimeThatGoesBackGivesNothing) {
  RateLimiter limiter({1, RateUnit::kSecond, 2});
  const int64_t start = 50 * kSecond;
  EXPECT_TRUE(limiter.Take(1, start));
  EXPECT_TRUE(limiter.Take(1, start));
  for (int64_t now :
       {start - 1, start - 40 * kSecond, int64_t{0}, int64_t{-5}, INT64_MIN}) {
    EXPECT_FALSE(limiter.Take(1, now)) << now;
  }
  // It goes on where it was.
  EXPECT_FALSE(limiter.Take(1, start + kSecond - 1));
  EXPECT_TRUE(limiter.Take(1, start + kSecond));
}

TEST(RateLimiter, AppsDoNotShareWhileThereIsRoom) {
  RateLimiter limiter({1, RateUnit::kDay, 1});
  for (uint64_t app = 0; app < 64; ++app) {
    EXPECT_TRUE(limiter.Take(app * 0x10000, kSecond)) << app;
  }
  for (uint64_t app = 0; app < 64; ++app) {
    EXPECT_FALSE(limiter.Take(app * 0x10000, 2 * kSecond)) << app;
  }
}

// More apps than slots: who has a slot keeps it, and all others together get
// one bucket.
TEST(RateLimiter, OverflowIsStrict) {
  for (size_t slots : {1u, 2u, 16u, 100u, 256u}) {
    RateLimiter limiter({5, RateUnit::kDay, 5}, slots);
    std::map<uint64_t, int> taken;
    int total = 0;
    std::mt19937_64 random(slots);
    std::vector<uint64_t> apps(4096);
    for (uint64_t& app : apps) app = random();
    for (int round = 0; round < 20; ++round) {
      for (uint64_t app : apps) {
        const bool got = limiter.Take(app, kSecond);
        taken[app] += got;
        total += got;
        ASSERT_LE(taken[app], 5);
      }
    }
    const auto most = 5 * (std::bit_ceil(slots) + 1);
    EXPECT_LE(total, static_cast<int>(most)) << slots;
    EXPECT_EQ(total, static_cast<int>(most)) << slots;  // all slots are used
  }
}

TEST(RateLimiter, RatesThatDoNotDivideTheSecondAreNeverExceeded) {
  for (uint32_t count : {3u, 7u, 999'983u}) {
    RateLimiter limiter({count, RateUnit::kSecond, 1});
    std::mt19937 random(count);
    int64_t now = 0;
    uint64_t taken = 0;
    while (now < 3 * kSecond) {
      taken += limiter.Take(1, now);
      now += std::uniform_int_distribution(1, 600)(random);
    }
    EXPECT_LE(taken, 1 + 3 * uint64_t{count}) << count;
    EXPECT_GE(taken, 3 * uint64_t{count} * 6 / 10) << count;
  }
}

// Threads with a clock that ticks when told, each a little behind or ahead.
// What all of them got of one app is at most burst + elapsed / interval, at
// every size of the table.
TEST(RateLimiter, ThreadsNeverExceedTheRate) {
  constexpr int kThreads = 4;
  constexpr int kApps = 24;
  constexpr int kSteps = 20'000;
  for (size_t slots : {1u, 8u, 64u}) {
    const Rate rate{1000, RateUnit::kSecond, 50};  // one every ms
    RateLimiter limiter(rate, slots);
    std::atomic<int64_t> clock_ns{kSecond};
    std::atomic<int64_t> last_ns{0};
    std::vector<std::atomic<int>> taken(kApps);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t));
        for (int i = 0; i < kSteps; ++i) {
          const int64_t tick = static_cast<int64_t>(random() % 20'000);
          const int64_t skew = static_cast<int64_t>(random() % 2'000);
          const int64_t now =
              clock_ns.fetch_add(tick, std::memory_order_relaxed) - skew;
          int64_t last = last_ns.load(std::memory_order_relaxed);
          while (now > last && !last_ns.compare_exchange_weak(
                                   last, now, std::memory_order_relaxed)) {
          }
          const uint32_t app = random() % kApps;
          if (limiter.Take(app + 1, now)) {
            taken[app].fetch_add(1, std::memory_order_relaxed);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const int64_t elapsed = last_ns.load() - (kSecond - 2'000);
    const int64_t most = rate.burst + elapsed / kMs;
    int64_t total = 0;
    for (const auto& count : taken) {
      EXPECT_LE(count.load(), most);
      total += count.load();
    }
    EXPECT_LE(total, most * static_cast<int64_t>(slots + 1));
    EXPECT_GT(total, rate.burst);
  }
}

// Two threads that bring a new app at the same moment find one slot.
TEST(RateLimiter, OneSlotForOneApp) {
  for (int round = 0; round < 300; ++round) {
    RateLimiter limiter({1, RateUnit::kDay, 1}, 16);
    std::atomic<int> ready{0};
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        ready.fetch_add(1);
        while (ready.load() < 2) std::this_thread::yield();
        for (uint64_t app = 1; app <= 8; ++app) {
          taken.fetch_add(limiter.Take(app, kSecond));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(taken.load(), 8);
  }
}

}  // namespace
}  // namespace sallyport
