// Whatever the text of a field about time: parsing ends, and what it accepts
// prints, and parses again to the same, and the print is a fixed point. What a
// schedule says about the next change is true.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rules/lifetime.h"
#include "rules/rate_limiter.h"
#include "rules/schedule.h"
#include "rules/time_text.h"

using namespace sallyport;

namespace {

void CheckSchedule(std::string_view text) {
  const auto schedule = Schedule::Parse(text);
  if (!schedule.ok()) return;
  const std::string printed = schedule->ToString();
  const auto again = Schedule::Parse(printed);
  if (!again.ok() || *again != *schedule || again->ToString() != printed) {
    std::abort();
  }
  const absl::TimeZone utc = absl::UTCTimeZone();
  absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  for (int i = 0; i < 8; ++i) {
    const absl::Time next = schedule->NextChange(time, utc);
    if (next == absl::InfiniteFuture()) break;
    if (next <= time || next - time > absl::Hours(7 * 24)) std::abort();
    if (schedule->ActiveAt(next, utc) == schedule->ActiveAt(time, utc)) {
      std::abort();
    }
    time = next;
  }
}

void CheckRate(std::string_view text) {
  const auto rate = ParseRate(text);
  if (!rate.ok()) return;
  if (!ValidateRate(*rate).ok()) std::abort();
  if (*ParseRate(RateToString(*rate)) != *rate) std::abort();
  RateLimiter limiter(*rate, 1);
  if (!limiter.Take(1, INT64_MAX)) std::abort();
}

void CheckTimes(std::string_view text) {
  if (const auto duration = ParseDuration(text); duration.ok()) {
    if (*ParseDuration(DurationToString(*duration)) != *duration) std::abort();
  }
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  for (Lean lean : {Lean::kFuture, Lean::kPast}) {
    ParseMoment(text, now, absl::UTCTimeZone(), lean).IgnoreError();
  }
  if (const auto lifetime = ParseLifetime(text)) {
    if (text != LifetimeName(*lifetime)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(
      size == 0 ? "" : reinterpret_cast<const char*>(data), size);
  CheckSchedule(text);
  CheckRate(text);
  CheckTimes(text);
  return 0;
}
