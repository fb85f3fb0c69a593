#include "rules/rate_limiter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <limits>
#include <vector>

#include "absl/strings/numbers.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kMaxFillNs =
    int64_t{kMaxRateFillDays} * 86'400 * kNsPerSecond;
// Far enough from overflow for every interval and tolerance.
constexpr int64_t kMaxNowNs = std::numeric_limits<int64_t>::max() / 2;

struct UnitName {
  RateUnit unit;
  std::string_view name;
  int64_t ns;
};
constexpr std::array<UnitName, 4> kUnits = {{
    {RateUnit::kSecond, "second", kNsPerSecond},
    {RateUnit::kMinute, "minute", 60 * kNsPerSecond},
    {RateUnit::kHour, "hour", 3600 * kNsPerSecond},
    {RateUnit::kDay, "day", 86'400 * kNsPerSecond},
}};

const UnitName& Named(RateUnit unit) {
  return kUnits[static_cast<size_t>(unit)];
}

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

// Rounded up: the difference is in favour of fewer.
int64_t IntervalNs(const Rate& rate) {
  return (Named(rate.unit).ns + rate.count - 1) / rate.count;
}

// Digits alone, from 1 to `most`.
absl::StatusOr<uint32_t> ParseCount(std::string_view text, uint32_t most) {
  uint64_t number = 0;
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) {
    return Wrong(
        Concat(QuoteForMessage(text), " is no number; write 1 to ", most));
  }
  if (!absl::SimpleAtoi(ToAbsl(text), &number) || number < 1 || number > most) {
    return Wrong(
        Concat(QuoteForMessage(text), " is out of range; write 1 to ", most));
  }
  return static_cast<uint32_t>(number);
}

absl::StatusOr<RateUnit> ParseUnit(std::string_view text) {
  std::array<std::string_view, kUnits.size()> names;
  for (size_t i = 0; i < kUnits.size(); ++i) {
    if (text == kUnits[i].name) return kUnits[i].unit;
    names[i] = kUnits[i].name;
  }
  const auto nearest = NearestWord(text, names);
  return Wrong(Concat(QuoteForMessage(text), " is no unit; ",
                      nearest.has_value()
                          ? Concat("did you mean ", *nearest, "?")
                          : "write second, minute, hour or day"));
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == text.npos) break;
    const size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
    if (words.size() > 3) break;  // one too many already
  }
  return words;
}

}  // namespace

absl::StatusOr<Rate> ParseRate(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  const bool has_burst = words.size() == 3 && words[1] == "burst";
  const size_t slash = words.empty() ? text.npos : words[0].find('/');
  if (slash == text.npos || (words.size() != 1 && !has_burst)) {
    return Wrong(Concat(QuoteForMessage(text),
                        " is no rate; write 100/minute or 10/second burst 20"));
  }
  const auto count = ParseCount(words[0].substr(0, slash), kMaxRateCount);
  if (!count.ok()) return count.status();
  const auto unit = ParseUnit(words[0].substr(slash + 1));
  if (!unit.ok()) return unit.status();
  Rate rate{*count, *unit, *count};
  if (has_burst) {
    const auto burst = ParseCount(words[2], kMaxRateBurst);
    if (!burst.ok()) return burst.status();
    rate.burst = *burst;
  }
  if (absl::Status status = ValidateRate(rate); !status.ok()) return status;
  return rate;
}

std::string RateToString(const Rate& rate) {
  std::string text = Concat(rate.count, "/", Named(rate.unit).name);
  if (rate.burst != rate.count) AppendTo(&text, " burst ", rate.burst);
  return text;
}

absl::Status ValidateRate(const Rate& rate) {
  if (rate.count < 1 || rate.count > kMaxRateCount) {
    return Wrong(
        Concat("a rate is 1 to ", kMaxRateCount, ", not ", rate.count));
  }
  if (rate.burst < 1 || rate.burst > kMaxRateBurst) {
    return Wrong(
        Concat("a burst is 1 to ", kMaxRateBurst, ", not ", rate.burst));
  }
  // In this order nothing overflows: 366 days are 3.2e16 ns.
  if (rate.burst > kMaxFillNs / IntervalNs(rate)) {
    return Wrong(Concat("a burst of ", rate.burst, " at ", rate.count, "/",
                        Named(rate.unit).name, " takes longer than ",
                        kMaxRateFillDays, " days to come back; at most ",
                        kMaxFillNs / IntervalNs(rate)));
  }
  return absl::OkStatus();
}

RateLimiter::RateLimiter(const Rate& rate, size_t slots)
    : rate_(rate),
      interval_ns_(IntervalNs(rate)),
      tolerance_ns_(interval_ns_ * (int64_t{rate.burst} - 1)),
      mask_(std::bit_ceil(slots) - 1),
      slots_(std::make_unique<Slot[]>(mask_ + 1)) {
  assert(ValidateRate(rate).ok());
  assert(1 <= slots && slots <= kMaxSlots);
}

// A slot is claimed once and never given up, and everybody looks in the same
// order for his own or the first free one. So an app has one slot, or none for
// ever (then the slots where it might stand are all taken by others).
RateLimiter::Slot& RateLimiter::SlotOf(uint64_t app_key) {
  // Keys may be counters or addresses: the last bits alone would be crowded.
  uint64_t hash = app_key * 0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  const size_t probes = std::min(kMaxProbes, mask_ + 1);
  for (size_t i = 0; i < probes; ++i) {
    Slot& slot = slots_[(hash + i) & mask_];
    uint64_t owner = slot.app_key.load(std::memory_order_relaxed);
    if (owner == 0 && slot.app_key.compare_exchange_strong(
                          owner, app_key, std::memory_order_relaxed)) {
      return slot;
    }
    if (owner == app_key) return slot;
  }
  return overflow_;
}

bool RateLimiter::Take(uint64_t app_key, int64_t now_ns) {
  const int64_t now = std::clamp<int64_t>(now_ns, 0, kMaxNowNs);
  Slot& slot = SlotOf(app_key == 0 ? 1 : app_key);  // 0 means free
  int64_t full_at = slot.full_at_ns.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t begin = std::max(full_at, now);
    if (begin - now > tolerance_ns_) return false;
    // A failed exchange means that another thread got one.
    if (slot.full_at_ns.compare_exchange_weak(full_at, begin + interval_ns_,
                                              std::memory_order_relaxed)) {
      return true;
    }
  }
}

}  // namespace sallyport
