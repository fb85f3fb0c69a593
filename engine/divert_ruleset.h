#ifndef SALLYPORT_ENGINE_DIVERT_RULESET_H_
#define SALLYPORT_ENGINE_DIVERT_RULESET_H_

// The ruleset of table `inet sallyport` as data and as nft text (DESIGN, "The
// kernel ruleset"). Pure: no system calls; any thread. What is installed, what
// is verified and what tests compare all come from BuildRuleset, so that they
// cannot differ.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/divert.h"

namespace sallyport {

inline constexpr char kTableName[] = "sallyport";
inline constexpr char kAskChain[] = "ask";
inline constexpr char kCanaryChain[] = "canary";
inline constexpr int kJudgePriority = -110;   // after conntrack and mangle, ...
inline constexpr int kSettlePriority = -109;  // ... before NAT (-100)

inline constexpr uint16_t kMaxQueues = 64;  // DESIGN, Limits

struct RulesetChain {
  std::string name;
  bool is_base = false;  // hooked into `output`, policy accept
  int priority = 0;      // base chains only
  std::vector<std::string> rules = {};
};

struct Ruleset {
  std::vector<RulesetChain> chains;  // callees before callers
};

// InvalidArgument: a mask of fewer than four bits or with holes, queue numbers
// out of range, posture open with a settle way that cannot tell a bypassed
// packet from an allowed one.
absl::Status ValidateDivertOptions(const DivertOptions& options);

// REQUIRES: ValidateDivertOptions(options).ok(), how is kNative or kXt. With
// kXt the queue rules are missing, since nft has no words for them: chains
// `ask` and `canary` drop everything until AddXtQueueRules (divert_xt.h) has
// put them in front of the drop.
Ruleset BuildRuleset(const DivertOptions& options, QueueExpression how);

// Rules that AddXtQueueRules puts into `chain` on top of BuildRuleset's.
size_t XtRulesIn(const DivertOptions& options, const std::string& chain);

// How the text gets rid of what was there before; both in the same transaction.
enum class ReplaceBy : uint8_t {
  kDelete,  // the whole table. Removing base chains makes the kernel drop all
            // packets that wait in queues, so only if the chains are damaged.
  kFlush,   // the rules only. REQUIRES: the chains are there as we made them.
};

std::string RulesetText(const Ruleset& ruleset, ReplaceBy replace);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_DIVERT_RULESET_H_
