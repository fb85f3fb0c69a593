#include "rules/rule_table.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

// Snapshots that prove themselves: generation g has a rule with priority g and
// settings that follow from g, and its life is written down from outside.
constexpr uint64_t kMaxGenerations = 1 << 16;

class Lives {
 public:
  std::unique_ptr<const PolicySnapshot> Make(uint64_t generation) {
    Rule rule = MakeRule("g", RulePolicy::kDeny, "any");
    rule.priority = static_cast<int32_t>(generation);
    auto rules = Built({rule});
    auto policy = std::make_unique<PolicySnapshot>();
    alive_[generation].store(true);
    // The snapshot's own pointer: it dies with the snapshot unless somebody
    // (CurrentRules) still has a copy.
    policy->rules = std::shared_ptr<const RuleSet>(
        rules.get(), [this, generation, held = rules](const RuleSet*) mutable {
          EXPECT_TRUE(alive_[generation].exchange(false)) << "freed twice";
          ++freed_;
          held.reset();
        });
    policy->settings = SettingsOf(generation);
    policy->generation = generation;
    return policy;
  }

  static JudgeSettings SettingsOf(uint64_t generation) {
    return {static_cast<Mode>(generation % 3),
            static_cast<Verdict>(generation / 3 % 3),
            static_cast<Verdict>(generation / 9 % 3)};
  }

  // All parts of `policy` are of one generation, and that is alive.
  bool Proves(const PolicySnapshot& policy) const {
    return alive_[policy.generation].load() &&
           policy.settings == SettingsOf(policy.generation) &&
           policy.rules->rules().size() == 1 &&
           policy.rules->rules()[0].priority ==
               static_cast<int32_t>(policy.generation);
  }

  size_t freed() const { return freed_.load(); }

 private:
  std::array<std::atomic<bool>, kMaxGenerations> alive_ = {};
  std::atomic<size_t> freed_{0};
};

// First without threads.

TEST(RuleTable, ReaderSeesWhatIsCurrentWhenItEnters) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  RuleTable::Reader reader(table);
  const PolicySnapshot& first = reader.Enter();
  EXPECT_EQ(first.generation, 1u);
  table.Publish(lives->Make(2));
  EXPECT_TRUE(lives->Proves(first)) << "held, so not freed";
  EXPECT_EQ(table.retired_count(), 1u);
  reader.Leave();
  EXPECT_EQ(reader.Enter().generation, 2u);
  reader.Leave();
  table.Synchronize();
  EXPECT_EQ(table.retired_count(), 0u);
  EXPECT_EQ(lives->freed(), 1u);
}

TEST(RuleTable, WithoutReadersInsidePublishFreesAtOnce) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  RuleTable::Reader idle(table);
  for (uint64_t g = 2; g <= 100; ++g) {
    table.Publish(lives->Make(g));
    EXPECT_EQ(table.retired_count(), 0u);
  }
  EXPECT_EQ(lives->freed(), 99u);
}

TEST(RuleTable, ReaderThatEnteredAnewDoesNotHoldWhatWasBefore) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  RuleTable::Reader reader(table);
  reader.Enter();
  table.Publish(lives->Make(2));
  reader.Leave();
  const PolicySnapshot& second = reader.Enter();
  table.Publish(lives->Make(3));  // frees 1, retires 2
  EXPECT_EQ(lives->freed(), 1u);
  EXPECT_TRUE(lives->Proves(second));
  EXPECT_EQ(table.retired_count(), 1u);
  reader.Leave();
}

TEST(RuleTable, EachReaderHoldsOnlyItsOwn) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  RuleTable::Reader slow(table);
  RuleTable::Reader quick(table);
  const PolicySnapshot& first = slow.Enter();
  table.Publish(lives->Make(2));
  const PolicySnapshot& second = quick.Enter();
  table.Publish(lives->Make(3));
  slow.Leave();
  table.Publish(lives->Make(4));
  // quick was inside when 3 was retired: whether it holds 2 or 3 is not known.
  EXPECT_EQ(lives->freed(), 1u);
  EXPECT_TRUE(lives->Proves(second));
  EXPECT_NE(&first, &second);
  quick.Leave();
  table.Synchronize();
  EXPECT_EQ(lives->freed(), 3u);
}

TEST(RuleTable, ControlSideGetsCopiesThatOutliveTheTable) {
  auto lives = std::make_unique<Lives>();
  std::shared_ptr<const RuleSet> rules;
  {
    RuleTable table(lives->Make(7));
    rules = table.CurrentRules();
    EXPECT_EQ(table.CurrentSettings(), Lives::SettingsOf(7));
    EXPECT_EQ(table.CurrentGeneration(), 7u);
  }
  EXPECT_EQ(rules->rules()[0].priority, 7);
}

