#include "rules/owner.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "rules/verdict.h"

namespace sallyport {
namespace {

TEST(Owner, FactsAreSetOnceAndTheFirstWins) {
  Process process;
  EXPECT_EQ(process.facts(), nullptr);
  auto first = std::make_unique<ProcessFacts>();
  first->comm = "first";
  process.SetFacts(std::move(first));
  auto second = std::make_unique<ProcessFacts>();
  second->comm = "second";
  process.SetFacts(std::move(second));
  ASSERT_NE(process.facts(), nullptr);
  EXPECT_EQ(process.facts()->comm, "first");
}

TEST(Owner, FactsMaySetAndReadFromManyThreads) {
  for (int round = 0; round < 200; ++round) {
    Process process;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&process, i] {
        auto facts = std::make_unique<ProcessFacts>();
        facts->comm = facts->cgroup = std::string(static_cast<size_t>(i), 'x');
        process.SetFacts(std::move(facts));
        const ProcessFacts* seen = process.facts();
        ASSERT_NE(seen, nullptr);
        EXPECT_EQ(seen->comm, seen->cgroup);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Owner, PathHashTellsPathsApart) {
  EXPECT_EQ(HashAppPath("/usr/bin/curl"), HashAppPath("/usr/bin/curl"));
  EXPECT_NE(HashAppPath("/usr/bin/curl"), HashAppPath("/usr/bin/curl "));
}

TEST(Verdict, DropIsTheZeroValue) {
  EXPECT_EQ(Verdict{}, Verdict::kDeny);
  EXPECT_EQ(Decision{}.verdict, Verdict::kDeny);
  EXPECT_EQ(Decision{}.judged, Verdict::kDeny);
  EXPECT_EQ(Decision{}.reason, Reason::kNoDecision);
}

TEST(Verdict, NamesAndBack) {
  for (Verdict v : {Verdict::kDeny, Verdict::kReject, Verdict::kAllow}) {
    EXPECT_EQ(ParseVerdict(VerdictName(v)), v);
  }
  for (Mode m : kAllModes) {
    EXPECT_EQ(ParseMode(ModeName(m)), m);
  }
  EXPECT_EQ(ParseVerdict("drop"), std::nullopt);
  EXPECT_EQ(ParseMode("Enforce"), std::nullopt);
  EXPECT_STREQ(ReasonName(Reason::kUnattributed), "unattributed");
  EXPECT_STREQ(ConfidenceName(Confidence::kAmbiguous), "ambiguous");
}

}  // namespace
}  // namespace sallyport
