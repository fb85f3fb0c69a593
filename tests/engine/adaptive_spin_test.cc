#include "engine/adaptive_spin.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace sallyport {
namespace {

// Time passes when the test says so, and while a yield lets others run.
struct Machine {
  int64_t now_ns = 1'000'000'000;
  int64_t yield_takes_ns = 500;  // to nobody
  int yields = 0;
};

struct FakeCpu {
  Machine* machine;
  int64_t NowNs() const { return machine->now_ns; }
  void Yield() const {
    machine->now_ns += machine->yield_takes_ns;
    ++machine->yields;
  }
};

using Spin = BasicAdaptiveSpin<FakeCpu>;

class AdaptiveSpinTest : public testing::Test {
 protected:
  // What a receive came to.
  struct Receive {
    bool looked = false;  // at all
    bool slept = false;
    int looks = 0;
    bool operator==(const Receive&) const = default;
  };

  // One receive as engine/nfqueue.cc does it. The packet arrives `after_ns`
  // from now.
  Receive ReceiveOne(int64_t after_ns) {
    const int64_t arrival_ns = machine_.now_ns + after_ns;
    Receive receive;
    bool got = false;
    receive.looked = spin_.Begin();
    if (receive.looked) {
      do {
        ++receive.looks;
        got = machine_.now_ns >= arrival_ns;
      } while (!got && spin_.KeepOn());
    }
    receive.slept = !got;
    if (receive.slept && arrival_ns > machine_.now_ns) {
      machine_.now_ns = arrival_ns;  // it sleeps until then
    }
    spin_.End(receive.slept);
    return receive;
  }
  // How many receives from now on do not look, the next `limit` at most.
  int CountPause(int64_t after_ns, int limit = 1000) {
    int count = 0;
    while (count < limit && !ReceiveOne(after_ns).looked) ++count;
    return count;
  }
  // A receive whose first yield finds that somebody else wants the CPU.
  void MeetContention() {
    machine_.yield_takes_ns = Spin::kContendedNs + 1;
    ASSERT_TRUE(ReceiveOne(Spin::kSpinNs).looked);
    machine_.yield_takes_ns = 500;
  }

