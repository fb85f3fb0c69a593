#include "src/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using testing::MakeRecord;

// `name{labels}` -> value, as text.
std::map<std::string, std::string> Samples(const std::string& text) {
  std::map<std::string, std::string> samples;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("#")) continue;
    const size_t space = line.rfind(' ');
    samples[line.substr(0, space)] = line.substr(space + 1);
  }
  return samples;
}

TEST(Metrics, WhatIsCountedIsShown) {
  Stats stats;
  stats.Count(MakeRecord(Verdict::kAllow));
  stats.Count(MakeRecord(Verdict::kDeny));
  stats.Count(MakeRecord(Verdict::kDeny));
  MetricsInput input;
  input.version = "1.2.3";
  input.commit = "abc";
  input.mode = Mode::kEnforce;
  input.divert_installed = true;
  input.divert_repairs = 4;
  input.queues = {{4180, 1, 2, 3, 4}, {4181, 5, 6, 7, 8}};
  input.rules = 10;
  input.rules_enabled = 7;
  input.events_lost = 11;
  input.history_errors = 12;
  auto samples = Samples(MetricsText(stats.Snapshot(), input));
  const std::pair<const char*, const char*> expected[] = {
      {"sallyport_build_info{version=\"1.2.3\",commit=\"abc\"}", "1"},
      {"sallyport_flows_total{action=\"allow\",reason=\"rule\"}", "1"},
      {"sallyport_flows_total{action=\"deny\",reason=\"rule\"}", "2"},
      {"sallyport_flows_total{action=\"reject\",reason=\"failure\"}", "0"},
      {"sallyport_mode{mode=\"enforce\"}", "1"},
      {"sallyport_mode{mode=\"monitor\"}", "0"},
      {"sallyport_mode{mode=\"learn\"}", "0"},
      {"sallyport_queue_waiting{queue=\"4180\"}", "1"},
      {"sallyport_queue_dropped_total{queue=\"4180\"}", "2"},
      {"sallyport_queue_user_dropped_total{queue=\"4181\"}", "7"},
      {"sallyport_queue_received_total{queue=\"4181\"}", "8"},
      {"sallyport_rules{state=\"enabled\"}", "7"},
      {"sallyport_rules{state=\"disabled\"}", "3"},
      {"sallyport_divert_installed", "1"},
      {"sallyport_divert_repairs_total", "4"},
      {"sallyport_events_lost_total", "11"},
      {"sallyport_history_errors_total", "12"},
      {"sallyport_verdict_latency_seconds_count", "3"},
      {"sallyport_verdict_latency_seconds_bucket{le=\"+Inf\"}", "3"},
      {"sallyport_verdict_latency_seconds_bucket{le=\"0.0001\"}", "3"},
      {"sallyport_verdict_latency_seconds_bucket{le=\"5e-05\"}", "0"},
  };
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(samples[name], value) << name;
  }
}

TEST(Metrics, EveryFamilyIsTypedAndOurs) {
  std::istringstream lines(MetricsText(Stats().Snapshot(), {}));
  std::string line;
  int families = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with("# TYPE ")) ++families;
    if (!line.starts_with("#")) {
      EXPECT_TRUE(line.starts_with("sallyport_")) << line;
    }
  }
  EXPECT_GE(families, 15);
}

}  // namespace
}  // namespace sallyport
