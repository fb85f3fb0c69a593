// Whatever a client sends as a body: no crash, and an answer that is JSON and
// an HTTP status the design knows. The first byte says which call it is.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "src/api_router.h"
#include "src/confirmation.h"
#include "src/event_feed.h"
#include "src/learn_log.h"
#include "tests/src/fake_boot_timer.h"

namespace sallyport {
namespace {

// Nothing is written to the disk: what is saved is not what is fuzzed.
class NoWriter : public FileWriter {
 public:
  absl::Status Write(const std::string&, std::string_view) override {
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string&) override { return absl::OkStatus(); }
  absl::Status Apply(std::span<const FileChange>) override {
    return absl::OkStatus();
  }
};

struct World {
  World()
      : rules(Options(), [](std::shared_ptr<const RuleSet>) {}),
        confirmation(ConfirmationOf()) {
    if (!rules.Load().ok()) std::abort();
    context.rules = &rules;
    context.learn = &learn;
    Learn("/usr/bin/curl", 443);
    Learn("/usr/bin/ssh", 22);
    context.status = [] { return StatusReport(); };
    context.policy = [this] { return PolicySnapshot{rules.Current(), {}, 1}; };
    context.confirmation = &confirmation;
    context.metrics = [] { return std::string(); };
    context.stats = [] { return StatsSnapshot(); };
  }
  ~World() { std::filesystem::remove_all(directory); }

  RuleStoreOptions Options() {
    char name[] = "/tmp/sallyport-fuzz-XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    directory = name;
    RuleStoreOptions options;
    options.state_dir = directory;
    options.writer = &writer;
    return options;
  }

  ConfirmationOptions ConfirmationOf() {
    ConfirmationOptions options;
    options.state_dir = directory;
    options.rules = &rules;
    options.timer = &timer;
    options.writer = &writer;
    options.mode = [this] { return mode; };
    options.set_mode = [this](Mode now) { mode = now; };
    options.on_event = [](const auto&, auto, const auto&) {};
    options.on_error = [](const std::string&) { std::abort(); };
    return options;
  }

  void Learn(const char* path, uint16_t port) {
    auto app = std::make_shared<App>();
    app->path = path;
    app->path_is_exe = true;
    auto process = std::make_shared<Process>();
    process->app = app;
    DecisionRecord record;
    record.decision.mode = Mode::kLearn;
    record.decision.verdict = Verdict::kAllow;
    record.decision.reason = Reason::kDefault;
    record.flow.dst = IpAddress::V4(0xc0000201);
    record.flow.protocol = kProtoTcp;
    record.flow.dst_port = port;
    record.ownership.owners.push_back(process);
    learn.Record(record);
  }

  std::string directory;
  NoWriter writer;
  RuleStore rules;
  FakeBootTimer timer;
  Mode mode = Mode::kMonitor;
  Confirmation confirmation;
  LearnLog learn{directory + "/learned.db"};
  ApiContext context;
};

struct Call {
  const char* method;
  const char* path;
};
constexpr Call kCalls[] = {
    {"POST", "/v1/rules"},        {"PUT", "/v1/rules/r"},
    {"PATCH", "/v1/rules/r"},     {"POST", "/v1/rules/check"},
    {"POST", "/v1/explain"},      {"PUT", "/v1/mode"},
    {"POST", "/v1/rules/import"}, {"POST", "/v1/confirm"},
    {"POST", "/v1/learn/apply"},
};

}  // namespace
}  // namespace sallyport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  static World world;
  if (size == 0) return 0;
  // Nothing waits; a rule to change, and not more than a few others.
  world.confirmation.TakeBack().IgnoreError();
  if (world.rules.List().size() > 8) {
    for (const StoredRule& stored : world.rules.List()) {
      world.rules.Remove(stored.rule.name).IgnoreError();
    }
  }
  Rule rule;
  rule.name = "r";
  rule.app = "any";
  world.rules.Add(rule).IgnoreError();

  const Call& call = kCalls[data[0] % std::size(kCalls)];
  ApiRequest request;
  request.method = call.method;
  request.path = call.path;
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  request.peer.tier = Tier::kControl;
  const ApiResponse response = RouteRequest(world.context, std::move(request));
  const nlohmann::json answer =
      nlohmann::json::parse(response.body, nullptr, false);
  if (!answer.is_object()) std::abort();
  if (response.status >= 400) {
    if (response.status >= 500) std::abort();  // nothing of ours failed
    if (!answer["error"]["message"].is_string()) std::abort();
  }
  // What is in force can always be shown, and put back.
  for (const StoredRule& stored : world.rules.List()) {
    if (!ValidateRule(stored.rule).ok()) std::abort();
  }
  return 0;
}
