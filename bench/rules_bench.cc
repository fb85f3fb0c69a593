// rules/: match, judge, publish, parse. Names say what is measured:
//   Match/rules:R/apps:A/spread:S  R rules spread evenly over A apps, each with
//     its own address; spread 0 asks for one flow again and again, 1 for all in
//     a shuffled order (the caches are then as cold as R rules make them).
//   MatchByPort: R rules of one app, everywhere, each with its own port.
//   Baseline: the loop around them, without Match.
//   RateLimiter, Schedule: what a rule with `rate` or `during` adds.

#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "rules/judge.h"
#include "rules/rate_limiter.h"
#include "rules/rule_fields.h"
#include "rules/rule_table.h"
#include "rules/rule_text.h"
#include "rules/schedule.h"

namespace sallyport {
namespace {

std::string AppPath(uint32_t app) {
  return "/usr/lib/vendor/application-" + std::to_string(app) + "/bin/main";
}

IpAddress RuleAddress(uint32_t rule) {
  return IpAddress::V4(0x01000000 + rule * 7);
}

Rule MakeRule(uint32_t number, uint32_t apps) {
  Rule rule;
  rule.name = "rule-number-" + std::to_string(number);
  rule.policy = number % 2 == 0 ? RulePolicy::kAllow : RulePolicy::kDeny;
  rule.app = AppPath(number % apps);
  rule.to = {IpPrefix{RuleAddress(number), 128}};
  rule.port = {{443, 443}};
  rule.protocol = {kProtoTcp};
  rule.origin = "/etc/sallyport/rules.d/bench.toml";
  return rule;
}

std::vector<Rule> MakeRules(uint32_t count, uint32_t apps) {
  std::vector<Rule> rules;
  for (uint32_t i = 0; i < count; ++i) rules.push_back(MakeRule(i, apps));
  return rules;
}

std::shared_ptr<const RuleSet> BuildOrDie(std::vector<Rule> rules) {
  auto set = RuleSet::Build(std::move(rules));
  if (!set.ok()) std::abort();
  return *set;
}

Flow FlowTo(const IpAddress& address, uint16_t port) {
  Flow flow;
  flow.src = IpAddress::V4(0x0a000001);
  flow.dst = address;
  flow.protocol = kProtoTcp;
  flow.src_port = 40000;
  flow.dst_port = port;
  return flow;
}

struct Question {
  const App* app;
  Flow flow;
};

// Apps and flows that each find their rule.
class Questions {
 public:
  Questions(uint32_t rules, uint32_t apps, bool spread) {
    for (uint32_t i = 0; i < apps; ++i) {
      auto app = std::make_unique<App>();
      app->path = AppPath(i);
      app->path_hash = HashAppPath(app->path);
      app->path_is_exe = true;
      apps_.push_back(std::move(app));
    }
    std::mt19937 random(1);
    for (uint32_t i = 0; i < (spread ? 1u << 16 : 1u); ++i) {
      const uint32_t rule = random() % rules;
      questions_.push_back(
          {apps_[rule % apps].get(), FlowTo(RuleAddress(rule), 443)});
    }
  }
  const Question& Next() {
    if (++at_ >= questions_.size()) at_ = 0;
    return questions_[at_];
  }