  Machine machine_;
  Spin spin_{FakeCpu{&machine_}};
};

// Neither quick enough to be there already nor too late to be found.
constexpr int64_t kSoonNs = 10'000;
// Too late for a spin, and not within twice its time: a miss.
constexpr int64_t kLateNs = 2 * Spin::kSpinNs + 1;

TEST_F(AdaptiveSpinTest, APacketThatComesSoonIsFoundAwake) {
  EXPECT_EQ(ReceiveOne(kSoonNs),
            (Receive{.looked = true, .slept = false, .looks = 21}));
}

TEST_F(AdaptiveSpinTest, NobodyLooksForLongerThanTheSpinTakes) {
  const int64_t began_ns = machine_.now_ns;
  ASSERT_TRUE(spin_.Begin());
  while (spin_.KeepOn()) {
  }
  EXPECT_EQ(machine_.now_ns - began_ns, Spin::kSpinNs);
}

TEST_F(AdaptiveSpinTest, EveryLookInVainYieldsFirst) {
  const Receive receive = ReceiveOne(kSoonNs);
  EXPECT_EQ(machine_.yields, receive.looks - 1);
}

TEST_F(AdaptiveSpinTest, AfterFourMissesNobodyLooks) {
  for (int miss = 0; miss < Spin::kMaxMisses; ++miss) {
    ASSERT_TRUE(ReceiveOne(kLateNs).looked) << miss;
  }
  machine_.yields = 0;
  EXPECT_EQ(ReceiveOne(kLateNs), (Receive{.looked = false, .slept = true}));
  EXPECT_EQ(machine_.yields, 0) << "an idle machine is left alone";
}

TEST_F(AdaptiveSpinTest, OnePacketThatComesSoonEnoughMakesUpForAllMisses) {
  for (int miss = 0; miss < 2 * Spin::kMaxMisses; ++miss) ReceiveOne(kLateNs);
  // It was slept through, but a spin would nearly have found it.
  EXPECT_FALSE(ReceiveOne(2 * Spin::kSpinNs - 1).looked);
  for (int miss = 0; miss < Spin::kMaxMisses; ++miss) {
    EXPECT_TRUE(ReceiveOne(kLateNs).looked) << miss;
  }
  EXPECT_FALSE(ReceiveOne(kLateNs).looked);
}

TEST_F(AdaptiveSpinTest, OnlyMissesInARowCount) {
  for (int times = 0; times < 10; ++times) {
    for (int miss = 0; miss < Spin::kMaxMisses - 1; ++miss) {
      ASSERT_TRUE(ReceiveOne(kLateNs).looked);
    }
    ASSERT_FALSE(ReceiveOne(kSoonNs).slept);
  }
}

TEST_F(AdaptiveSpinTest, SomebodyWhoWantsTheCpuEndsTheSpinAtOnce) {
  machine_.yield_takes_ns = Spin::kContendedNs + 1;
  EXPECT_EQ(ReceiveOne(Spin::kSpinNs),
            (Receive{.looked = true, .slept = true, .looks = 1}));
}

TEST_F(AdaptiveSpinTest, AYieldThatIsJustShortEnoughEndsNothing) {
  machine_.yield_takes_ns = Spin::kContendedNs;
  EXPECT_EQ(ReceiveOne(3 * Spin::kContendedNs),
            (Receive{.looked = true, .slept = false, .looks = 4}));
}

// On a busy machine a spin takes away what it waits for.
TEST_F(AdaptiveSpinTest, ContentionThatGoesOnIsAReasonToPause) {
  for (int times = 0; times <= Spin::kMaxContention; ++times) MeetContention();
  EXPECT_EQ(CountPause(kSoonNs), Spin::kPauseReceives);
  // And begins to count anew.
  for (int times = 0; times < Spin::kMaxContention; ++times) MeetContention();
  EXPECT_EQ(CountPause(kSoonNs), 0);
}

TEST_F(AdaptiveSpinTest, SpinsThatFoundSomethingOutweighContention) {
  for (int times = 0; times < 10 * Spin::kMaxContention; ++times) {
    MeetContention();
    ASSERT_EQ(ReceiveOne(kSoonNs),
              (Receive{.looked = true, .slept = false, .looks = 21}))
        << times;
  }
}

// The queue is never empty: the CPU is better left to those who fill it.
TEST_F(AdaptiveSpinTest, APacketThatWasThereAlreadyIsAReasonToPause) {
  EXPECT_EQ(ReceiveOne(0),
            (Receive{.looked = true, .slept = false, .looks = 1}));
  EXPECT_EQ(CountPause(0), Spin::kPauseReceives);
}

TEST_F(AdaptiveSpinTest, APauseForgetsNoMisses) {
  ReceiveOne(0);
  for (int times = 0; times < Spin::kPauseReceives; ++times) {
    ASSERT_FALSE(ReceiveOne(kLateNs).looked);
  }
  EXPECT_EQ(CountPause(kLateNs, 100), 100) << "packets come too far apart";
  ReceiveOne(0);
  EXPECT_TRUE(ReceiveOne(0).looked);
}

TEST(AdaptiveSpin, TheRealMachineCostsNoRoom) {
  EXPECT_TRUE(std::is_empty_v<ThisCpu>);
  EXPECT_EQ(sizeof(AdaptiveSpin), 2 * sizeof(int64_t) + 4 * sizeof(int));
  AdaptiveSpin spin;
  ASSERT_TRUE(spin.Begin());
  while (spin.KeepOn()) {  // ends, whatever the machine is busy with
  }
}

}  // namespace
}  // namespace sallyport
