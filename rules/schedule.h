#ifndef SALLYPORT_RULES_SCHEDULE_H_
#define SALLYPORT_RULES_SCHEDULE_H_

// Schedule: when a rule is active, the field `during`. A set of minutes of the
// local week. An immutable value; any thread; ActiveAt and NextChange do not
// allocate or lock. The time zone is a parameter: the caller loads it.
//
//   auto office = Schedule::Parse("mon-fri 09:00-12:00,13:00-17:00, sat");
//   office->ActiveAt(absl::Now(), zone);
//
// The text is a list of groups: days, times, or days and times.
//   mon-fri 09:00-17:00         sat,sun         22:00-06:00
//   mon,wed 08:00-10:00,20:00-22:00, sat 10:00-14:00
// - Days are mon ... sun (or in full), alone, listed, or as ranges, which may
// go
//   round the week (sat-mon). Without days: every day.
// - Times are HH:MM-HH:MM, the end not included. A span that ends before it
//   begins goes over midnight and belongs to the day on which it begins.
//   Without times: the whole day.
// - A list of days shares the times that follow it, and times share the days
//   before them: "mon,fri 09:00-10:00" is both days at nine. What follows times
//   and begins with a day is the next group; so days without times stand last.
// Blanks around commas and dashes do not matter, nor does upper case.
//
// Clock changes need no rule of their own: what counts is what a clock on the
// wall shows. So a span whose beginning is left out begins at the change, one
// whose end is left out ends there, one that lies in the gap does not happen
// that day; and what exists twice is active both times.

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport {

class Schedule {
 public:
  // Of what is parsed; a canonical text with kMaxSpans is shorter.
  static constexpr size_t kMaxTextBytes = 8192;
  // Separate spans in a week: 48 a day, one every half hour.
  static constexpr size_t kMaxSpans = 7 * 48;

  // InvalidArgument quotes the part that is wrong and says what to write.
  static absl::StatusOr<Schedule> Parse(std::string_view text);

  // Canonical: equal schedules have one text, and Parse of it gives an equal
  // schedule.
  std::string ToString() const;

  bool ActiveAt(absl::Time time, absl::TimeZone zone) const;

  // The first moment after `time` at which ActiveAt is not what it is at
  // `time`; InfiniteFuture if there is none. Exact, as far as the zone's table
  // of clock changes goes (400 years). A zone that changes its offset more than
  // kMaxClockChanges times before the next change of the schedule gets the last
  // of these changes: too early, never too late.
  absl::Time NextChange(absl::Time time, absl::TimeZone zone) const;

  // Within a week, which is the longest that a schedule stays the same; real
  // zones have one.
  static constexpr int kMaxClockChanges = 16;

  bool operator==(const Schedule&) const = default;

 private:
  static constexpr int kMinutesPerWeek = 7 * 24 * 60;
  using Minutes = std::bitset<kMinutesPerWeek>;  // Monday 0:00 is 0

  // Minutes of the week, the end not included; begin < end.
  struct Span {
    int begin = 0;
    int end = 0;
    bool operator==(const Span&) const = default;
  };

  Schedule() = default;
  int MinuteOfNextFlip(int minute) const;
  bool Contains(int minute) const;

  // Sorted, disjoint, and none touches the next (but over the end of the week).
  // Never empty.
  std::vector<Span> spans_;

  friend class ScheduleParser;
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_SCHEDULE_H_
