#include "rules/schedule.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "rules/text_util.h"
#include "rules/time_text.h"

namespace sallyport {
namespace {

constexpr int kDays = 7;

// In the order of absl::Weekday.
constexpr std::array<std::string_view, kDays> kDayNames = {
    "mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::array<std::string_view, kDays> kLongDayNames = {
    "monday", "tuesday",  "wednesday", "thursday",
    "friday", "saturday", "sunday"};

using DaySet = std::bitset<kDays>;

// A span of one day as it is printed; `end` is larger than a day's minutes if
// it goes over midnight.
struct DaySpan {
  int begin = 0;
  int end = 0;
  bool operator==(const DaySpan&) const = default;
};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

int MinuteOfWeek(absl::CivilSecond local) {
  const auto day = static_cast<int>(absl::GetWeekday(local));
  return (day * 24 + local.hour()) * 60 + local.minute();
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return std::string_view();
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// mon,wed,fri ... or mon-fri for three and more in a row.
std::string DaysToString(const DaySet& days) {
  std::vector<std::string> parts;
  for (int day = 0; day < kDays;) {
    const auto first = static_cast<size_t>(day);
    while (day < kDays && days[static_cast<size_t>(day)]) ++day;
    const size_t end = static_cast<size_t>(day);
    if (end - first >= 3) {
      parts.push_back(Concat(kDayNames[first], "-", kDayNames[end - 1]));
    } else {
      for (size_t i = first; i < end; ++i) parts.emplace_back(kDayNames[i]);
    }
    ++day;
  }
  return absl::StrJoin(parts, ",");
}

bool IsWholeDay(const std::vector<DaySpan>& spans) {
  return spans.size() == 1 && spans[0] == DaySpan{0, kMinutesPerDay};
}

std::string GroupToString(const DaySet& days,
                          const std::vector<DaySpan>& spans) {
  if (IsWholeDay(spans)) return DaysToString(days);
  std::vector<std::string> times;
  for (const DaySpan& span : spans) {
    const int end =
        span.end > kMinutesPerDay ? span.end - kMinutesPerDay : span.end;
    times.push_back(
        Concat(TimeOfDayToString(span.begin), "-", TimeOfDayToString(end)));
  }
  return Concat(days.all() ? "" : DaysToString(days), days.all() ? "" : " ",
                absl::StrJoin(times, ","));
}

}  // namespace

// Reads one item after the other; an item is what stands between commas.
class ScheduleParser {
 public:
  absl::Status Item(std::string_view item) {
    rest_ = item_ = item;
    const bool has_days =
        !rest_.empty() &&
        absl::ascii_isalpha(static_cast<unsigned char>(rest_[0]));
    if (has_days) {
      if (group_has_times_) EndGroup();
      if (absl::Status status = Days(); !status.ok()) return status;
      if (rest_.empty()) return absl::OkStatus();
    }
    return Times();
  }

  absl::StatusOr<Schedule> Finish() {
    EndGroup();
    Schedule schedule;
    for (int at = 0; at < Schedule::kMinutesPerWeek;) {
      const int begin = at;
      const bool active = minutes_[static_cast<size_t>(at)];
      while (at < Schedule::kMinutesPerWeek &&
             minutes_[static_cast<size_t>(at)] == active) {
        ++at;
      }
      if (active) schedule.spans_.push_back({begin, at});
    }
    if (schedule.spans_.size() > Schedule::kMaxSpans) {
      return Wrong(Concat("more than ", Schedule::kMaxSpans,
                          " separate times in a week; write fewer and longer "
                          "ones"));
    }
    return schedule;
  }

 private:
  absl::Status NoItem() const {
    return Wrong(Concat(QuoteForMessage(item_),
                        " is neither days nor times; write mon-fri, "
                        "09:00-17:00 or mon-fri 09:00-17:00"));
  }

