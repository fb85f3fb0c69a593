#ifndef SALLYPORT_TESTS_SRC_API_FIXTURE_H_
#define SALLYPORT_TESTS_SRC_API_FIXTURE_H_

// Everything the control API works on: real rule store, feed and history in a
// directory of the test, and a daemon's answers that the test sets.

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/api_router.h"
#include "src/event_feed.h"
#include "src/history.h"
#include "tests/src/temp_dir.h"

namespace sallyport {

struct ApiFixture {
  ApiFixture() : feed(EventContext{}) {
    RuleStoreOptions options;
    options.rules_dirs = {dir.MakeDir("etc")};
    options.state_dir = dir / "state";
    rules.emplace(options,
                  [this](std::shared_ptr<const RuleSet>) { ++published; });
    EXPECT_TRUE(rules->Load().ok());
    auto opened = History::Open(dir / "history.db", {});
    EXPECT_TRUE(opened.ok());
    history = *std::move(opened);
    report.divert = {true, QueueExpression::kXt, 0};
    report.canary_seen = true;
    report.rules_error = "/etc/sallyport/secret.toml:1:1: wrong";

    context.rules = &*rules;
    context.history = history.get();
    context.events = &feed;
    context.status = [this] {
      StatusReport now = report;
      now.settings = settings;
      return now;
    };
    context.policy = [this] {
      return PolicySnapshot{rules->Current(), settings, 1};
    };
    context.set_mode = [this](Mode mode) {
      if (set_mode_result.ok()) settings.mode = mode;
      return set_mode_result;
    };
    context.metrics = [] { return std::string("sallyport_up 1\n"); };
    context.stats = [this] { return stats.Snapshot(); };
    context.now = [] { return absl::FromUnixSeconds(1'700'000'000); };
    context.audit = [this](const std::string& line) {
      std::lock_guard lock(log_mutex);  // the server has several threads
      log.push_back(line);
    };
  }

  TempDir dir;
  std::optional<RuleStore> rules;
  std::unique_ptr<History> history;
  EventFeed feed;
  Stats stats;
  JudgeSettings settings;
  StatusReport report;
  absl::Status set_mode_result;
  int published = 0;
  std::mutex log_mutex;
  std::vector<std::string> log;  // of the audit
  ApiContext context;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_API_FIXTURE_H_
