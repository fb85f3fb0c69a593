#include "rules/precedence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

// Every rule goes before those below it, whatever the order they come in.
constexpr const char* kInOrder = R"(
rule = [
 {name="z-priority",    policy="allow",  app="any", priority=1},
 {name="y-address",     policy="allow",  app="/opt/a/b", to="192.0.2.1"},
 {name="x-prefix",      policy="allow",  app="/opt/a/b", to="192.0.2.0/24"},
 {name="w-wider",       policy="allow",  app="/opt/a/b", to="192.0.0.0/16"},
 {name="v-range",       policy="allow",  app="/opt/a/b", to="192.0.2.1-192.0.2.1"},
 {name="u-two",         policy="deny",   app="/opt/a/b", to=["192.0.2.1", "lan"]},
 {name="t-keyword",     policy="allow",  app="/opt/a/b", to="internet"},
 {name="p-reject",      policy="reject", app="/opt/a/b"},
 {name="q-deny",        policy="deny",   app="/opt/a/b"},
 {name="o-local",       policy="local-only", app="/opt/a/b"},
 {name="m-allow",       policy="allow",  app="/opt/a/b"},
 {name="n-allow",       policy="allow",  app="/opt/a/b"},
 {name="l-long-glob",   policy="allow",  app="/opt/a/b*"},
 {name="k-short-glob",  policy="deny",   app="/opt/**"},
 {name="j-any-address", policy="deny",   app="any", to="192.0.2.1"},
 {name="i-any",         policy="deny",   app="any"},
 {name="h-low",         policy="deny",   app="/opt/a/b", priority=-1},
]
)";

TEST(Precedence, TheFirstDifferenceDecides) {
  RuleParse parse = ParseRules(kInOrder, "test");
  ASSERT_EQ(FormatRuleErrors("test", parse.errors), "");
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<Rule> shuffled = parse.rules;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const auto set = Built(shuffled);
    ASSERT_TRUE(std::equal(set->rules().begin(), set->rules().end(),
                           parse.rules.begin(), parse.rules.end()));
  }
}

// Takes the winner away again and again: the rest comes in the same order.
TEST(Precedence, MatchFollowsTheOrder) {
  std::vector<Rule> left = ParseRules(kInOrder, "test").rules;
  const App app = MakeApp("/opt/a/b");
  while (!left.empty()) {
    const auto set = Built(left);
    EXPECT_EQ(Winner(*set, {&app, 0}, MakeFlow("192.0.2.1")),
              left.front().name);
    left.erase(left.begin());
  }
}

TEST(Precedence, ExtremePrioritiesDoNotOverflow) {
  Rule low = MakeRule("low", RulePolicy::kDeny, "any");
  low.priority = INT32_MIN;
  Rule high = MakeRule("high", RulePolicy::kDeny, "any");
  high.priority = INT32_MAX;
  EXPECT_EQ(Built({low, high})->rules()[0].name, "high");
}

}  // namespace
}  // namespace sallyport
