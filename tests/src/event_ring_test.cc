#include "src/event_ring.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/allocation_count.h"
#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using testing::MakeProcess;
using testing::MakeRecord;

// Records that prove themselves: producer and number in two places.
DecisionRecord Numbered(uint32_t producer, uint32_t number, Verdict verdict) {
  DecisionRecord record;
  record.flow.out_ifindex = producer;
  record.packet_bytes = number;
  record.time_ns = static_cast<int64_t>(producer) << 32 | number;
  record.decision.verdict = verdict;
  record.decision.judged = verdict;
  return record;
}

bool IsLegal(const DecisionRecord& record) {
  return record.time_ns ==
         (static_cast<int64_t>(record.flow.out_ifindex) << 32 |
          record.packet_bytes);
}

bool Readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, 0) == 1;
}

// Sanitizers have shadow memory that cannot be told from the ring's.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCanMeasureMemory = false;
#else
constexpr bool kCanMeasureMemory = true;
#endif

// Resident memory of mappings like the ring's (no reserve, no huge pages).
int64_t ResidentKib() {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  int64_t total = 0;
  int64_t rss = 0;
  while (std::getline(smaps, line)) {
    if (line.starts_with("Rss:")) rss = std::stoll(line.substr(4));
    if (!line.starts_with("VmFlags:")) continue;
    line.push_back(' ');
    if (line.find(" nr ") != line.npos && line.find(" nh ") != line.npos) {
      total += rss;
    }
  }
  return total;
}

TEST(EventRing, EmptyGivesNothing) {
  EventRing ring(8);
  DecisionRecord record;
  EXPECT_FALSE(ring.Pop(&record));
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(EventRing, KeepsOrderOverManyLaps) {
  EventRing ring(8);
  DecisionRecord record;
  uint32_t next = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    ring.OnDecision(Numbered(1, 2 * i, Verdict::kDeny));
    ring.OnDecision(Numbered(1, 2 * i + 1, Verdict::kDeny));
    while (ring.Pop(&record)) {
      ASSERT_TRUE(IsLegal(record));
      ASSERT_EQ(record.packet_bytes, next++);
    }
  }
  EXPECT_EQ(next, 2000u);
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(EventRing, FullDropsTheNewestAndCounts) {
  EventRing ring(8);
  for (uint32_t i = 0; i < 11; ++i) {
    ring.OnDecision(Numbered(1, i, Verdict::kDeny));
  }
  EXPECT_EQ(ring.dropped(), 3u);
  DecisionRecord record;
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(ring.Pop(&record));
    EXPECT_EQ(record.packet_bytes, i);
  }
  EXPECT_FALSE(ring.Pop(&record));
}

TEST(EventRing, AllowedFlowsLeaveAQuarterToViolations) {
  EventRing ring(16);
  for (uint32_t i = 0; i < 100; ++i) {
    ring.OnDecision(Numbered(1, i, Verdict::kAllow));
  }
  EXPECT_EQ(ring.dropped(), 100u - 13u);  // 12 are three quarters
  for (uint32_t i = 0; i < 3; ++i) {
    ring.OnDecision(Numbered(2, i, Verdict::kReject));
  }
  EXPECT_EQ(ring.dropped(), 100u - 13u);
  ring.OnDecision(Numbered(2, 3, Verdict::kReject));
  EXPECT_EQ(ring.dropped(), 100u - 13u + 1u);
}