TEST(RuleTable, DestructionFreesCurrentAndRetired) {
  auto lives = std::make_unique<Lives>();
  {
    RuleTable table(lives->Make(1));
    {
      RuleTable::Reader reader(table);
      reader.Enter();
      table.Publish(lives->Make(2));
      reader.Leave();
    }
    EXPECT_EQ(table.retired_count(), 1u);
  }
  EXPECT_EQ(lives->freed(), 2u);
}

TEST(RuleTable, SlotsAreUsedAgainAndBounded) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  for (size_t i = 0; i < 3 * RuleTable::kMaxReaders; ++i) {
    RuleTable::Reader reader(table);
    EXPECT_EQ(reader.Enter().generation, 1u);
    reader.Leave();
  }
  std::deque<RuleTable::Reader> readers;
  for (size_t i = 0; i < RuleTable::kMaxReaders; ++i)
    readers.emplace_back(table);
  EXPECT_DEATH(RuleTable::Reader(std::ref(table).get()), "more than 128");
}

// Then with threads, in a forced order.

TEST(RuleTable, SynchronizeWaitsForTheReaderInsideAndNoLonger) {
  auto lives = std::make_unique<Lives>();
  RuleTable table(lives->Make(1));
  RuleTable::Reader idle(table);  // blocked in a receive, so to say
  std::mutex mutex;
  std::condition_variable changed;
  int step = 0;
  const auto wait_for = [&](int wanted) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return step >= wanted; });
  };
  const auto go_to = [&](int next) {
    std::lock_guard lock(mutex);
    step = next;
    changed.notify_all();
  };
  std::atomic<bool> left{false};
  std::thread reading([&] {
    RuleTable::Reader reader(table);
    const PolicySnapshot& policy = reader.Enter();
    go_to(1);
    wait_for(2);
    EXPECT_TRUE(lives->Proves(policy));
    left.store(true);
    reader.Leave();
  });
  wait_for(1);
  table.Publish(lives->Make(2));
  std::thread synchronizing([&] {
    table.Synchronize();
    EXPECT_TRUE(left.load());
    EXPECT_EQ(lives->freed(), 1u);
  });
  // CurrentRules does not wait behind a Synchronize that waits for readers.
  EXPECT_EQ(table.CurrentRules()->rules()[0].priority, 2);
  EXPECT_EQ(lives->freed(), 0u);
  go_to(2);
  reading.join();
  synchronizing.join();
}

// Then freely, with seeds. Each reader proves every snapshot when it enters and
// when it leaves, and that generations never go back.
class RuleTableRace : public testing::TestWithParam<uint32_t> {};

TEST_P(RuleTableRace, ReadersNeverSeeATornOrFreedSnapshot) {
  auto lives = std::make_unique<Lives>();
  const uint32_t seed = GetParam();
  constexpr uint64_t kPublications = 2000;
  constexpr int kReaders = 4;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sections{0};
  std::latch started(kReaders + 1);
  {
    RuleTable table(lives->Make(0));
    std::vector<std::thread> threads;
    for (int i = 0; i < kReaders; ++i) {
      threads.emplace_back([&, i] {
        std::mt19937 random(seed * 100 + static_cast<uint32_t>(i));
        uint64_t newest = 0;
        started.arrive_and_wait();
        while (!stop.load()) {
          RuleTable::Reader reader(table);
          for (uint32_t n = random() % 200; n > 0; --n) {
            const PolicySnapshot& policy = reader.Enter();
            ASSERT_TRUE(lives->Proves(policy));
            ASSERT_GE(policy.generation, newest);
            newest = policy.generation;
            if (random() % 16 == 0) std::this_thread::yield();
            ASSERT_TRUE(lives->Proves(policy));
            reader.Leave();
            sections.fetch_add(1);
          }
        }
      });
    }
    std::mt19937 random(seed);
    started.arrive_and_wait();
    for (uint64_t g = 1; g <= kPublications; ++g) {
      table.Publish(lives->Make(g));
      if (random() % 4 == 0) {
        table.Synchronize();
        // All that were retired before are gone; readers hold 1 at most.
        ASSERT_LE(table.retired_count(), 1u);
        ASSERT_GE(lives->freed(), g);
      }
      ASSERT_LE(table.retired_count(), RuleTable::kMaxRetired);
      if (random() % 8 == 0) {
        ASSERT_EQ(table.CurrentRules()->rules()[0].priority,
                  static_cast<int32_t>(g));
      }
    }
    while (sections.load() < kPublications) std::this_thread::yield();
    stop.store(true);
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_GT(sections.load(), 0u);
  EXPECT_EQ(lives->freed(), kPublications + 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RuleTableRace, testing::Range(1u, 6u));

}  // namespace
}  // namespace sallyport
