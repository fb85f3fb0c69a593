#include "engine/divert_ruleset.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

const RulesetChain& Chain(const Ruleset& ruleset, const std::string& name) {
  for (const RulesetChain& chain : ruleset.chains) {
    if (chain.name == name) return chain;
  }
  ADD_FAILURE() << "no chain " << name;
  return ruleset.chains.front();
}

using Rules = std::vector<std::string>;

// The text as a whole, once: what a reader of `nft list` may expect.
TEST(DivertRuleset, ClosedNativeTextIsTheGoldenOne) {
  DivertOptions options;
  options.queue_count = 2;
  EXPECT_EQ(RulesetText(BuildRuleset(options, QueueExpression::kNative),
                        ReplaceBy::kDelete),
            R"(add table inet sallyport
delete table inet sallyport
table inet sallyport {
  chain essential {
    icmpv6 type { 133, 134, 135, 136, 137 } ip6 hoplimit 255 counter accept
    icmpv6 type { 130, 131, 132, 143 } ip6 hoplimit 1 counter accept
    udp sport 68 udp dport 67 counter accept
    udp sport 546 udp dport 547 counter accept
    meta skuid != 4294967295 return
    tcp flags & rst == rst counter accept
    icmp type { 3, 5, 11, 12 } counter accept
    icmpv6 type 1-4 counter accept
    meta l4proto 2 counter accept
  }
  chain canary {
    udp dport 40000 queue num 4180
    udp dport 40001 queue num 4181
    drop
  }
  chain ask {
    counter queue num 4180-4181 fanout
    counter drop
  }
  chain judge {
    type filter hook output priority -110; policy accept;
    meta mark & 0x00f00000 == 0x00400000 goto canary
    ct mark & 0x00f00000 == 0x00100000 accept
    ct direction reply accept
    jump essential
    goto ask
  }
  chain settle {
    type filter hook output priority -109; policy accept;
    ct mark & 0x00f00000 == 0x00100000 accept
    ct direction reply accept
    meta mark & 0x00f00000 == 0x00200000 meta l4proto tcp counter meta mark set meta mark & 0xff0fffff reject with tcp reset
    meta mark & 0x00f00000 == 0x00200000 counter meta mark set meta mark & 0xff0fffff reject with icmpx admin-prohibited
    meta mark & 0x00f00000 == 0x00400000 drop
    jump essential
    ct mark set ct mark & 0xff0fffff | 0x00100000
  }
}
)");
}

TEST(DivertRuleset, XtLeavesOnlyDropsForTheQueueRulesToStandBefore) {
  DivertOptions options;
  options.queue_count = 3;
  const Ruleset ruleset = BuildRuleset(options, QueueExpression::kXt);
  EXPECT_EQ(Chain(ruleset, "ask").rules, Rules{"counter drop"});
  EXPECT_EQ(Chain(ruleset, "canary").rules, Rules{"drop"});
  EXPECT_EQ(XtRulesIn(options, "ask"), 1u);
  EXPECT_EQ(XtRulesIn(options, "canary"), 3u);
  EXPECT_EQ(XtRulesIn(options, "judge"), 0u);
}

TEST(DivertRuleset, BothWaysToQueueGiveTheSameNumberOfRules) {
  DivertOptions options;
  options.queue_count = 5;
  const Ruleset native = BuildRuleset(options, QueueExpression::kNative);
  const Ruleset xt = BuildRuleset(options, QueueExpression::kXt);
  ASSERT_EQ(native.chains.size(), xt.chains.size());
  for (size_t i = 0; i < xt.chains.size(); ++i) {
    EXPECT_EQ(native.chains[i].rules.size(),
              xt.chains[i].rules.size() + XtRulesIn(options, xt.chains[i].name))
        << xt.chains[i].name;
  }
}

