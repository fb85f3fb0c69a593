#include "engine/divert_ruleset.h"

#include <bit>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/canary.h"

namespace sallyport {
namespace {

std::string Hex(uint32_t value) { return absl::StrFormat("0x%08x", value); }

// "meta mark & MASK == BIT" or the same for ct.
std::string MarkIs(const char* what, const MarkBits& marks, uint32_t bit) {
  return absl::StrCat(what, " mark & ", Hex(marks.mask), " == ", Hex(bit));
}

// Sets our bits of the ct mark to "allowed"; bits of others stay.
std::string SetAllowed(const MarkBits& marks) {
  return absl::StrCat("ct mark set ct mark & ", Hex(~marks.mask), " | ",
                      Hex(marks.allowed()));
}

std::string ClearPacketMark(const MarkBits& marks) {
  return absl::StrCat("meta mark set meta mark & ", Hex(~marks.mask));
}

// Traffic without which the network itself breaks (CASES B23). What a program
// can send through a raw socket is accepted here only if it is needed from
// user space (DHCP clients, RA daemons); the rest must come from the kernel,
// that is from no socket that a process holds.
RulesetChain EssentialChain() {
  RulesetChain chain{.name = "essential"};
  chain.rules = {
      // NDP: router and neighbour solicitation/advertisement, redirect. Never
      // forwarded (RFC 4861: hop limit 255).
      "icmpv6 type { 133, 134, 135, 136, 137 } ip6 hoplimit 255 "
      "counter accept",
      // MLD query, report, done, v2 report (RFC 2710, 3810: hop limit 1).
      "icmpv6 type { 130, 131, 132, 143 } ip6 hoplimit 1 counter accept",
      "udp sport 68 udp dport 67 counter accept",    // DHCPv4
      "udp sport 546 udp dport 547 counter accept",  // DHCPv6
      // A missing owner ends the evaluation of this rule, so only packets that
      // have one return (4294967295 is no uid: it means "none" to the kernel).
      "meta skuid != 4294967295 return",
      "tcp flags & rst == rst counter accept",
      "icmp type { 3, 5, 11, 12 } counter accept",
      "icmpv6 type 1-4 counter accept",
      "meta l4proto 2 counter accept",  // IGMP
  };
  return chain;
}

RulesetChain CanaryChain(const DivertOptions& options, QueueExpression how) {
  RulesetChain chain{.name = kCanaryChain};
  if (how == QueueExpression::kNative) {
    for (uint16_t i = 0; i < options.queue_count; ++i) {
      // One queue each and never bypass: a canary says that this queue works.
      chain.rules.push_back(absl::StrCat("udp dport ", kCanaryPortBase + i,
                                         " queue num ",
                                         options.queue_base + i));
    }
  }
  chain.rules.push_back("drop");
  return chain;
}

RulesetChain AskChain(const DivertOptions& options, QueueExpression how) {
  RulesetChain chain{.name = kAskChain};
  if (how == QueueExpression::kNative) {
    std::string rule = absl::StrCat("counter queue num ", options.queue_base);
    std::string flags;
    if (options.queue_count > 1) {
      absl::StrAppend(&rule, "-", options.queue_base + options.queue_count - 1);
      flags = "fanout";
    }
    if (options.on_failure == FailPosture::kOpen) {
      flags = flags.empty() ? "bypass" : "bypass,fanout";
    }
    if (!flags.empty()) absl::StrAppend(&rule, " ", flags);
    chain.rules.push_back(std::move(rule));
  }
  chain.rules.push_back("counter drop");
  return chain;
}

RulesetChain JudgeChain(const DivertOptions& options) {
  const MarkBits& marks = options.marks;
  RulesetChain chain{
      .name = "judge", .is_base = true, .priority = kJudgePriority};
  chain.rules.push_back(MarkIs("meta", marks, marks.canary()) + " goto canary");
  chain.rules.push_back(MarkIs("ct", marks, marks.allowed()) + " accept");
  chain.rules.push_back("ct direction reply accept");
  if (!options.judge_loopback) chain.rules.push_back("oif lo accept");
  chain.rules.push_back("jump essential");
  chain.rules.push_back("goto ask");
  return chain;
}

RulesetChain SettleChain(const DivertOptions& options) {
  const MarkBits& marks = options.marks;
  RulesetChain chain{
      .name = "settle", .is_base = true, .priority = kSettlePriority};
  chain.rules.push_back(MarkIs("ct", marks, marks.allowed()) + " accept");
  chain.rules.push_back("ct direction reply accept");
  const std::string rejected = MarkIs("meta", marks, marks.rejected());
  chain.rules.push_back(absl::StrCat(rejected, " meta l4proto tcp counter ",
                                     ClearPacketMark(marks),
                                     " reject with tcp reset"));
  chain.rules.push_back(absl::StrCat(rejected, " counter ",
                                     ClearPacketMark(marks),
                                     " reject with icmpx admin-prohibited"));
  // A canary ends at its queue, also when a full queue lets packets pass.
  chain.rules.push_back(MarkIs("meta", marks, marks.canary()) + " drop");
  if (!options.judge_loopback) chain.rules.push_back("oif lo accept");
  switch (options.settle) {
    case SettleBy::kSecondChain:
      chain.rules.push_back("jump essential");
      chain.rules.push_back(SetAllowed(marks));
      break;
    case SettleBy::kPacketMark:
      chain.rules.push_back(absl::StrCat(MarkIs("meta", marks, marks.allowed()),
                                         " ", SetAllowed(marks), " ",
                                         ClearPacketMark(marks), " accept"));
      break;
    case SettleBy::kConntrackAttribute:
      break;
  }
  return chain;
}

}  // namespace

absl::Status ValidateDivertOptions(const DivertOptions& options) {
  const uint32_t mask = options.marks.mask;
  const int bits = std::popcount(mask);
  if (bits < 4 ||
      bits + std::countl_zero(mask) + std::countr_zero(mask) != 32) {
    return absl::InvalidArgumentError(absl::StrCat(
        "mark mask ", Hex(mask), " must be at least four contiguous bits"));
  }
  if (options.queue_count < 1 || options.queue_count > kMaxQueues) {
    return absl::InvalidArgumentError(absl::StrCat(
        "queue count ", options.queue_count, " is not in 1..", kMaxQueues));
  }
  if (options.queue_base + options.queue_count - 1 > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "queues ", options.queue_base, "..",
        options.queue_base + options.queue_count - 1, " go beyond 65535"));
  }
  if (options.on_failure == FailPosture::kOpen &&
      options.settle == SettleBy::kSecondChain) {
    return absl::InvalidArgumentError(
        "posture open cannot settle by the second chain: a bypassed packet "
        "would count as allowed");
  }
  return absl::OkStatus();
}

