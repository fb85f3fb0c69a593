#include "tools/doctor_checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace sallyport::cli {
namespace {

DoctorFacts Healthy() {
  DoctorFacts facts;
  facts.root = true;
  facts.unit = {.systemd = true,
                .known = true,
                .running = true,
                .enabled = true,
                .main_pid = 42,
                .state = "active"};
  facts.listener_pid = 42;
  facts.cli_version = "1.0";
  facts.version = Json{{"version", "1.0"}};
  facts.status = Json::parse(R"({
    "enforcing": true, "mode": "enforce", "pid": 42,
    "divert": {"installed": true, "expression": "xt", "settle": "chain",
               "repairs": 0},
    "queues": [{"number": 4180}], "canary": {"seen": true, "age_ms": 900},
    "rules": {"count": 3, "enabled": 2, "last_error": null},
    "history": {"ok": true},
    "attribution": {"mode": "proc", "process_events": true}})");
  facts.stats = Json{{"dropped_events", 0}};
  facts.queues = std::vector<KernelQueue>{{.number = 4180}};
  facts.chains =
      std::vector<OutputChain>{{"inet sallyport", "judge", -110, "accept"}};
  facts.conntrack_count = 10;
  facts.conntrack_max = 1000;
  return facts;
}

Level Worst(const std::vector<Finding>& findings) {
  Level worst = Level::kOk;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.level);
  }
  return worst;
}

TEST(Diagnose, AHealthyDaemonHasNothingToComplainOf) {
  const std::vector<Finding> findings = Diagnose(Healthy());
  EXPECT_EQ(Worst(findings), Level::kOk);
  for (const Finding& finding : findings) EXPECT_EQ(finding.remedy, "");
}

TEST(Diagnose, EachFaultIsNamedWithARemedy) {
  const struct {
    const char* check;
    Level level;
    std::function<void(DoctorFacts&)> break_it;
  } kCases[] = {
      {"privileges", Level::kWarn, [](auto& f) { f.root = false; }},
      {"unit", Level::kWarn, [](auto& f) { f.unit.known = false; }},
      {"unit", Level::kWarn, [](auto& f) { f.unit.running = false; }},
      {"unit", Level::kWarn, [](auto& f) { f.unit.enabled = false; }},
      {"daemon", Level::kFail, [](auto& f) { f.unreachable = "timed out"; }},
      {"version", Level::kWarn, [](auto& f) { f.version["version"] = "2"; }},
      {"mode", Level::kWarn,
       [](auto& f) {
         f.status["mode"] = "monitor";
         f.status["enforcing"] = false;
       }},
      {"mode", Level::kWarn,
       [](auto& f) {
         f.status["mode"] = "learn";
         f.status["enforcing"] = false;
       }},
      {"mode", Level::kFail, [](auto& f) { f.status["enforcing"] = false; }},
      {"kernel rules", Level::kFail,
       [](auto& f) { f.status["divert"]["installed"] = false; }},
      {"kernel rules", Level::kWarn,
       [](auto& f) { f.status["divert"]["repairs"] = 2; }},
      {"nft table", Level::kFail, [](auto& f) { f.chains->clear(); }},
      {"queues", Level::kFail, [](auto& f) { f.queues->clear(); }},
      {"queues", Level::kWarn, [](auto& f) { f.queues.reset(); }},
      {"queues", Level::kWarn, [](auto& f) { f.queues->at(0).dropped = 1; }},
      {"queues", Level::kWarn,
       [](auto& f) { f.queues->at(0).user_dropped = 1; }},
      {"canary", Level::kFail,
       [](auto& f) { f.status["canary"]["seen"] = false; }},
      {"canary", Level::kFail,
       [](auto& f) { f.status["canary"]["age_ms"] = 60'000; }},
      {"rules", Level::kFail,
       [](auto& f) { f.status["rules"]["last_error"] = "a.toml:1:1: no"; }},
      {"history", Level::kFail,
       [](auto& f) {
         f.status["history"] = {{"ok", false}};
       }},
      {"events", Level::kWarn, [](auto& f) { f.stats["dropped_events"] = 7; }},
      {"attribution", Level::kWarn,
       [](auto& f) { f.status["attribution"]["process_events"] = false; }},
      {"conntrack", Level::kFail, [](auto& f) { f.conntrack_count = 950; }},
  };
  for (const auto& c : kCases) {
    DoctorFacts facts = Healthy();
    c.break_it(facts);
    const std::vector<Finding> findings = Diagnose(facts);
    const auto at = std::find_if(
        findings.begin(), findings.end(), [&](const Finding& finding) {
          return finding.check == c.check && finding.level == c.level;
        });
    ASSERT_NE(at, findings.end()) << c.check;
    EXPECT_FALSE(at->remedy.empty()) << c.check;
    EXPECT_EQ(Worst(findings), c.level) << c.check;
  }
}

TEST(Diagnose, F40_AKilledDaemonThatLeftItsRulesIsToldApart) {
  DoctorFacts facts = Healthy();
  facts.unreachable = "no such file";
  facts.listener_pid = 0;
  const std::vector<Finding> findings = Diagnose(facts);
  const auto at =
      std::find_if(findings.begin(), findings.end(),
                   [](const Finding& f) { return f.check == "daemon"; });
  ASSERT_NE(at, findings.end());
  EXPECT_NE(at->message.find("its kernel rules are there"), std::string::npos);
  EXPECT_NE(at->remedy.find("sallyport off"), std::string::npos);
}

TEST(Diagnose, KnowsNothingAndStillSpeaks) {
  EXPECT_EQ(Worst(Diagnose(DoctorFacts{})), Level::kFail);
  DoctorFacts reachable;
  reachable.version = reachable.status = reachable.stats = Json::object();
  EXPECT_FALSE(Diagnose(reachable).empty());
}

TEST(ParseKernelQueues, ReadsTheKernelsColumns) {
  const std::vector<KernelQueue> queues = ParseKernelQueues(
      " 4180  12345     3 2   256     5     6      900  1\n"
      " 4181  12345     0 2   256     0     0       10  1\n"
      "garbage\n\n 1 2 3\n");
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].number, 4180u);
  EXPECT_EQ(queues[0].waiting, 3u);
  EXPECT_EQ(queues[0].dropped, 5u);
  EXPECT_EQ(queues[0].user_dropped, 6u);
}

TEST(ParseOutputChains, TakesBaseChainsAtOutputOnly) {
  const std::vector<OutputChain> chains = ParseOutputChains(R"({"nftables": [
    {"metainfo": {"version": "1.0.6"}},
    {"chain": {"family": "inet", "table": "sallyport", "name": "judge",
               "type": "filter", "hook": "output", "prio": -110,
               "policy": "accept"}},
    {"chain": {"family": "ip", "table": "filter", "name": "INPUT",
               "type": "filter", "hook": "input", "prio": 0}},
    {"chain": {"family": "ip", "table": "filter", "name": "extra"}}]})");
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].table, "inet sallyport");
  EXPECT_EQ(chains[0].priority, -110);
  EXPECT_TRUE(ParseOutputChains("no json").empty());
}

}  // namespace
}  // namespace sallyport::cli