  // Up to a blank or a dash; what follows loses its blanks.
  std::string_view Word() {
    const size_t end = std::min(rest_.find_first_of(" \t-"), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_ = Trimmed(rest_.substr(end));
    return word;
  }
  bool Dash() {
    if (!rest_.starts_with('-')) return false;
    rest_ = Trimmed(rest_.substr(1));
    return true;
  }

  static absl::StatusOr<size_t> Day(std::string_view word) {
    const std::string lower = absl::AsciiStrToLower(ToAbsl(word));
    for (size_t i = 0; i < kDays; ++i) {
      if (lower == kDayNames[i] || lower == kLongDayNames[i]) return i;
    }
    const auto nearest = NearestWord(lower, kLongDayNames);
    return Wrong(Concat(QuoteForMessage(word), " is no day; ",
                        nearest.has_value()
                            ? Concat("did you mean ", *nearest, "?")
                            : "write mon, tue, wed, thu, fri, sat or sun"));
  }

  absl::Status Days() {
    const absl::StatusOr<size_t> first = Day(Word());
    if (!first.ok()) return first.status();
    size_t last = *first;
    if (Dash()) {
      const absl::StatusOr<size_t> end = Day(Word());
      if (!end.ok()) return end.status();
      last = *end;
    }
    for (size_t day = *first;; day = (day + 1) % kDays) {
      days_.set(day);
      if (day == last) return absl::OkStatus();
    }
  }

  absl::Status Times() {
    const std::string_view begin_word = Word();
    if (begin_word.empty() || !Dash()) return NoItem();
    const std::string_view end_word = Word();
    if (!rest_.empty()) return NoItem();
    int begin = 0, end = 0;
    for (const auto& [word, minutes] :
         {std::pair(begin_word, &begin), std::pair(end_word, &end)}) {
      const std::optional<int> parsed = ParseTimeOfDay(word);
      if (!parsed.has_value()) {
        return Wrong(Concat(QuoteForMessage(word),
                            " is no time of day; write 00:00 to 24:00, as in "
                            "09:00-17:00"));
      }
      *minutes = *parsed;
    }
    if (begin == kMinutesPerDay) {
      return Wrong(Concat(QuoteForMessage(item_),
                          " begins at 24:00; write 00:00 and the next day"));
    }
    if (begin == end) {
      return Wrong(Concat(QuoteForMessage(item_),
                          " ends where it begins; write 00:00-24:00 for a "
                          "whole day"));
    }
    group_has_times_ = true;
    if (days_.none()) days_.set();
    SetMinutes(begin, end > begin ? end : end + kMinutesPerDay);
    return absl::OkStatus();
  }

  // On every day of the group.
  void SetMinutes(int begin, int end) {
    for (int day = 0; day < kDays; ++day) {
      if (!days_[static_cast<size_t>(day)]) continue;
      for (int at = begin; at < end; ++at) {
        const int minute =
            (day * kMinutesPerDay + at) % Schedule::kMinutesPerWeek;
        minutes_.set(static_cast<size_t>(minute));
      }
    }
  }

  void EndGroup() {
    if (!group_has_times_) SetMinutes(0, kMinutesPerDay);
    group_has_times_ = false;
    days_.reset();
  }

  std::string_view item_;
  std::string_view rest_;  // of the item
  DaySet days_;            // of the group
  bool group_has_times_ = false;
  Schedule::Minutes minutes_;
};

absl::StatusOr<Schedule> Schedule::Parse(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return Wrong(Concat("longer than ", kMaxTextBytes, " bytes"));
  }
  ScheduleParser parser;
  for (size_t at = 0;;) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view item = Trimmed(text.substr(at, comma - at));
    if (item.empty()) {
      return Wrong(
          Concat(Trimmed(text).empty()
                     ? "is empty"
                     : Concat(QuoteForMessage(text), " has a comma too many"),
                 "; write days and times, as in mon-fri 09:00-17:00"));
    }
    if (absl::Status status = parser.Item(item); !status.ok()) return status;
    if (comma == text.size()) return parser.Finish();
    at = comma + 1;
  }
}

std::string Schedule::ToString() const {
  std::array<std::vector<DaySpan>, kDays> of_day;
  const bool wraps = spans_.size() > 1 && spans_.front().begin == 0 &&
                     spans_.back().end == kMinutesPerWeek;
  for (size_t i = wraps ? 1 : 0; i < spans_.size(); ++i) {
    auto [begin, end] = spans_[i];
    if (wraps && i + 1 == spans_.size()) end += spans_.front().end;
    // A day or more cannot be said in one; it is cut at midnight.
    while (end - begin >= kMinutesPerDay) {
      const int midnight = (begin / kMinutesPerDay + 1) * kMinutesPerDay;
      of_day[static_cast<size_t>(begin / kMinutesPerDay % kDays)].push_back(
          {begin % kMinutesPerDay, kMinutesPerDay});
      begin = midnight;
    }
    if (begin == end) continue;
    const int from = begin % kMinutesPerDay;
    of_day[static_cast<size_t>(begin / kMinutesPerDay % kDays)].push_back(
        {from, from + end - begin});
  }
  for (std::vector<DaySpan>& spans : of_day) {
    std::sort(spans.begin(), spans.end(),
              [](const auto& a, const auto& b) { return a.begin < b.begin; });
  }
  std::vector<std::string> groups;
  std::string whole_days;
  DaySet done;
  for (size_t day = 0; day < kDays; ++day) {
    if (of_day[day].empty() || done[day]) continue;
    DaySet same;
    for (size_t i = day; i < kDays; ++i) same[i] = of_day[i] == of_day[day];
    done |= same;
    std::string text = GroupToString(same, of_day[day]);
    if (IsWholeDay(of_day[day])) {
      whole_days = std::move(text);
    } else {
      groups.push_back(std::move(text));
    }
  }
  // Last, or they would share the times of the next group.
  if (!whole_days.empty()) groups.push_back(std::move(whole_days));
  return absl::StrJoin(groups, ", ");
}

bool Schedule::Contains(int minute) const {
  const auto after = std::upper_bound(
      spans_.begin(), spans_.end(), minute,
      [](int value, const Span& span) { return value < span.begin; });
  return after != spans_.begin() && minute < std::prev(after)->end;
}

// The first minute after `minute` that is not as `minute` is; it may lie in the
// next week. REQUIRES: the schedule is not the whole week.
int Schedule::MinuteOfNextFlip(int minute) const {
  const Span& first = spans_.front();
  for (const Span& span : spans_) {
    if (minute < span.begin) return span.begin;
    if (minute >= span.end) continue;
    const bool goes_on = span.end == kMinutesPerWeek && first.begin == 0;
    return goes_on ? kMinutesPerWeek + first.end : span.end;
  }
  return kMinutesPerWeek + first.begin;
}

bool Schedule::ActiveAt(absl::Time time, absl::TimeZone zone) const {
  return Contains(MinuteOfWeek(zone.At(time).cs));
}

absl::Time Schedule::NextChange(absl::Time time, absl::TimeZone zone) const {
  if (spans_.front() == Span{0, kMinutesPerWeek} ||
      time == absl::InfiniteFuture()) {
    return absl::InfiniteFuture();
  }
  const bool active = ActiveAt(time, zone);
  for (int changes = 0; changes < kMaxClockChanges; ++changes) {
    // Until the clocks change, seconds are seconds on the wall too.
    const absl::TimeZone::CivilInfo local = zone.At(time);
    const absl::Time second = time - local.subsecond;
    const int minute = MinuteOfWeek(local.cs);
    const absl::Time flip =
        second + absl::Seconds((MinuteOfNextFlip(minute) - minute) * 60 -
                               local.cs.second());
    absl::TimeZone::CivilTransition change;
    if (!zone.NextTransition(time, &change)) return flip;
    const absl::Time change_at = second + absl::Seconds(change.from - local.cs);
    if (flip < change_at) return flip;
    if (ActiveAt(change_at, zone) != active) return change_at;
    time = change_at;
  }
  return time;
}

}  // namespace sallyport
