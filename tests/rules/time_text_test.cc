#include "rules/time_text.h"

#include <gtest/gtest.h>

#include <random>

namespace sallyport {
namespace {

using absl::Hours;
using absl::Minutes;
using absl::Seconds;

TEST(Durations, Table) {
  const struct {
    const char* text;
    absl::Duration duration;
    const char* printed;
  } cases[] = {
      {"1s", Seconds(1), "1s"},
      {"90s", Seconds(90), "1m30s"},
      {"10m", Minutes(10), "10m"},
      {"1h30m", Minutes(90), "1h30m"},
      {"2d", Hours(48), "2d"},
      {"1w2d", Hours(9 * 24), "9d"},
      {"1w1d1h1m1s", Hours(193) + Seconds(61), "8d1h1m1s"},
      {"0h05m", Minutes(5), "5m"},
      {"3653d", Hours(3653 * 24), "3653d"},
  };
  for (const auto& c : cases) {
    const auto duration = ParseDuration(c.text);
    ASSERT_TRUE(duration.ok()) << c.text << ": " << duration.status();
    EXPECT_EQ(*duration, c.duration) << c.text;
    EXPECT_EQ(DurationToString(*duration), c.printed);
    EXPECT_EQ(*ParseDuration(c.printed), c.duration);
  }
  EXPECT_EQ(DurationToString(absl::ZeroDuration()), "0s");
  EXPECT_EQ(DurationToString(Seconds(-5)), "0s");
}

TEST(Durations, ErrorsSayWhatToWrite) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "'' is no duration; write 90s, 10m, 1h30m or 2d"},
      {"5", "'5' is no duration; write 90s, 10m, 1h30m or 2d"},
      {"m", "'m' is no duration; write 90s, 10m, 1h30m or 2d"},
      {"1h30", "'1h30' is no duration; write 90s, 10m, 1h30m or 2d"},
      {"0s", "'0s' is no time at all; write 1s or more"},
      {"3654d", "'3654d' is too long; at most 3653d"},
      {"3653d1s", "'3653d1s' is too long; at most 3653d"},
      {"99999999999999999999s",
       "'99999999999999999999s' is no duration; write 90s, 10m, 1h30m or 2d"},
      {"999999999999w", "'999999999999w' is too long; at most 3653d"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParseDuration(c.text).status().message(), c.message) << c.text;
  }
  for (const char* bad : {"-5m", "+5m", "5 m", " 5m", "5m ", "1.5h", "5mm",
                          "5y", "30m1h", "1m1m", "1H", "0x5s", "infinity"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(Durations, EveryPrintedOneIsReadBack) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto duration =
        Seconds(std::uniform_int_distribution(1, 3653 * 86'400)(random));
    EXPECT_EQ(*ParseDuration(DurationToString(duration)), duration);
  }
}

TEST(TimesOfDay, Table) {
  EXPECT_EQ(ParseTimeOfDay("00:00"), 0);
  EXPECT_EQ(ParseTimeOfDay("9:05"), 545);
  EXPECT_EQ(ParseTimeOfDay("09:05"), 545);
  EXPECT_EQ(ParseTimeOfDay("23:59"), 1439);
  EXPECT_EQ(ParseTimeOfDay("24:00"), 1440);
  for (const char* bad :
       {"", ":", "9", "0900", "24:01", "25:00", "12:60", "1:2", "-1:00",
        "009:00", "09:00:00", "9:0a", "+9:00", " 9:00"}) {
    EXPECT_EQ(ParseTimeOfDay(bad), std::nullopt) << bad;
  }
  for (int minutes = 0; minutes <= kMinutesPerDay; ++minutes) {
    EXPECT_EQ(ParseTimeOfDay(TimeOfDayToString(minutes)), minutes);
  }
}

absl::Time Utc(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error))
      << error;
  return time;
}

