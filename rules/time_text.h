#ifndef SALLYPORT_RULES_TIME_TEXT_H_
#define SALLYPORT_RULES_TIME_TEXT_H_

// Durations and moments as people type them: flags of the CLI, parameters of
// the API, times of day in rules. Pure; any thread. Everything but words and
// digits is refused, so that a slip is told and not guessed at; the status says
// what is wrong and what to write (without naming the flag or field).
//
// Local times follow one rule everywhere: a time of day that a clock change
// leaves out begins at the change.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport {

inline constexpr int kMinutesPerDay = 24 * 60;
// Of what is typed; ten years and a day or two. More is a slip.
inline constexpr int kMaxDurationDays = 3653;
// A moment lies in these years: in 64-bit nanoseconds since 1970 they fit.
inline constexpr int kFirstYear = 1970;
inline constexpr int kLastYear = 2199;

// "45s", "10m", "1h30m", "2d", "1w2d": largest unit first, each unit once.
// Whole seconds, at least one.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// The shortest text that ParseDuration takes: "1h30m", "2d"; "0s" for what is
// less than a second (which it does not take).
std::string DurationToString(absl::Duration duration);

// "00:00" to "24:00" as minutes of the day; the hour may have one digit.
std::optional<int> ParseTimeOfDay(std::string_view text);
std::string TimeOfDayToString(int minutes);

// What a time of day without a date means.
enum class Lean : uint8_t {
  kFuture,  // the next one after now (until 17:30)
  kPast,    // the last one, now included (since 17:30)
};

// RFC 3339 ("2026-01-31T17:30:00Z"), "2026-01-31 17:30", "2026-01-31", "17:30",
// and "yesterday", "today" or "tomorrow", alone (0:00) or with a time of day.
// What names no offset is local to `zone`; a local time that exists twice is
// the first of both unless `lean` makes it the other.
absl::StatusOr<absl::Time> ParseMoment(std::string_view text, absl::Time now,
                                       absl::TimeZone zone, Lean lean);

// RFC 3339 alone, for programs.
absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_TIME_TEXT_H_
