#ifndef SALLYPORT_RULES_RATE_LIMITER_H_
#define SALLYPORT_RULES_RATE_LIMITER_H_

// How often a rule may apply to an app: the field `rate` and what counts it.
//
// Rate: a plain value, "10/second burst 20". After a rest `burst` are let
// through at once, then one every period/count.
//
// RateLimiter: one rule's buckets, one per app (generic cell rate algorithm,
// ITU-T I.371 annex A: a bucket is the one moment at which it will be full
// again). Take may be called from any thread; it never waits, allocates or
// reads a clock. In all of its life an app gets at most `burst` and one for
// each period/count that has passed, whatever threads race and whatever else
// uses the table.
//
// The table has a fixed number of slots. An app keeps the slot it got first. An
// app that comes when the slots where it might stand are all taken shares one
// more bucket with all others of whom this is true: they get less, never more.
// So for 256 slots the first hundred apps or so are exact, and a rule for one
// app needs one slot.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

enum class RateUnit : uint8_t { kSecond, kMinute, kHour, kDay };

struct Rate {
  uint32_t count = 1;  // per unit
  RateUnit unit = RateUnit::kSecond;
  uint32_t burst = 1;
  bool operator==(const Rate&) const = default;
};

// Packets that make a decision do not come faster than this.
inline constexpr uint32_t kMaxRateCount = 1'000'000;
inline constexpr uint32_t kMaxRateBurst = 1'000'000;
// Time to fill an empty bucket. A burst that takes longer was never meant as
// one; also keeps every moment in 64 bits.
inline constexpr int kMaxRateFillDays = 366;

// "10/second burst 20", "100/minute"; units second, minute, hour, day. Without
// burst it is the count: "5/hour" lets five through at once. The status says
// what is wrong and what to write.
absl::StatusOr<Rate> ParseRate(std::string_view text);
// Canonical; ParseRate gives the same rate.
std::string RateToString(const Rate& rate);
// The limits above. A rate that was parsed is valid.
absl::Status ValidateRate(const Rate& rate);

class RateLimiter {
 public:
  static constexpr size_t kDefaultSlots = 256;
  static constexpr size_t kMaxSlots = 4096;
  // Slots that are looked at for one app; bounds the time of Take.
  static constexpr size_t kMaxProbes = 16;

  // REQUIRES: ValidateRate(rate).ok(), 1 <= slots <= kMaxSlots. `slots` is
  // rounded up to a power of two.
  explicit RateLimiter(const Rate& rate, size_t slots = kDefaultSlots);

  // True, and one is taken, if `app_key` has one left. `now_ns`: CLOCK_BOOTTIME
  // (a suspended machine fills buckets too). Time that goes back gives nothing
  // and takes nothing; negative counts as 0.
  bool Take(uint64_t app_key, int64_t now_ns);

  const Rate& rate() const { return rate_; }

 private:
  // Both relaxed everywhere: each is a datum of its own, and nothing is
  // published by either.
  struct Slot {
    std::atomic<uint64_t> app_key{0};    // 0: nobody's; set once
    std::atomic<int64_t> full_at_ns{0};  // only grows
  };

  Slot& SlotOf(uint64_t app_key);

  const Rate rate_;
  const int64_t interval_ns_;   // one more every so often; rounded up
  const int64_t tolerance_ns_;  // full_at may be so far ahead of now
  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  Slot overflow_;
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RATE_LIMITER_H_