 private:
  std::vector<std::unique_ptr<App>> apps_;
  std::vector<Question> questions_;
  size_t at_ = 0;
};

void BM_Baseline(benchmark::State& state) {
  Questions questions(100'000, 10'000, state.range(0) != 0);
  for (auto _ : state) {
    const Question& q = questions.Next();
    benchmark::DoNotOptimize(q.flow.dst.bytes[15] + q.app->path_hash);
  }
}
BENCHMARK(BM_Baseline)->ArgName("spread")->Arg(0)->Arg(1);

void BM_Match(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto apps = static_cast<uint32_t>(state.range(1));
  const auto rules = BuildOrDie(MakeRules(count, apps));
  Questions questions(count, apps, state.range(2) != 0);
  for (auto _ : state) {
    const Question& q = questions.Next();
    const MatchResult match = rules->Match({q.app, 1000}, q.flow);
    if (match.rule == kNoRule) state.SkipWithError("no match");
    benchmark::DoNotOptimize(match);
  }
}
BENCHMARK(BM_Match)
    ->ArgNames({"rules", "apps", "spread"})
    ->ArgsProduct({{10, 1'000, 100'000}, {1}, {0, 1}})
    ->ArgsProduct({{1'000, 100'000}, {100}, {0, 1}})
    ->ArgsProduct({{100'000}, {10'000}, {0, 1}});

// Nothing matches: every place that could hold a rule is looked at.
void BM_MatchNothing(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto rules = BuildOrDie(MakeRules(count, 1));
  App app;
  app.path = AppPath(0);
  app.path_hash = HashAppPath(app.path);
  const Flow flow = FlowTo(IpAddress::V4(0xc6336401), 443);
  for (auto _ : state) {
    benchmark::DoNotOptimize(rules->Match({&app, 1000}, flow));
  }
}
BENCHMARK(BM_MatchNothing)->ArgName("rules")->Arg(10)->Arg(100'000);

void BM_MatchByPort(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  std::vector<Rule> list;
  for (uint32_t i = 0; i < count; ++i) {
    Rule rule = MakeRule(i, 1);
    rule.to.clear();
    rule.port = {{static_cast<uint16_t>(i), static_cast<uint16_t>(i)}};
    rule.protocol = {i < 65536 ? kProtoTcp : kProtoUdp};
    list.push_back(rule);
  }
  const auto rules = BuildOrDie(std::move(list));
  App app;
  app.path = AppPath(0);
  app.path_hash = HashAppPath(app.path);
  app.path_is_exe = true;
  std::mt19937 random(1);
  std::vector<uint16_t> ports;
  for (int i = 0; i < 4096; ++i) {
    ports.push_back(
        static_cast<uint16_t>(random() % std::min<uint32_t>(count, 65536)));
  }
  Flow flow = FlowTo(IpAddress::V4(0xc6336401), 0);
  size_t at = 0;
  for (auto _ : state) {
    flow.dst_port = ports[++at % ports.size()];
    benchmark::DoNotOptimize(rules->Match({&app, 1000}, flow));
  }
}
BENCHMARK(BM_MatchByPort)->ArgName("rules")->Arg(10)->Arg(1'000)->Arg(100'000);

// A blocklist: prefixes of every length for everybody, and an app with a rule.
void BM_MatchBlocklist(benchmark::State& state) {
  std::mt19937 random(1);
  Rule block = MakeRule(1, 1);
  block.app = "any";
  block.port.clear();
  block.protocol.clear();
  block.to.clear();
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto length = static_cast<uint8_t>(104 + random() % 25);
    block.to.push_back(IpPrefix{
        MaskAddress(IpAddress::V4(static_cast<uint32_t>(random())), length),
        length});
  }
  const auto rules = BuildOrDie({block, MakeRule(2, 3)});
  App app;
  app.path = AppPath(2);
  app.path_hash = HashAppPath(app.path);
  app.path_is_exe = true;
  std::vector<Flow> flows;
  for (int i = 0; i < 4096; ++i) {
    flows.push_back(
        FlowTo(IpAddress::V4(static_cast<uint32_t>(random())), 443));
  }
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        rules->Match({&app, 1000}, flows[++at % flows.size()]));
  }
}
BENCHMARK(BM_MatchBlocklist)->ArgName("prefixes")->Arg(1'000)->Arg(100'000);

void BM_MatchGlobs(benchmark::State& state) {
  std::vector<Rule> list;
  for (uint32_t i = 0; i < state.range(0); ++i) {
    Rule rule = MakeRule(i, 1);
    rule.app = "/opt/vendor-" + std::to_string(i) + "/**/main*";
    list.push_back(rule);
  }
  const auto rules = BuildOrDie(std::move(list));
  App app;
  app.path = "/opt/vendor-7/lib/bin/main-2.0";
  app.path_hash = HashAppPath(app.path);
  app.path_is_exe = true;
  const Flow flow = FlowTo(RuleAddress(7), 443);
  for (auto _ : state) {
    const MatchResult match = rules->Match({&app, 1000}, flow);
    if (match.rule == kNoRule) state.SkipWithError("no match");
  }
}
BENCHMARK(BM_MatchGlobs)->ArgName("globs")->Arg(10)->Arg(10'000);

std::unique_ptr<const PolicySnapshot> MakeSnapshot(
    std::shared_ptr<const RuleSet> rules) {
  auto policy = std::make_unique<PolicySnapshot>();
  policy->rules = std::move(rules);
  policy->settings.mode = Mode::kEnforce;
  return policy;
}

void BM_Judge(benchmark::State& state) {
  const auto policy = MakeSnapshot(BuildOrDie(MakeRules(100'000, 10'000)));
  Ownership ownership;
  ownership.confidence = Confidence::kExact;
  for (int64_t i = 0; i < state.range(0); ++i) {
    auto process = std::make_shared<Process>();
    auto app = std::make_shared<App>();
    app->path = AppPath(static_cast<uint32_t>(i) * 2);
    app->path_hash = HashAppPath(app->path);
    app->path_is_exe = true;
    process->app = app;
    ownership.owners.push_back(process);
  }
  const Flow flow = FlowTo(RuleAddress(0), 443);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Judge(*policy, flow, ownership));
  }
}
BENCHMARK(BM_Judge)->ArgName("owners")->Arg(0)->Arg(1)->Arg(4);