TEST(EventRing, WhatWouldBeDeniedCountsAsViolation) {
  EventRing ring(16);
  DecisionRecord record;
  for (uint32_t i = 0; i < 16; ++i) {
    record = Numbered(1, i, Verdict::kAllow);
    record.decision.judged = Verdict::kDeny;
    ring.OnDecision(std::move(record));
  }
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(EventRing, OwnersAreReleasedWhenPoppedDroppedOrLeftBehind) {
  auto process = MakeProcess("/bin/x", 1, 0);
  {
    EventRing ring(8);
    for (int i = 0; i < 10; ++i) {
      DecisionRecord record = MakeRecord(Verdict::kDeny);
      record.ownership.owners[0] = process;
      ring.OnDecision(std::move(record));
    }
    EXPECT_EQ(process.use_count(), 9);  // eight in the ring
    DecisionRecord record;
    ASSERT_TRUE(ring.Pop(&record));
    record = {};
    EXPECT_EQ(process.use_count(), 8);
  }
  EXPECT_EQ(process.use_count(), 1);
}

TEST(EventRing, OnDecisionDoesNotAllocate) {
  EventRing ring(1024);
  std::vector<DecisionRecord> records;
  for (int i = 0; i < 1500; ++i) records.push_back(MakeRecord());
  const uint64_t before = testing::AllocationsOfThisThread();
  for (DecisionRecord& record : records) ring.OnDecision(std::move(record));
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  EXPECT_GT(ring.dropped(), 0u);
}

TEST(EventRing, WakesOnlyASleeperAndOnlyOnce) {
  EventRing ring(8);
  ring.OnDecision(Numbered(1, 0, Verdict::kDeny));
  EXPECT_FALSE(Readable(ring.wake_fd()));  // nobody sleeps
  EXPECT_FALSE(ring.ArmWake());            // there is something to do
  DecisionRecord record;
  EXPECT_TRUE(ring.Pop(&record));
  ASSERT_TRUE(ring.ArmWake());
  EXPECT_FALSE(Readable(ring.wake_fd()));
  ring.OnDecision(Numbered(1, 1, Verdict::kDeny));
  ring.OnDecision(Numbered(1, 2, Verdict::kDeny));
  EXPECT_TRUE(Readable(ring.wake_fd()));
  while (ring.Pop(&record)) {
  }
  ASSERT_TRUE(ring.ArmWake());  // takes the old token away
  EXPECT_FALSE(Readable(ring.wake_fd()));
}

TEST(EventRing, AnIdleRingTouchesNoMemory) {
  if (!kCanMeasureMemory) GTEST_SKIP() << "memory of the sanitizer";
  const int64_t before = ResidentKib();
  EventRing ring;
  DecisionRecord record;
  EXPECT_FALSE(ring.Pop(&record));
  EXPECT_TRUE(ring.ArmWake());
  EXPECT_LE(ResidentKib() - before, 8);
}

TEST(EventRing, AFullSizeRingGivesItsMemoryBack) {
  if (!kCanMeasureMemory) GTEST_SKIP() << "memory of the sanitizer";
  const int64_t before = ResidentKib();
  EventRing ring;
  DecisionRecord record;
  // Three laps, a burst of half the ring at a time.
  for (uint32_t burst = 0; burst < 6; ++burst) {
    for (uint32_t i = 0; i < ring.capacity() / 2; ++i) {
      ring.OnDecision(Numbered(burst, i, Verdict::kDeny));
    }
    EXPECT_GT(ResidentKib() - before, 4096);
    for (uint32_t i = 0; i < ring.capacity() / 2; ++i) {
      ASSERT_TRUE(ring.Pop(&record));
      ASSERT_TRUE(IsLegal(record));
      ASSERT_EQ(record.packet_bytes, i);
    }
  }
  EXPECT_EQ(ring.dropped(), 0u);
  EXPECT_LT(ResidentKib() - before, 1024);
}

// Seeded producers against a consumer that sleeps when it may. Each record
// proves itself; per producer they come in order, none twice, and what did
// not come was counted.
void RaceProducers(uint32_t producers, uint32_t each, size_t capacity,
                   uint32_t seed) {
  EventRing ring(capacity);
  std::atomic<uint32_t> running{producers};
  std::vector<std::thread> threads;
  for (uint32_t p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] {
      std::mt19937 random(seed + p);
      for (uint32_t i = 0; i < each; ++i) {
        const bool deny = random() % 4 == 0;
        ring.OnDecision(
            Numbered(p, i, deny ? Verdict::kDeny : Verdict::kAllow));
        if (random() % 64 == 0) std::this_thread::yield();
      }
      // The last word: wakes the consumer if it sleeps.
      running.fetch_sub(1);
      ring.OnDecision(Numbered(p, each, Verdict::kDeny));
    });
  }
  std::vector<int64_t> last(producers, -1);
  uint64_t received = 0;
  DecisionRecord record;
  const uint64_t sent = uint64_t{producers} * (each + 1);
  while (received + ring.dropped() < sent) {
    while (ring.Pop(&record)) {
      ASSERT_TRUE(IsLegal(record));
      ASSERT_LT(record.flow.out_ifindex, producers);
      ASSERT_GT(record.packet_bytes, last[record.flow.out_ifindex]);
      last[record.flow.out_ifindex] = record.packet_bytes;
      ++received;
    }
    // A lost wake-up would hang here, for good. Records may have been dropped
    // without one, so do not sleep once all have been offered.
    if (running.load() > 0 && ring.ArmWake()) {
      pollfd poll_fd{ring.wake_fd(), POLLIN, 0};
      poll(&poll_fd, 1, 10'000);
      ASSERT_TRUE(poll_fd.revents & POLLIN) << "lost wake-up";
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(ring.Pop(&record));
  EXPECT_EQ(received + ring.dropped(), sent);
}

TEST(EventRing, RaceSmallRing) { RaceProducers(4, 8'000, 8, 1); }
TEST(EventRing, RaceRoomyRing) { RaceProducers(3, 30'000, 4096, 2); }
TEST(EventRing, RaceWithChunks) { RaceProducers(2, 100'000, 32'768, 3); }

}  // namespace
}  // namespace sallyport
