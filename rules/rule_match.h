#ifndef SALLYPORT_RULES_RULE_MATCH_H_
#define SALLYPORT_RULES_RULE_MATCH_H_

// What one rule says of one subject and flow: the meaning of a rule, condition
// by condition. The index (rule_index.h) finds candidates; the conditions that
// it did not decide, and every "why not" that people read, come from here.
// Pure; no allocation.

#include "rules/flow.h"
#include "rules/owner.h"
#include "rules/rule.h"

namespace sallyport {

// One holder of the socket, as rules see it. `app` null: nobody was found.
struct Subject {
  const App* app = nullptr;
  std::optional<uint32_t> uid;
};

// The first condition that does not hold, in this order.
enum class Mismatch : uint8_t {
  kNone,  // the rule applies
  kDisabled,
  kDirection,
  kDestination,
  kProtocol,
  kPort,
  kUser,
  // The app's path is no longer (or never was) its file: a rule for the path
  // may restrict, not allow.
  kPathIsNotExe,
  kSha256,
  kSha256Unknown,  // everything else holds; the hash is not computed yet
};

// `by_path`: rule.app is a path or glob, not "any".
// REQUIRES: rule.app matches subject.app, so that is not null if `by_path`
Mismatch CheckRule(const Rule& rule, bool by_path, const Subject& subject,
                   const Flow& flow);

// Parts of it, for the index.
bool PortsAllow(const Rule& rule, const Flow& flow);
bool ProtocolsAllow(const Rule& rule, const Flow& flow);

// Whether `policy` turns `flow` away.
bool Restricts(RulePolicy policy, const Flow& flow);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_MATCH_H_