void BM_EnterLeave(benchmark::State& state) {
  static RuleTable table(MakeSnapshot(BuildOrDie(MakeRules(10, 10))));
  RuleTable::Reader reader(table);
  for (auto _ : state) {
    benchmark::DoNotOptimize(&reader.Enter());
    reader.Leave();
  }
}
BENCHMARK(BM_EnterLeave)->Threads(1)->Threads(2)->Threads(4);

// Publish and Synchronize while readers judge in batches of 32.
void BM_PublishWhileRead(benchmark::State& state) {
  const auto rules = BuildOrDie(MakeRules(1'000, 100));
  RuleTable table(MakeSnapshot(rules));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int64_t i = 0; i < state.range(0); ++i) {
    readers.emplace_back([&table, &stop] {
      Questions questions(1'000, 100, true);
      RuleTable::Reader reader(table);
      while (!stop.load(std::memory_order_relaxed)) {
        const PolicySnapshot& policy = reader.Enter();
        for (int n = 0; n < 32; ++n) {
          const Question& q = questions.Next();
          benchmark::DoNotOptimize(JudgeSubject(policy, q.flow, {q.app, 1000}));
        }
        reader.Leave();
      }
    });
  }
  for (auto _ : state) {
    table.Publish(MakeSnapshot(rules));
    table.Synchronize();
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
}
BENCHMARK(BM_PublishWhileRead)
    ->ArgName("readers")
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->Arg(4)
    ->UseRealTime();

void BM_Build(benchmark::State& state) {
  const std::vector<Rule> rules =
      MakeRules(static_cast<uint32_t>(state.range(0)), 1'000);
  for (auto _ : state) benchmark::DoNotOptimize(BuildOrDie(rules));
}
BENCHMARK(BM_Build)->ArgName("rules")->Arg(1'000)->Arg(100'000)->Unit(
    benchmark::kMillisecond);

void BM_Parse(benchmark::State& state) {
  const std::string text =
      PrintRules(MakeRules(static_cast<uint32_t>(state.range(0)), 1'000));
  for (auto _ : state) {
    const RuleParse parse = ParseRules(text, "bench.toml");
    if (!parse.errors.empty()) state.SkipWithError("errors");
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_Parse)->ArgName("rules")->Arg(10)->Arg(1'000)->Arg(100'000)->Unit(
    benchmark::kMillisecond);

// Each thread an app of its own (apps:1), or all the same (apps:0).
void BM_RateLimiterTake(benchmark::State& state) {
  static RateLimiter limiter({1'000'000, RateUnit::kSecond, 1'000'000});
  const uint64_t app =
      state.range(0) == 0 ? 1 : static_cast<uint64_t>(state.thread_index()) + 2;
  int64_t now_ns = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(limiter.Take(app, now_ns));
    now_ns += 1000;
  }
}
BENCHMARK(BM_RateLimiterTake)
    ->ArgName("apps")
    ->Arg(0)
    ->Arg(1)
    ->Threads(1)
    ->Threads(2);

void BM_ScheduleActiveAt(benchmark::State& state) {
  const auto schedule =
      Schedule::Parse("mon-fri 09:00-12:00,13:00-17:00, sat 10:00-14:00");
  absl::TimeZone zone;
  if (!absl::LoadTimeZone("Europe/Berlin", &zone)) {
    state.SkipWithError("no time zone data");
  }
  absl::Time time = absl::FromUnixSeconds(1'800'000'000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(schedule->ActiveAt(time, zone));
    time += absl::Minutes(1);
  }
}
BENCHMARK(BM_ScheduleActiveAt);

void BM_ScheduleNextChange(benchmark::State& state) {
  const auto schedule = Schedule::Parse("sun 23:59-24:00");
  absl::TimeZone zone;
  if (!absl::LoadTimeZone("Europe/Berlin", &zone)) {
    state.SkipWithError("no time zone data");
  }
  absl::Time time = absl::FromUnixSeconds(1'800'000'000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(time = schedule->NextChange(time, zone));
  }
}
BENCHMARK(BM_ScheduleNextChange)->Iterations(10'000);

}  // namespace
}  // namespace sallyport