Ruleset BuildRuleset(const DivertOptions& options, QueueExpression how) {
  assert(ValidateDivertOptions(options).ok());
  assert(how == QueueExpression::kNative || how == QueueExpression::kXt);
  return Ruleset{{EssentialChain(), CanaryChain(options, how),
                  AskChain(options, how), JudgeChain(options),
                  SettleChain(options)}};
}

size_t XtRulesIn(const DivertOptions& options, const std::string& chain) {
  if (chain == kAskChain) return 1;
  if (chain == kCanaryChain) return options.queue_count;
  return 0;
}

std::string RulesetText(const Ruleset& ruleset, ReplaceBy replace) {
  std::string text = absl::StrCat("add table inet ", kTableName, "\n");
  absl::StrAppend(&text, replace == ReplaceBy::kDelete ? "delete" : "flush",
                  " table inet ", kTableName, "\n");
  absl::StrAppend(&text, "table inet ", kTableName, " {\n");
  for (const RulesetChain& chain : ruleset.chains) {
    absl::StrAppend(&text, "  chain ", chain.name, " {\n");
    if (chain.is_base) {
      absl::StrAppend(&text, "    type filter hook output priority ",
                      chain.priority, "; policy accept;\n");
    }
    for (const std::string& rule : chain.rules) {
      absl::StrAppend(&text, "    ", rule, "\n");
    }
    absl::StrAppend(&text, "  }\n");
  }
  absl::StrAppend(&text, "}\n");
  return text;
}

}  // namespace sallyport
