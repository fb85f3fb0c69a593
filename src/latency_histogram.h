#ifndef SALLYPORT_SRC_LATENCY_HISTOGRAM_H_
#define SALLYPORT_SRC_LATENCY_HISTOGRAM_H_

// LatencyHistogram: counts durations in fixed memory, so that any quantile can
// be told to within 1/32 (3.2 %). Log-linear: 32 buckets of equal width per
// power of two. A value type; not synchronised.

#include <array>
#include <cstddef>
#include <cstdint>

namespace sallyport {

class LatencyHistogram {
 public:
  // Negative counts as 0, more than kMaxNs as kMaxNs.
  void Add(int64_t latency_ns);

  // The upper end of the bucket in which the quantile lies, at most max_ns();
  // 0 if empty. REQUIRES: 0 <= quantile <= 1.
  int64_t QuantileNs(double quantile) const;

  // How many were at most `bound_ns`, to the width of a bucket.
  uint64_t CountUpTo(int64_t bound_ns) const;

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_ns_; }
  uint64_t sum_ns() const { return sum_ns_; }

  static constexpr int64_t kMaxNs = (int64_t{1} << 36) - 1;  // 68 s

 private:
  static constexpr int kSubBits = 5;
  static constexpr size_t kBuckets = size_t{36 - kSubBits + 1} << kSubBits;
  static size_t BucketOf(uint64_t value);
  static int64_t UpperEnd(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  int64_t max_ns_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_LATENCY_HISTOGRAM_H_
