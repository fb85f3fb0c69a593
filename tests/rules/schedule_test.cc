#include "rules/schedule.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "absl/strings/str_join.h"
#include "rules/text_util.h"
#include "rules/time_text.h"

namespace sallyport {
namespace {

using absl::Minutes;

Schedule Parsed(std::string_view text) {
  auto schedule = Schedule::Parse(text);
  EXPECT_TRUE(schedule.ok()) << text << ": " << schedule.status();
  return schedule.ok() ? *schedule : *Schedule::Parse("mon");
}

absl::Time Utc(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error))
      << error;
  return time;
}

// Local to `zone`, "2026-03-09 08:59:59".
absl::Time Local(const char* text, absl::TimeZone zone) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", text, zone, &time, &error))
      << error;
  return time;
}

TEST(Schedule, PrintsWhatIsMeant) {
  const struct {
    const char* text;
    const char* printed;
  } cases[] = {
      {"mon-fri 09:00-17:00", "mon-fri 09:00-17:00"},
      {"sat,sun", "sat,sun"},
      {"22:00-06:00", "22:00-06:00"},
      {"mon-fri 09:00-12:00, sat 10:00-14:00",
       "mon-fri 09:00-12:00, sat 10:00-14:00"},
      {"mon-fri 9:00-12:00,13:00-17:00", "mon-fri 09:00-12:00,13:00-17:00"},
      // Listed days share the times that follow.
      {"mon,wed,fri 09:00-10:00", "mon,wed,fri 09:00-10:00"},
      {"mon-fri 09:00-17:00, sat", "mon-fri 09:00-17:00, sat"},
      {"sat, mon-fri 09:00-17:00", "mon-sat 09:00-17:00"},
      // Blanks, case and long names.
      {"  Monday - FRIDAY   09:00 - 17:00 ,sat ", "mon-fri 09:00-17:00, sat"},
      {"sat-mon", "mon,sat,sun"},
      {"fri-tue 08:00-09:00", "mon,tue,fri-sun 08:00-09:00"},
      {"mon-sun", "mon-sun"},
      {"00:00-24:00", "mon-sun"},
      {"mon 22:00-00:00", "mon 22:00-24:00"},
      {"sun 22:00-06:00", "sun 22:00-06:00"},
      // One text for one set of minutes.
      {"09:00-12:00,12:00-17:00", "09:00-17:00"},
      {"09:00-12:00, 11:00-17:00,09:30-09:31", "09:00-17:00"},
      {"mon 22:00-24:00, tue 00:00-06:00", "mon 22:00-06:00"},
      {"fri 18:00-06:00, sat 00:00-24:00, sun 00:00-24:00, mon 00:00-06:00",
       "mon 00:00-06:00, fri 18:00-24:00, sat,sun"},
      {"sat,sun 00:00-24:00, sun 22:00-06:00", "mon 00:00-06:00, sat,sun"},
      {"fri 18:00-24:00, sat,sun", "fri 18:00-24:00, sat,sun"},
      {"mon 12:00-11:59, tue 11:59-12:00", "mon 12:00-24:00, tue 00:00-12:00"},
      {"sun 12:00-24:00, mon,tue 00:00-06:00, mon",
       "tue 00:00-06:00, sun 12:00-24:00, mon"},
  };
  for (const auto& c : cases) {
    const Schedule schedule = Parsed(c.text);
    EXPECT_EQ(schedule.ToString(), c.printed) << c.text;
    EXPECT_EQ(Parsed(schedule.ToString()), schedule) << c.text;
  }
}

