#include "proc/work_budget.h"

#include <gtest/gtest.h>

namespace sallyport::proc {
namespace {

// Calls that `budget` has left, `limit` at most.
int CountCalls(WorkBudget* budget, int limit = 1000) {
  int count = 0;
  while (count < limit && budget->Take()) ++count;
  return count;
}

TEST(WorkBudget, CallsAreCountedExactly) {
  for (int calls : {0, 1, 5, 100}) {
    WorkBudget budget = WorkBudget::Calls(calls);
    EXPECT_FALSE(budget.exhausted());
    EXPECT_EQ(CountCalls(&budget), calls);
    EXPECT_TRUE(budget.exhausted());
  }
}

// Whoever spends the last call has done his work: only a call that was refused
// means that something was left undone.
TEST(WorkBudget, IsExhaustedOnlyOnceACallWasRefused) {
  WorkBudget budget = WorkBudget::Calls(1);
  EXPECT_TRUE(budget.Take());
  EXPECT_FALSE(budget.exhausted());
  EXPECT_FALSE(budget.Take());
  EXPECT_TRUE(budget.exhausted());
  EXPECT_FALSE(budget.Take());
}

TEST(WorkBudget, UnlimitedNeverEnds) {
  WorkBudget budget = WorkBudget::Unlimited();
  EXPECT_EQ(CountCalls(&budget, 1'000'000), 1'000'000);
  EXPECT_FALSE(budget.exhausted());
}

class WorkBudgetUntilTest : public testing::Test {
 protected:
  int64_t now_ns_ = 1000;
  int looks_ = 0;
  const NowFunction now_ = [this] {
    ++looks_;
    return now_ns_;
  };
};

TEST_F(WorkBudgetUntilTest, A39_EndsAtItsDeadline) {
  WorkBudget budget = WorkBudget::Until(&now_, 2000);
  EXPECT_EQ(CountCalls(&budget, 100), 100);
  now_ns_ = 1999;
  EXPECT_EQ(CountCalls(&budget, 100), 100);
  now_ns_ = 2000;
  EXPECT_LT(CountCalls(&budget), 8);
  EXPECT_TRUE(budget.exhausted());
}

TEST_F(WorkBudgetUntilTest, ADeadlineThatIsPastAllowsNothing) {
  WorkBudget budget = WorkBudget::Until(&now_, 1000);
  EXPECT_FALSE(budget.Take());
  EXPECT_TRUE(budget.exhausted());
}

TEST_F(WorkBudgetUntilTest, LooksAtTheClockAtOnceAndThenSeldom) {
  WorkBudget budget = WorkBudget::Until(&now_, 2000);
  EXPECT_TRUE(budget.Take());
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(CountCalls(&budget, 7), 7);
  EXPECT_EQ(looks_, 1);
  EXPECT_TRUE(budget.Take());
  EXPECT_EQ(looks_, 2);
}

TEST_F(WorkBudgetUntilTest, WhatHasEndedStaysEnded) {
  WorkBudget budget = WorkBudget::Until(&now_, 1000);
  EXPECT_FALSE(budget.Take());
  now_ns_ = 0;
  EXPECT_EQ(CountCalls(&budget), 0);
  EXPECT_EQ(looks_, 1);
}

TEST(MonotonicNow, GoesForward) {
  const int64_t before_ns = MonotonicNow();
  EXPECT_GT(before_ns, 0);
  EXPECT_GE(MonotonicNow(), before_ns);
}

}  // namespace
}  // namespace sallyport::proc