TEST(DivertRuleset, QueueFlagsFollowPostureAndNumberOfQueues) {
  struct Case {
    FailPosture posture;
    uint16_t queues;
    const char* rule;
  };
  const Case cases[] = {
      {FailPosture::kClosed, 1, "counter queue num 4180"},
      {FailPosture::kClosed, 4, "counter queue num 4180-4183 fanout"},
      {FailPosture::kOpen, 1, "counter queue num 4180 bypass"},
      {FailPosture::kOpen, 4, "counter queue num 4180-4183 bypass,fanout"},
  };
  for (const Case& c : cases) {
    DivertOptions options;
    options.on_failure = c.posture;
    options.settle = SettleBy::kPacketMark;
    options.queue_count = c.queues;
    const Ruleset ruleset = BuildRuleset(options, QueueExpression::kNative);
    EXPECT_EQ(Chain(ruleset, "ask").rules.front(), c.rule);
    // A canary that bypasses says nothing.
    for (const std::string& rule : Chain(ruleset, "canary").rules) {
      EXPECT_EQ(rule.find("bypass"), std::string::npos) << rule;
    }
  }
}

TEST(DivertRuleset, PacketMarkIsCopiedToTheFlowAndCleared) {
  DivertOptions options;
  options.on_failure = FailPosture::kOpen;
  options.settle = SettleBy::kPacketMark;
  EXPECT_EQ(Chain(BuildRuleset(options, QueueExpression::kNative), "settle")
                .rules.back(),
            "meta mark & 0x00f00000 == 0x00100000 "
            "ct mark set ct mark & 0xff0fffff | 0x00100000 "
            "meta mark set meta mark & 0xff0fffff accept");
}

TEST(DivertRuleset, ConntrackAttributeLeavesNothingToMark) {
  DivertOptions options;
  options.on_failure = FailPosture::kOpen;
  options.settle = SettleBy::kConntrackAttribute;
  const Ruleset ruleset = BuildRuleset(options, QueueExpression::kNative);
  for (const std::string& rule : Chain(ruleset, "settle").rules) {
    EXPECT_EQ(rule.find("ct mark set"), std::string::npos) << rule;
  }
}

// If settle did not skip what judge skipped, it would mark it as allowed, and
// the mark would still be there once loopback is judged again.
TEST(DivertRuleset, SkippedLoopbackIsSkippedInBothChains) {
  DivertOptions options;
  options.judge_loopback = false;
  const Ruleset ruleset = BuildRuleset(options, QueueExpression::kNative);
  const Rules& judge = Chain(ruleset, "judge").rules;
  const Rules& settle = Chain(ruleset, "settle").rules;
  EXPECT_EQ(judge[3], "oif lo accept");
  EXPECT_EQ(settle[settle.size() - 3], "oif lo accept");
}

TEST(DivertRuleset, B21_OnlyBitsOfTheMaskAreWritten) {
  DivertOptions options;
  options.marks.mask = 0x0000000f;
  const Ruleset ruleset = BuildRuleset(options, QueueExpression::kNative);
  EXPECT_EQ(Chain(ruleset, "settle").rules.back(),
            "ct mark set ct mark & 0xfffffff0 | 0x00000001");
}

TEST(DivertRuleset, FlushKeepsTheChains) {
  const std::string text = RulesetText(
      BuildRuleset({}, QueueExpression::kNative), ReplaceBy::kFlush);
  EXPECT_EQ(text.find("delete table"), std::string::npos);
  EXPECT_NE(text.find("flush table inet sallyport"), std::string::npos);
}

TEST(DivertRuleset, BadOptionsAreRefused) {
  const auto refused = [](const DivertOptions& options) {
    return absl::IsInvalidArgument(ValidateDivertOptions(options));
  };
  EXPECT_TRUE(ValidateDivertOptions({}).ok());
  for (uint32_t mask : {0u, 0x1u, 0x00700000u, 0x00b00000u, 0xf000000fu}) {
    DivertOptions options;
    options.marks.mask = mask;
    EXPECT_TRUE(refused(options)) << mask;
  }
  for (uint32_t mask : {0xfu, 0xf0000000u, 0xffffffffu, 0x00ff0000u}) {
    DivertOptions options;
    options.marks.mask = mask;
    EXPECT_FALSE(refused(options)) << mask;
  }
  DivertOptions options;
  options.queue_count = 0;
  EXPECT_TRUE(refused(options));
  options.queue_count = kMaxQueues + 1;
  EXPECT_TRUE(refused(options));
  options.queue_count = 2;
  options.queue_base = 65535;
  EXPECT_TRUE(refused(options));
  options.queue_base = 65534;
  EXPECT_FALSE(refused(options));
  options = {};
  options.on_failure = FailPosture::kOpen;
  EXPECT_TRUE(refused(options)) << "a bypassed packet would count as allowed";
}

}  // namespace
}  // namespace sallyport
