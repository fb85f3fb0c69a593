#ifndef SALLYPORT_SRC_LEARN_VIEW_H_
#define SALLYPORT_SRC_LEARN_VIEW_H_

// LearnView: what was learned, what rules decide already, and the rules that
// are proposed for the rest: what `learn show` shows and `learn apply` takes
// its rules from. A plain value, made at one moment; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_proposal.h"
#include "rules/rule_set.h"
#include "src/learn_log.h"

namespace sallyport {

struct LearnView {
  LearnSnapshot seen;
  std::vector<LearnedFlow> undecided;  // of seen.flows
  // Its indexes are those of `undecided`. Rules and flows of other apps are
  // left out if one app was asked for.
  Proposal proposal;
  // The same as long as the proposed rules are (not their descriptions, which
  // count flows): 16 hexadecimal digits.
  std::string id;
};

// `app`: text of a rule, or a path; "": all. Names of rules do not depend on
// it, as the proposal is made for all.
LearnView MakeLearnView(LearnSnapshot seen, const RuleSet& rules,
                        ProposalOptions options, std::string_view app);

// Whether `flow` is of `app`, as above.
bool IsOfApp(const LearnedFlow& flow, std::string_view app);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_LEARN_VIEW_H_