TEST(Schedule, ErrorsQuoteThePartThatIsWrong) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "is empty; write days and times, as in mon-fri 09:00-17:00"},
      {"  ", "is empty; write days and times, as in mon-fri 09:00-17:00"},
      {"mon,,tue",
       "'mon,,tue' has a comma too many; write days and times, as in mon-fri "
       "09:00-17:00"},
      {"mon,",
       "'mon,' has a comma too many; write days and times, as in mon-fri "
       "09:00-17:00"},
      {"mo", "'mo' is no day; write mon, tue, wed, thu, fri, sat or sun"},
      {"mon-wendesday", "'wendesday' is no day; did you mean wednesday?"},
      {"weekend",
       "'weekend' is no day; write mon, tue, wed, thu, fri, sat or sun"},
      {"mon-", "'' is no day; write mon, tue, wed, thu, fri, sat or sun"},
      {"mon-09:00",
       "'09:00' is no day; write mon, tue, wed, thu, fri, sat or sun"},
      {"mon-fri 9-17",
       "'9' is no time of day; write 00:00 to 24:00, as in 09:00-17:00"},
      {"09:00-25:00",
       "'25:00' is no time of day; write 00:00 to 24:00, as in 09:00-17:00"},
      {"09:60-10:00",
       "'09:60' is no time of day; write 00:00 to 24:00, as in 09:00-17:00"},
      {"24:00-06:00",
       "'24:00-06:00' begins at 24:00; write 00:00 and the next day"},
      {"fri 12:00-12:00",
       "'fri 12:00-12:00' ends where it begins; write 00:00-24:00 for a whole "
       "day"},
      {"09:00",
       "'09:00' is neither days nor times; write mon-fri, 09:00-17:00 or "
       "mon-fri 09:00-17:00"},
      {"09:00-17:00 mon",
       "'09:00-17:00 mon' is neither days nor times; write mon-fri, "
       "09:00-17:00 or mon-fri 09:00-17:00"},
      {"mon tue",
       "'mon tue' is neither days nor times; write mon-fri, 09:00-17:00 or "
       "mon-fri 09:00-17:00"},
      {"mon-wed-fri",
       "'mon-wed-fri' is neither days nor times; write mon-fri, 09:00-17:00 "
       "or mon-fri 09:00-17:00"},
      {"09:00-17:00-18:00",
       "'09:00-17:00-18:00' is neither days nor times; write mon-fri, "
       "09:00-17:00 or mon-fri 09:00-17:00"},
      {"mon;tue",
       "'mon;tue' is no day; write mon, tue, wed, thu, fri, sat or sun"},
      {"\x1b[2J",
       "'\\x1b[2J' is neither days nor times; write mon-fri, "
       "09:00-17:00 or mon-fri 09:00-17:00"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Schedule::Parse(c.text).status().message(), c.message) << c.text;
  }
}

TEST(Schedule, LimitsAreNamed) {
  std::string text(Schedule::kMaxTextBytes + 1, ' ');
  EXPECT_EQ(Schedule::Parse(text).status().message(), "longer than 8192 bytes");
  // Every other half hour of each day is the most, and prints within bounds.
  std::vector<std::string> times;
  for (int i = 0; i < 48; ++i) {
    times.push_back(
        Concat(TimeOfDayToString(i * 30), "-", TimeOfDayToString(i * 30 + 15)));
  }
  const Schedule most = Parsed(absl::StrJoin(times, ","));
  EXPECT_EQ(Parsed(most.ToString()), most);
  EXPECT_EQ(
      Schedule::Parse(Concat(absl::StrJoin(times, ","), ", mon 00:20-00:25"))
          .status()
          .message(),
      "more than 336 separate times in a week; write fewer and longer "
      "ones");
}

TEST(Schedule, OfficeHours) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const Schedule office = Parsed("mon-fri 09:00-17:00");
  // 9 March 2026 is a Monday.
  const struct {
    const char* time;
    bool active;
    const char* next;
  } cases[] = {
      {"2026-03-08T23:59:59Z", false, "2026-03-09T09:00:00Z"},
      {"2026-03-09T08:59:59.999Z", false, "2026-03-09T09:00:00Z"},
      {"2026-03-09T09:00:00Z", true, "2026-03-09T17:00:00Z"},
      {"2026-03-09T16:59:59.999Z", true, "2026-03-09T17:00:00Z"},
      {"2026-03-09T17:00:00Z", false, "2026-03-10T09:00:00Z"},
      {"2026-03-13T17:00:00Z", false, "2026-03-16T09:00:00Z"},
      {"1969-12-31T12:00:00Z", true, "1969-12-31T17:00:00Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(office.ActiveAt(Utc(c.time), utc), c.active) << c.time;
    EXPECT_EQ(office.NextChange(Utc(c.time), utc), Utc(c.next)) << c.time;
  }
}