TEST(Moments, TableInUtc) {
  const absl::Time now = Utc("2026-03-10T12:00:00Z");
  const struct {
    const char* text;
    const char* future;
    const char* past;
  } cases[] = {
      {"17:30", "2026-03-10T17:30:00Z", "2026-03-09T17:30:00Z"},
      {"9:00", "2026-03-11T09:00:00Z", "2026-03-10T09:00:00Z"},
      // Now is not the future, and was.
      {"12:00", "2026-03-11T12:00:00Z", "2026-03-10T12:00:00Z"},
      {"00:00", "2026-03-11T00:00:00Z", "2026-03-10T00:00:00Z"},
      {"24:00", "2026-03-11T00:00:00Z", "2026-03-10T00:00:00Z"},
      {"tomorrow 09:00", "2026-03-11T09:00:00Z", "2026-03-11T09:00:00Z"},
      {"tomorrow", "2026-03-11T00:00:00Z", "2026-03-11T00:00:00Z"},
      {"today 18:00", "2026-03-10T18:00:00Z", "2026-03-10T18:00:00Z"},
      {"yesterday", "2026-03-09T00:00:00Z", "2026-03-09T00:00:00Z"},
      {"2026-12-01", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"},
      {"2026-12-01 17:30", "2026-12-01T17:30:00Z", "2026-12-01T17:30:00Z"},
      {"2026-12-01T17:30", "2026-12-01T17:30:00Z", "2026-12-01T17:30:00Z"},
      {"2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
      {"2026-12-01T17:30:05Z", "2026-12-01T17:30:05Z", "2026-12-01T17:30:05Z"},
      {"2026-12-01T17:30:05.5+01:00", "2026-12-01T16:30:05.5Z",
       "2026-12-01T16:30:05.5Z"},
  };
  for (const auto& c : cases) {
    for (const auto& [lean, expected] :
         {std::pair(Lean::kFuture, c.future), std::pair(Lean::kPast, c.past)}) {
      const auto moment = ParseMoment(c.text, now, absl::UTCTimeZone(), lean);
      ASSERT_TRUE(moment.ok()) << c.text << ": " << moment.status();
      EXPECT_EQ(*moment, Utc(expected)) << c.text;
    }
  }
}

TEST(Moments, WhatIsNoMomentIsTold) {
  const absl::Time now = Utc("2026-03-10T12:00:00Z");
  for (const char* bad : {"",
                          "now",
                          "5m",
                          "17",
                          "17:30 tomorrow",
                          "tomorrow 25:00",
                          "tomorrow ",
                          "tomorrow  09:00",
                          " 17:30",
                          "2026-02-29",
                          "2026-13-01",
                          "2026-1-1",
                          "2026-12-01 ",
                          "2026-12-01T",
                          "infinite-future",
                          "infinite-past",
                          "20260-12-01T00:00:00Z",
                          "-2026-12-01T00:00:00Z",
                          "2026-12-01T17:30:05",
                          "2026-12-01T17:30:05 Z",
                          "2026-12-01T17:30:05Z ",
                          "\xff",
                          "17:30\x01"}) {
    const auto moment =
        ParseMoment(bad, now, absl::UTCTimeZone(), Lean::kFuture);
    ASSERT_FALSE(moment.ok()) << bad;
    EXPECT_NE(moment.status().message().find(" is no time; write 17:30, "),
              std::string::npos)
        << moment.status();
  }
  for (const char* bad : {"1969-12-31", "2200-01-01", "9999-12-31T23:59:59Z",
                          "0001-01-01T00:00:00Z"}) {
    const auto moment =
        ParseMoment(bad, now, absl::UTCTimeZone(), Lean::kFuture);
    EXPECT_NE(moment.status().message().find(" is not in the years 1970 to "),
              std::string::npos)
        << bad << moment.status();
  }
  EXPECT_FALSE(ParseRfc3339("2026-12-01").ok());
  EXPECT_TRUE(ParseRfc3339("2026-12-01T00:00:00Z").ok());
}

TEST(Moments, ClockChanges) {
  absl::TimeZone berlin;
  if (!absl::LoadTimeZone("Europe/Berlin", &berlin)) {
    GTEST_SKIP() << "no time zone data";
  }
  // 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.
  const absl::Time spring = Utc("2026-03-29T00:30:00Z");
  EXPECT_EQ(*ParseMoment("02:30", spring, berlin, Lean::kFuture),
            Utc("2026-03-29T01:00:00Z"));  // left out: at the change
  EXPECT_EQ(*ParseMoment("2026-03-29 02:30", spring, berlin, Lean::kPast),
            Utc("2026-03-29T01:00:00Z"));
  const absl::Time autumn = Utc("2026-10-25T00:00:00Z");
  EXPECT_EQ(*ParseMoment("02:30", autumn, berlin, Lean::kFuture),
            Utc("2026-10-25T00:30:00Z"));
  // Between the first 02:30 and the second.
  const absl::Time between = Utc("2026-10-25T00:45:00Z");
  EXPECT_EQ(*ParseMoment("02:30", between, berlin, Lean::kFuture),
            Utc("2026-10-25T01:30:00Z"));
  EXPECT_EQ(*ParseMoment("02:30", between, berlin, Lean::kPast),
            Utc("2026-10-25T00:30:00Z"));
  EXPECT_EQ(*ParseMoment("today 02:30", between, berlin, Lean::kFuture),
            Utc("2026-10-25T01:30:00Z"));
  EXPECT_EQ(*ParseMoment("today 02:30", Utc("2026-10-25T09:00:00Z"), berlin,
                         Lean::kPast),
            Utc("2026-10-25T01:30:00Z"));
}

TEST(Moments, NextAndLastAreNextToNowInEveryZone) {
  for (const char* name : {"Europe/Berlin", "America/New_York",
                           "Australia/Lord_Howe", "Pacific/Apia", "UTC"}) {
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(name, &zone)) GTEST_SKIP() << "no time zone data";
    std::mt19937 random(2);
    for (int i = 0; i < 2000; ++i) {
      const absl::Time now =
          absl::FromUnixSeconds(std::uniform_int_distribution<int64_t>(
              1'200'000'000, 1'900'000'000)(random));
      const std::string text = TimeOfDayToString(
          std::uniform_int_distribution(0, kMinutesPerDay - 1)(random));
      const auto next = ParseMoment(text, now, zone, Lean::kFuture);
      const auto last = ParseMoment(text, now, zone, Lean::kPast);
      ASSERT_TRUE(next.ok() && last.ok()) << text;
      EXPECT_GT(*next, now);
      EXPECT_LE(*last, now);
      // Apia had no 30 December 2011.
      EXPECT_LE(*next - now, Hours(49)) << text << " " << now;
      EXPECT_LE(now - *last, Hours(49)) << text << " " << now;
    }
  }
}

}  // namespace
}  // namespace sallyport
