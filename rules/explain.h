#ifndef SALLYPORT_RULES_EXPLAIN_H_
#define SALLYPORT_RULES_EXPLAIN_H_

// Why a flow gets its verdict: the decision, the rule that won, and for each
// other rule that speaks of the app why it did not. The decision comes from the
// code that judges packets (JudgeSubject). Pure; allocates; for the control
// side.

#include <cstdint>
#include <string>
#include <vector>

#include "rules/judge.h"

namespace sallyport {

// More losers than this nobody reads.
inline constexpr size_t kMaxLosers = 100;

struct Loser {
  uint32_t rule = kNoRule;  // index in the RuleSet
  std::string why;          // "port 443 is not 80", "disabled", ...
};

struct Explanation {
  Judgement judgement;
  uint32_t winner = kNoRule;  // index in the RuleSet
  std::vector<Loser> losers;  // in order of precedence
  size_t losers_left_out = 0;
};

Explanation Explain(const PolicySnapshot& policy, const Subject& subject,
                    const Flow& flow);

// The explanation as people read it: first the verdict, then the winner, then
// the losers.
std::vector<std::string> ExplanationText(const PolicySnapshot& policy,
                                         const Explanation& explanation);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_EXPLAIN_H_
