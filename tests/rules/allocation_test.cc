// The hot path allocates nothing: every operator new of this program is
// counted, per thread (allocation_count.h).

#include <gtest/gtest.h>

#include "rules/rate_limiter.h"
#include "rules/rule_table.h"
#include "rules/schedule.h"
#include "tests/allocation_count.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

std::vector<Rule> ManyKinds() {
  std::vector<Rule> rules;
  for (int i = 0; i < 2000; ++i) {
    const std::string number = std::to_string(i);
    constexpr const char* kApps[] = {"/bin/x", "/bin/**", "/**/x*", "any"};
    Rule rule = MakeRule("r" + number, static_cast<RulePolicy>(i % 4),
                         i % 5 == 4 ? "/bin/x" + number : kApps[i % 5]);
    if (i % 3 == 0) {
      rule.to = To({"10.0." + std::to_string(i % 250) + ".0/24", "lan",
                    "192.0.2.1-192.0.2.77", "2001:db8::/32"});
    }
    if (i % 7 == 0) {
      rule.port = {{static_cast<uint16_t>(i), static_cast<uint16_t>(i)}};
    }
    if (i % 11 == 0) rule.sha256 = {std::string(64, 'a')};
    if (i % 13 == 0) rule.protocol = {kProtoTcp, kProtoUdp};
    rules.push_back(rule);
  }
  return rules;
}

TEST(Allocation, TheCounterCounts) {
  const uint64_t before = testing::AllocationsOfThisThread();
  auto something = std::make_unique<int>(1);
  EXPECT_GT(testing::AllocationsOfThisThread(), before);
}

TEST(Allocation, MatchJudgeEnterAndLeaveAllocateNothing) {
  auto policy = std::make_unique<PolicySnapshot>(Snapshot(Built(ManyKinds())));
  RuleTable table(std::move(policy));
  RuleTable::Reader reader(table);

  Ownership ownership;
  ownership.confidence = Confidence::kAmbiguous;
  for (const char* path : {"/bin/x", "/bin/x77", "/usr/lib/xyz"}) {
    auto process = std::make_shared<Process>();
    process->uid = 1000;
    process->app = std::make_shared<App>(MakeApp(path));
    ownership.owners.push_back(process);
  }
  std::vector<Flow> flows;
  for (const char* to : {"10.0.3.1", "192.0.2.50", "2001:db8::7", "127.0.0.1",
                         "255.255.255.255", "8.8.8.8"}) {
    for (uint8_t protocol : {kProtoTcp, kProtoUdp, kProtoIcmp}) {
      flows.push_back(MakeFlow(to, 443, protocol));
      flows.push_back(MakeFlow(to, 7, protocol));
    }
  }
  const Ownership nobody;

  size_t denied = 0;
  const uint64_t before = testing::AllocationsOfThisThread();
  for (const Flow& flow : flows) {
    const PolicySnapshot& snapshot = reader.Enter();
    denied +=
        Judge(snapshot, flow, ownership).decision.verdict != Verdict::kAllow;
    denied += Judge(snapshot, flow, nobody).decision.verdict != Verdict::kAllow;
    reader.Leave();
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  EXPECT_GT(denied, 0u);
}

TEST(Allocation, RatesAndSchedulesAllocateNothing) {
  RateLimiter limiter({10, RateUnit::kSecond, 10}, 16);
  const auto schedule = Schedule::Parse("mon-fri 09:00-17:00, sat");
  const absl::TimeZone zone = absl::LocalTimeZone();
  absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  schedule->NextChange(time, zone);  // the zone is loaded now
  size_t taken = 0;
  const uint64_t before = testing::AllocationsOfThisThread();
  for (uint64_t i = 0; i < 1000; ++i) {
    taken += limiter.Take(i % 40, static_cast<int64_t>(i) * 1'000'000);
    taken += schedule->ActiveAt(time, zone);
    time = schedule->NextChange(time, zone);
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  EXPECT_GT(taken, 0u);
}

}  // namespace
}  // namespace sallyport
