#include "rules/time_text.h"

#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

struct Unit {
  char letter;
  int64_t seconds;
};
constexpr Unit kUnits[] = {
    {'w', 7 * 86'400}, {'d', 86'400}, {'h', 3600}, {'m', 60}, {'s', 1}};
constexpr int64_t kMaxDurationSeconds = int64_t{kMaxDurationDays} * 86'400;
// Digits of the largest number of the smallest unit.
constexpr size_t kMaxDurationDigits = 9;

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status NoDuration(std::string_view text) {
  return Wrong(Concat(QuoteForMessage(text),
                      " is no duration; write 90s, 10m, 1h30m or 2d"));
}

// One or two digits, all of `text`; -1 if it is not that.
int SmallNumber(std::string_view text) {
  if (text.empty() || text.size() > 2) return -1;
  int number = 0;
  for (char c : text) {
    if (!IsDigit(c)) return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

absl::Status NoMoment(std::string_view text) {
  return Wrong(Concat(QuoteForMessage(text),
                      " is no time; write 17:30, tomorrow 09:00, "
                      "2026-01-31 17:30 or 2026-01-31T17:30:00Z"));
}

absl::StatusOr<absl::Time> InRange(std::string_view text, absl::Time time) {
  if (time <
          absl::FromCivil(absl::CivilYear(kFirstYear), absl::UTCTimeZone()) ||
      time >= absl::FromCivil(absl::CivilYear(kLastYear + 1),
                              absl::UTCTimeZone())) {
    return Wrong(Concat(QuoteForMessage(text), " is not in the years ",
                        kFirstYear, " to ", kLastYear));
  }
  return time;
}

// "2026-01-31", and nothing that a calendar does not have.
std::optional<absl::CivilDay> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  for (size_t i : {0, 1, 2, 3}) {
    if (!IsDigit(text[i])) return std::nullopt;
  }
  int year = 0;
  if (!absl::SimpleAtoi(ToAbsl(text.substr(0, 4)), &year)) return std::nullopt;
  const int month = SmallNumber(text.substr(5, 2));
  const int day = SmallNumber(text.substr(8, 2));
  if (month < 0 || day < 0) return std::nullopt;
  const absl::CivilDay date(year, month, day);
  if (date.month() != month || date.day() != day) return std::nullopt;
  return date;
}

// Both moments at which a clock shows `minutes` of `day`; equal but for the
// hour that exists twice. Each is the clock change if it exists never.
std::pair<absl::Time, absl::Time> MomentsOf(absl::CivilDay day, int minutes,
                                            absl::TimeZone zone) {
  const auto info =
      zone.At(absl::CivilSecond(absl::CivilMinute(day) + minutes));
  if (info.kind == absl::TimeZone::TimeInfo::SKIPPED) {
    return {info.trans, info.trans};
  }
  return {info.pre, info.post};
}

// The moment of a time of day with no date.
absl::Time NearestOf(int minutes, absl::Time now, absl::TimeZone zone,
                     Lean lean) {
  const absl::CivilDay today = absl::ToCivilDay(now, zone);
  // A day more than needed on both sides: zones have skipped whole days.
  absl::Time best =
      lean == Lean::kFuture ? absl::InfiniteFuture() : absl::InfinitePast();
  for (int shift = -2; shift <= 2; ++shift) {
    const auto [first, second] = MomentsOf(today + shift, minutes, zone);
    for (absl::Time moment : {first, second}) {
      if (lean == Lean::kFuture) {
        if (moment > now && moment < best) best = moment;
      } else {
        if (moment <= now && moment > best) best = moment;
      }
    }
  }
  return best;
}

// Words for days. nullopt: no such word.
std::optional<int> DayShift(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, int>, 3> kWords = {
      {{"yesterday", -1}, {"today", 0}, {"tomorrow", 1}}};
  for (const auto& [known, shift] : kWords) {
    if (word == known) return shift;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  int64_t total = 0;
  size_t next_unit = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && IsDigit(text[end])) ++end;
    int64_t number = 0;
    if (end == at || end == text.size() ||
        !absl::SimpleAtoi(ToAbsl(text.substr(at, end - at)), &number)) {
      return NoDuration(text);
    }
    size_t unit = next_unit;
    while (unit < std::size(kUnits) && kUnits[unit].letter != text[end]) ++unit;
    if (unit == std::size(kUnits)) return NoDuration(text);
    if (end - at > kMaxDurationDigits ||
        number > kMaxDurationSeconds / kUnits[unit].seconds ||
        total + number * kUnits[unit].seconds > kMaxDurationSeconds) {
      return Wrong(Concat(QuoteForMessage(text), " is too long; at most ",
                          kMaxDurationDays, "d"));
    }
    total += number * kUnits[unit].seconds;
    next_unit = unit + 1;
    at = end + 1;
  }
  if (text.empty()) return NoDuration(text);
  if (total == 0) {
    return Wrong(Concat(QuoteForMessage(text),
                        " is no time at all; write 1s "
                        "or more"));
  }
  return absl::Seconds(total);
}

std::string DurationToString(absl::Duration duration) {
  int64_t left = std::max<int64_t>(absl::ToInt64Seconds(duration), 0);
  std::string out;
  for (const Unit& unit : kUnits) {
    if (unit.letter == 'w') continue;  // 14d is easier to read
    if (left >= unit.seconds) {
      AppendTo(&out, left / unit.seconds, std::string_view(&unit.letter, 1));
      left %= unit.seconds;
    }
  }
  return out.empty() ? "0s" : out;
}

std::optional<int> ParseTimeOfDay(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == text.npos || text.size() - colon != 3) return std::nullopt;
  const int hour = SmallNumber(text.substr(0, colon));
  const int minute = SmallNumber(text.substr(colon + 1));
  if (hour < 0 || minute < 0 || minute > 59) return std::nullopt;
  const int minutes = hour * 60 + minute;
  if (minutes > kMinutesPerDay) return std::nullopt;
  return minutes;
}

std::string TimeOfDayToString(int minutes) {
  return absl::StrFormat("%02d:%02d", minutes / 60, minutes % 60);
}

absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text) {
  // ParseTime also takes blanks around, "infinite-future" and years of any
  // length.
  if (text.size() < 20 || !IsDigit(text[0]) || text[4] != '-' ||
      text.find_first_of(" \t\r\n\v\f") != text.npos) {
    return NoMoment(text);
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) {
    return NoMoment(text);
  }
  return InRange(text, time);
}

absl::StatusOr<absl::Time> ParseMoment(std::string_view text, absl::Time now,
                                       absl::TimeZone zone, Lean lean) {
  if (const std::optional<int> minutes = ParseTimeOfDay(text)) {
    return InRange(text, NearestOf(*minutes, now, zone, lean));
  }
  const size_t gap = text.find_first_of(" T");
  const std::string_view day_text = text.substr(0, gap);
  std::optional<absl::CivilDay> day = ParseDate(day_text);
  if (const std::optional<int> shift = DayShift(day_text)) {
    day = absl::ToCivilDay(now, zone) + *shift;
  }
  if (!day.has_value()) return NoMoment(text);
  std::optional<int> minutes = 0;
  if (gap != text.npos) {
    minutes = ParseTimeOfDay(text.substr(gap + 1));
    // With seconds and an offset, or nothing we know.
    if (!minutes.has_value()) return ParseRfc3339(text);
  }
  const auto [first, second] = MomentsOf(*day, *minutes, zone);
  if (lean == Lean::kFuture) return InRange(text, first > now ? first : second);
  return InRange(text, second <= now ? second : first);
}

}  // namespace sallyport
