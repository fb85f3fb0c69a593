#include "src/status_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sallyport {
namespace {

StatusReport Working(Mode mode) {
  StatusReport report;
  report.settings.mode = mode;
  report.divert = {true, QueueExpression::kNative, 2};
  report.canary_seen = true;
  report.rules_enabled = 1;
  return report;
}

TEST(StatusReport, EnforcingOnlyIfAllOfItWorks) {
  EXPECT_TRUE(IsEnforcing(Working(Mode::kEnforce)));
  EXPECT_TRUE(IsEnforcing(Working(Mode::kLockdown)));
  EXPECT_FALSE(IsEnforcing(Working(Mode::kMonitor)));
  StatusReport report = Working(Mode::kEnforce);
  report.canary_seen = false;
  EXPECT_FALSE(IsEnforcing(report));
  report = Working(Mode::kEnforce);
  report.divert.installed = false;
  EXPECT_FALSE(IsEnforcing(report));
  report = Working(Mode::kEnforce);
  report.divert.expression = QueueExpression::kNone;
  EXPECT_FALSE(IsEnforcing(report));
}

TEST(StatusReport, SummarySaysItInWords) {
  StatusReport report = Working(Mode::kEnforce);
  report.settings.default_verdict = Verdict::kDeny;
  EXPECT_EQ(StatusSummary(report),
            "Enforcing: new connections are judged by 1 rule, and denied if "
            "none matches.");
  EXPECT_EQ(StatusSummary(Working(Mode::kMonitor)).substr(0, 13),
            "Watching only");
  EXPECT_EQ(StatusSummary(Working(Mode::kLearn)),
            "Learning (mode learn): new connections are judged by 1 rule; what "
            "no rule decides is allowed and recorded, see `sallyport learn`.");
  EXPECT_FALSE(IsEnforcing(Working(Mode::kLearn)));
  report.canary_seen = false;
  EXPECT_NE(StatusSummary(report).find("are stopped"), std::string::npos);
  report.on_failure = FailPosture::kOpen;
  EXPECT_NE(StatusSummary(report).find("pass unjudged"), std::string::npos);
  EXPECT_NE(StatusSummary(StatusReport()).find("Not enforcing"),
            std::string::npos);
}

TEST(StatusReport, JsonHasTheShapeOfTheDesign) {
  StatusReport report = Working(Mode::kEnforce);
  report.queues = {{4180, 1, 2, 3, 4}};
  report.canary_age = absl::Milliseconds(1500);
  report.uptime = absl::Seconds(90);
  const auto json = nlohmann::json::parse(StatusToJson(report, true));
  EXPECT_EQ(json["queues"][0]["user_dropped"], 3);
  EXPECT_EQ(json["divert"]["expression"], "native");
  EXPECT_EQ(json["divert"]["settle"], "second-chain");
  EXPECT_EQ(json["divert"]["repairs"], 2);
  EXPECT_EQ(json["canary"]["age_ms"], 1500);
  EXPECT_EQ(json["uptime_s"], 90);
  EXPECT_TRUE(json["rules"]["last_error"].is_null());
}

TEST(StatusReport, A38_ErrorsAreEscapedAndNotForEverybody) {
  StatusReport report = Working(Mode::kEnforce);
  report.rules_error = "/etc/\x1b[31m\xff.toml: wrong";
  report.history_error = "disk \xe2\x80\xae full";
  const std::string all = StatusToJson(report, true);
  for (const char* bad : {"\x1b", "\xff", "\xe2\x80\xae"}) {
    EXPECT_EQ(all.find(bad), std::string::npos);
  }
  EXPECT_NE(all.find("wrong"), std::string::npos);
  const std::string some = StatusToJson(report, false);
  EXPECT_EQ(some.find("wrong"), std::string::npos);
  EXPECT_EQ(some.find("disk"), std::string::npos);
}

}  // namespace
}  // namespace sallyport
