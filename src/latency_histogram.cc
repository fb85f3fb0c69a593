#include "src/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace sallyport {

// Values below 32 have a bucket each; above, the highest bit picks the octave
// and the five bits after it the bucket.
size_t LatencyHistogram::BucketOf(uint64_t value) {
  const int width = static_cast<int>(std::bit_width(value));
  const int shift = std::max(0, width - 1 - kSubBits);
  return (static_cast<size_t>(shift) << kSubBits) +
         static_cast<size_t>(value >> shift);
}

int64_t LatencyHistogram::UpperEnd(size_t bucket) {
  constexpr size_t kSub = size_t{1} << kSubBits;
  if (bucket < 2 * kSub) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kSubBits) - 1;
  const size_t mantissa = kSub + (bucket & (kSub - 1));
  return (static_cast<int64_t>(mantissa + 1) << shift) - 1;
}

void LatencyHistogram::Add(int64_t latency_ns) {
  const int64_t value = std::clamp<int64_t>(latency_ns, 0, kMaxNs);
  ++buckets_[BucketOf(static_cast<uint64_t>(value))];
  ++count_;
  sum_ns_ += static_cast<uint64_t>(value);
  max_ns_ = std::max(max_ns_, value);
}

int64_t LatencyHistogram::QuantileNs(double quantile) const {
  assert(0 <= quantile && quantile <= 1);
  if (count_ == 0) return 0;
  const auto rank = std::max<uint64_t>(
      1,
      static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(UpperEnd(bucket), max_ns_);
  }
  return max_ns_;
}

uint64_t LatencyHistogram::CountUpTo(int64_t bound_ns) const {
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (UpperEnd(bucket) > bound_ns) break;
    seen += buckets_[bucket];
  }
  return seen;
}

}  // namespace sallyport
