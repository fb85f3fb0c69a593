#include "src/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace sallyport {
namespace {

TEST(LatencyHistogram, EmptyIsZero) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.QuantileNs(0.5), 0);
  EXPECT_EQ(histogram.max_ns(), 0);
  EXPECT_EQ(histogram.CountUpTo(1'000'000), 0u);
}

TEST(LatencyHistogram, OneValueIsEveryQuantile) {
  LatencyHistogram histogram;
  histogram.Add(52'300);
  for (const double q : {0.0, 0.5, 0.999, 1.0}) {
    EXPECT_EQ(histogram.QuantileNs(q), 52'300);
  }
  EXPECT_EQ(histogram.sum_ns(), 52'300u);
}

TEST(LatencyHistogram, QuantilesAreWithinOneThirtySecond) {
  std::mt19937_64 random(42);
  std::lognormal_distribution<double> latency(10.8, 1.2);
  LatencyHistogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<int64_t>(latency(random)));
    histogram.Add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(
        values[static_cast<size_t>(q * static_cast<double>(values.size()))]);
    const auto told = static_cast<double>(histogram.QuantileNs(q));
    EXPECT_NEAR(told, exact, exact / 30) << q;
  }
  EXPECT_EQ(histogram.max_ns(), values.back());
  EXPECT_EQ(histogram.QuantileNs(1), values.back());
}

TEST(LatencyHistogram, CountsUpToABoundGrowAndEndAtAll) {
  LatencyHistogram histogram;
  for (int64_t ns = 1; ns < 10'000'000; ns += ns / 3 + 1) histogram.Add(ns);
  uint64_t before = 0;
  for (int64_t bound = 1; bound < 40'000'000; bound *= 2) {
    const uint64_t now = histogram.CountUpTo(bound);
    EXPECT_GE(now, before);
    before = now;
  }
  EXPECT_EQ(before, histogram.count());
}

TEST(LatencyHistogram, WhatIsOutOfRangeIsClamped) {
  LatencyHistogram histogram;
  histogram.Add(-5);
  histogram.Add(INT64_MAX);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.QuantileNs(0.5), 0);
  EXPECT_EQ(histogram.max_ns(), LatencyHistogram::kMaxNs);
}

}  // namespace
}  // namespace sallyport