TEST(Schedule, OverMidnightBelongsToTheDayItBeginsOn) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  // 8 March 2026 is a Sunday: into the next week.
  const Schedule sunday = Parsed("sun 22:00-06:00");
  EXPECT_FALSE(sunday.ActiveAt(Utc("2026-03-08T05:00:00Z"), utc));
  EXPECT_FALSE(sunday.ActiveAt(Utc("2026-03-08T21:59:59Z"), utc));
  EXPECT_TRUE(sunday.ActiveAt(Utc("2026-03-08T22:00:00Z"), utc));
  EXPECT_TRUE(sunday.ActiveAt(Utc("2026-03-09T00:00:00Z"), utc));
  EXPECT_TRUE(sunday.ActiveAt(Utc("2026-03-09T05:59:59Z"), utc));
  EXPECT_FALSE(sunday.ActiveAt(Utc("2026-03-09T06:00:00Z"), utc));
  EXPECT_EQ(sunday.NextChange(Utc("2026-03-08T23:00:00Z"), utc),
            Utc("2026-03-09T06:00:00Z"));
  EXPECT_EQ(sunday.NextChange(Utc("2026-03-09T06:00:00Z"), utc),
            Utc("2026-03-15T22:00:00Z"));
  // Friday night is not Friday morning.
  const Schedule friday = Parsed("fri 22:00-06:00");
  EXPECT_FALSE(friday.ActiveAt(Utc("2026-03-13T05:00:00Z"), utc));
  EXPECT_TRUE(friday.ActiveAt(Utc("2026-03-14T05:00:00Z"), utc));
}

TEST(Schedule, AlwaysNeverChanges) {
  const Schedule always = Parsed("mon-sun");
  const absl::TimeZone utc = absl::UTCTimeZone();
  EXPECT_TRUE(always.ActiveAt(Utc("2026-03-09T06:00:00Z"), utc));
  EXPECT_EQ(always.NextChange(Utc("2026-03-09T06:00:00Z"), utc),
            absl::InfiniteFuture());
  // Times that no calendar has: no crash, no endless loop.
  const Schedule office = Parsed("mon-fri 09:00-17:00");
  for (absl::Time far :
       {absl::InfiniteFuture(), absl::InfinitePast(),
        absl::FromUnixSeconds(INT64_MAX), absl::FromUnixSeconds(INT64_MIN)}) {
    office.ActiveAt(far, utc);
    office.NextChange(far, utc);
  }
  EXPECT_EQ(office.NextChange(absl::InfiniteFuture(), utc),
            absl::InfiniteFuture());
}

TEST(Schedule, OneMinuteAWeek) {
  const Schedule minute = Parsed("sun 23:59-24:00");
  const absl::TimeZone utc = absl::UTCTimeZone();
  EXPECT_EQ(minute.NextChange(Utc("2026-03-09T00:00:00Z"), utc),
            Utc("2026-03-15T23:59:00Z"));
  EXPECT_EQ(minute.NextChange(Utc("2026-03-15T23:59:00Z"), utc),
            Utc("2026-03-16T00:00:00Z"));
}

// A change of the clocks, and what a schedule does about it: each moment at
// which it flips, in UTC.
struct ClockCase {
  const char* zone;
  const char* from;  // local
  const char* schedule;
  bool active;
  std::vector<const char*> flips;
};

