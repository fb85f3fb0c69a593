#ifndef SALLYPORT_RULES_RULE_PROPOSAL_H_
#define SALLYPORT_RULES_RULE_PROPOSAL_H_

// From what mode learn has seen to the fewest rules that allow all of it.
// Nothing is guessed silently: a rule allows what was seen, every combination
// of its lists was seen, and where an entry stands for more than was seen its
// description says for what. The steps beyond what was seen are these:
//   - a rule is for every user, unless `by_user`;
//   - a name in `to` includes what is below it: the language has no other way
//     to say a name;
//   - `group_names`: names of one registered domain (destination_name.h) are
//     one entry at each port and protocol at which at least two of them were
//     seen: "*.SUFFIX" with what they end with in common, or "SUFFIX" if that
//     was seen itself;
//   - `group_addresses`: at least two addresses of private networks at one
//     port and protocol are "lan". Other addresses stay themselves.
// Pure; deterministic: the same flows in any order give the same rules.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "rules/learned.h"
#include "rules/rule.h"

namespace sallyport {

struct ProposalOptions {
  bool group_names = true;
  bool group_addresses = false;
  bool by_user = false;
  // Names that rules have already; none is proposed again.
  absl::flat_hash_set<std::string> taken_names;
};

// `to` is kept as it would stand in a file: a build whose rules know no names
// can show it all the same.
struct ProposedRule {
  std::string name;  // learn-APP-N
  std::string app;
  std::vector<std::string> to;
  std::vector<PortRange> port;
  std::vector<uint8_t> protocol;
  std::string user;  // "" unless `by_user`
  std::string description;
  std::vector<size_t> covers;  // indexes of the flows it was made of, sorted
};

struct Proposal {
  std::vector<ProposedRule> rules;
  // Flows that no rule is proposed for: their naming is not kByPath.
  std::vector<size_t> unnamed;
  bool is_fewest = true;  // false: the search for fewer was ended
};

Proposal ProposeRules(std::span<const LearnedFlow> flows,
                      const ProposalOptions& options);

// InvalidArgument: "to: ..." where this build's rules cannot say it.
absl::StatusOr<Rule> ToRule(const ProposedRule& proposed);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_PROPOSAL_H_
