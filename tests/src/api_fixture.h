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
#include "src/confirmation.h"
#include "src/event_feed.h"
#include "src/history.h"
#include "tests/src/fake_boot_timer.h"
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
      now.waiting = confirmation->Waiting();
      return now;
    };
    context.policy = [this] {
      return PolicySnapshot{rules->Current(), settings, 1};
    };
    ConfirmationOptions change_options;
    change_options.state_dir = dir / "state";
    change_options.rules = &*rules;
    change_options.timer = &timer;
    change_options.mode = [this] { return settings.mode; };
    change_options.set_mode = [this](Mode mode) { settings.mode = mode; };
    change_options.on_event = [this](const PendingChange& change,
                                     ChangeState state, const std::string&) {
      changes.push_back(change.what + ": " + ChangeStateName(state));
    };
    change_options.on_error = [](const std::string& text) {
      ADD_FAILURE() << text;
    };
    confirmation.emplace(std::move(change_options));
    context.confirmation = &*confirmation;
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
  FakeBootTimer timer;
  std::optional<Confirmation> confirmation;
  std::vector<std::string> changes;  // "WHAT: STATE"
  int published = 0;
  std::mutex log_mutex;
  std::vector<std::string> log;  // of the audit
  ApiContext context;
};

// Calls without a server.
class ApiTest : public ::testing::Test, protected ApiFixture {
 protected:
  ApiResponse Call(const std::string& method, const std::string& path,
                   const std::string& body = "",
                   std::map<std::string, std::string> query = {}) {
    ApiRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.query = std::move(query);
    request.if_match = if_match_;
    request.peer = peer_;
    return RouteRequest(context, std::move(request));
  }
  // The answer, or its error object.
  nlohmann::json Ask(const std::string& method, const std::string& path,
                     const std::string& body = "",
                     std::map<std::string, std::string> query = {},
                     int expected = 200) {
    const ApiResponse response = Call(method, path, body, std::move(query));
    EXPECT_EQ(response.status, expected)
        << method << " " << path << " " << body.substr(0, 100) << " "
        << response.body;
    const nlohmann::json parsed =
        nlohmann::json::parse(response.body, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << response.body;
    return response.status < 400 ? parsed : parsed["error"];
  }

  std::string if_match_;  // the header of what is sent
  Peer peer_{
      .pid = 1, .uid = 0, .gid = 0, .groups = {}, .tier = Tier::kControl};
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_API_FIXTURE_H_