TEST(Schedule, ClockChanges) {
  const ClockCase cases[] = {
      // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
      {"Europe/Berlin",
       "2026-03-29 00:00:00",
       "sun 02:30-04:00",
       false,
       {"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
      {"Europe/Berlin",
       "2026-03-29 00:00:00",
       "sun 01:00-02:30",
       false,
       {"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}},
      // All of it left out: that Sunday it does not happen.
      {"Europe/Berlin",
       "2026-03-29 00:00:00",
       "sun 02:15-02:45",
       false,
       {"2026-04-05T00:15:00Z"}},
      // Ends and begins in the gap: it goes on.
      {"Europe/Berlin",
       "2026-03-29 00:00:00",
       "sun 01:00-02:00,03:00-04:00",
       false,
       {"2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"}},
      {"Europe/Berlin",
       "2026-03-28 23:00:00",
       "sat 22:00-06:00",
       true,
       {"2026-03-29T04:00:00Z"}},
      // 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
      {"Europe/Berlin",
       "2026-10-25 00:00:00",
       "sun 02:15-02:45",
       false,
       {"2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z",
        "2026-10-25T01:45:00Z"}},
      {"Europe/Berlin",
       "2026-10-25 00:00:00",
       "sun 02:30-04:00",
       false,
       {"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
        "2026-10-25T03:00:00Z"}},
      {"Europe/Berlin",
       "2026-10-25 00:00:00",
       "sun 02:00-03:00",
       false,
       {"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"}},
      {"Europe/Berlin",
       "2026-10-24 23:00:00",
       "sat 22:00-06:00",
       true,
       {"2026-10-25T05:00:00Z"}},
      // New York, 8 March 2026: 02:00 becomes 03:00 at 07:00 UTC; 1 November:
      // 02:00 becomes 01:00 at 06:00 UTC.
      {"America/New_York",
       "2026-03-08 00:00:00",
       "02:30-03:30",
       false,
       {"2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"}},
      {"America/New_York",
       "2026-11-01 00:00:00",
       "01:30-01:40",
       false,
       {"2026-11-01T05:30:00Z", "2026-11-01T05:40:00Z", "2026-11-01T06:30:00Z",
        "2026-11-01T06:40:00Z"}},
      // Lord Howe moves by half an hour: 5 April 2026, 02:00 becomes 01:30 at
      // 15:00 UTC the day before; 4 October: 02:00 becomes 02:30 at 15:30.
      {"Australia/Lord_Howe",
       "2026-04-05 00:00:00",
       "sun 01:30-01:45",
       false,
       {"2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z",
        "2026-04-04T15:15:00Z"}},
      {"Australia/Lord_Howe",
       "2026-04-05 00:00:00",
       "sun 01:00-01:30",
       false,
       {"2026-04-04T14:00:00Z", "2026-04-04T14:30:00Z"}},
      {"Australia/Lord_Howe",
       "2026-10-04 00:00:00",
       "sun 02:10-02:40",
       false,
       {"2026-10-03T15:30:00Z", "2026-10-03T15:40:00Z"}},
      // Apia had no Friday 30 December 2011.
      {"Pacific/Apia",
       "2011-12-29 12:00:00",
       "fri",
       false,
       {"2012-01-05T10:00:00Z"}},
  };
  for (const ClockCase& c : cases) {
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(c.zone, &zone)) {
      GTEST_SKIP() << "no time zone data for " << c.zone;
    }
    const Schedule schedule = Parsed(c.schedule);
    absl::Time time = Local(c.from, zone);
    bool active = c.active;
    EXPECT_EQ(schedule.ActiveAt(time, zone), active) << c.schedule;
    for (const char* flip : c.flips) {
      time = schedule.NextChange(time, zone);
      ASSERT_EQ(time, Utc(flip)) << c.zone << " " << c.schedule;
      EXPECT_EQ(schedule.ActiveAt(time - absl::Nanoseconds(1), zone), active);
      active = !active;
      EXPECT_EQ(schedule.ActiveAt(time, zone), active) << c.schedule;
    }
  }
}

// ---- against an evaluator that knows only one minute at a time

struct NaiveSpan {
  std::vector<bool> days = std::vector<bool>(7);
  bool whole_day = false;
  int begin = 0;
  int end = 0;
};

struct NaiveSchedule {
  std::vector<NaiveSpan> spans;

  bool ActiveAt(absl::Time time, absl::TimeZone zone) const {
    const absl::CivilSecond local = zone.At(time).cs;
    const auto day = static_cast<size_t>(absl::GetWeekday(local));
    const int minute = local.hour() * 60 + local.minute();
    for (const NaiveSpan& span : spans) {
      const bool today = span.days[day];
      const bool yesterday = span.days[(day + 6) % 7];
      if (span.whole_day) {
        if (today) return true;
      } else if (span.begin < span.end) {
        if (today && minute >= span.begin && minute < span.end) return true;
      } else if ((today && minute >= span.begin) ||
                 (yesterday && minute < span.end)) {
        return true;
      }
    }
    return false;
  }

  std::string Text() const {
    constexpr const char* kNames[] = {"mon", "tue", "wed", "thu",
                                      "fri", "sat", "sun"};
    std::vector<std::string> timed, whole;
    for (const NaiveSpan& span : spans) {
      std::vector<std::string> days;
      for (size_t i = 0; i < 7; ++i) {
        if (span.days[i]) days.emplace_back(kNames[i]);
      }
      std::string text = absl::StrJoin(days, ",");
      if (span.whole_day) {
        whole.push_back(text);
      } else {
        AppendTo(&text, " ", TimeOfDayToString(span.begin), "-",
                 TimeOfDayToString(span.end));
        timed.push_back(text);
      }
    }
    for (std::string& text : whole) timed.push_back(std::move(text));
    return absl::StrJoin(timed, ", ");
  }
};

NaiveSchedule RandomSchedule(std::mt19937& random) {
  const auto below = [&random](int n) {
    return std::uniform_int_distribution(0, n - 1)(random);
  };
  NaiveSchedule schedule;
  for (int count = 1 + below(4); count > 0; --count) {
    NaiveSpan span;
    for (size_t i = 0; i < 7; ++i) span.days[i] = below(3) == 0;
    span.days[static_cast<size_t>(below(7))] = true;
    span.whole_day = below(5) == 0;
    // Quarters of an hour often touch, and often fall on clock changes.
    const int step = below(2) == 0 ? 15 : 1;
    span.begin = below(kMinutesPerDay / step) * step;
    do {
      span.end = below(kMinutesPerDay / step + 1) * step;
    } while (span.end == span.begin);
    schedule.spans.push_back(span);
  }
  return schedule;
}

TEST(Schedule, AgreesWithEveryMinuteOfRandomWeeks) {
  const struct {
    const char* zone;
    const char* begin;
  } weeks[] = {
      {"UTC", "2026-03-05 00:00:00"},
      {"Europe/Berlin", "2026-03-25 00:00:00"},
      {"Europe/Berlin", "2026-10-21 00:00:00"},
      {"America/New_York", "2026-03-04 00:00:00"},
      {"America/New_York", "2026-10-28 00:00:00"},
      {"Australia/Lord_Howe", "2026-04-01 00:00:00"},
      {"Australia/Lord_Howe", "2026-09-30 00:00:00"},
      {"Pacific/Apia", "2011-12-27 00:00:00"},
      {"Asia/Kathmandu", "2026-01-01 00:00:00"},
  };
  constexpr int kMinutes = 9 * kMinutesPerDay;
  std::mt19937 random(7);
  for (const auto& week : weeks) {
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(week.zone, &zone)) {
      GTEST_SKIP() << "no time zone data for " << week.zone;
    }
    const absl::Time begin = Local(week.begin, zone);
    for (int round = 0; round < 25; ++round) {
      const NaiveSchedule naive = RandomSchedule(random);
      const std::string text = naive.Text();
      const Schedule schedule = Parsed(text);
      ASSERT_EQ(Parsed(schedule.ToString()), schedule) << text;
      ASSERT_EQ(Parsed(schedule.ToString()).ToString(), schedule.ToString());
      std::vector<bool> active(kMinutes);
      for (int i = 0; i < kMinutes; ++i) {
        active[static_cast<size_t>(i)] =
            naive.ActiveAt(begin + Minutes(i), zone);
        ASSERT_EQ(schedule.ActiveAt(begin + Minutes(i), zone),
                  active[static_cast<size_t>(i)])
            << week.zone << " '" << text << "' " << begin + Minutes(i);
      }
      // From any second of a minute, the next minute that is not the same.
      int next = kMinutes;  // unknown: beyond the window
      for (int i = kMinutes - 1; i > 0; --i) {
        const auto at = static_cast<size_t>(i);
        if (active[at] != active[at - 1]) next = i;
        const absl::Time from =
            begin + Minutes(i - 1) +
            absl::Milliseconds(
                std::uniform_int_distribution(0, 59'999)(random));
        const absl::Time change = schedule.NextChange(from, zone);
        if (next < kMinutes) {
          ASSERT_EQ(change, begin + Minutes(next))
              << week.zone << " '" << text << "' " << from;
        } else {
          ASSERT_GE(change, begin + Minutes(kMinutes)) << text;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sallyport
