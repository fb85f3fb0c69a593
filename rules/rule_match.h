#ifndef SALLYPORT_RULES_RULE_MATCH_H_
#define SALLYPORT_RULES_RULE_MATCH_H_

// What one rule says of one subject and flow: the meaning of a rule, condition
// by condition. The index (destination_index.h) finds candidates; the
// conditions that it did not decide, and every "why not" that people read, come
// from here. Pure; no allocation.

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
  kExpired,
  kNotDuring,
  kDirection,
  kDestination,
  kProtocol,
  kPort,
  kUser,
  kNotDestination,  // in `not_to`; likewise below
  kNotPort,
  kNotUser,
  kInterface,
  // The app's path is no longer (or never was) its file: a rule for the path
  // may restrict, not allow.
  kPathIsNotExe,
  kSha256,
  // Everything before holds; the fact that this one is about is not known yet.
  kInterfaceUnknown,
  kSha256Unknown,
};

// Facts that take too long for the packet path and are looked up (slow lane)
// only when a rule that could win asks for them. Bits.
enum Need : uint8_t {
  kNeedsSha256 = 1 << 0,     // App::sha256
  kNeedsInterface = 1 << 1,  // Flow::out_interface
};
inline constexpr size_t kNeedCount = 2;  // bits of Need
using Needs = uint8_t;
Needs NeedOf(Mismatch mismatch);  // 0: the mismatch is for good

// Whether the rule is awake (disabled, expired, outside its hours) is not asked
// here: RuleSet::asleep tells.
// `by_path`: rule.app is a path or glob, not "any".
// REQUIRES: rule.app matches subject.app, so that is not null if `by_path`
Mismatch CheckRule(const Rule& rule, bool by_path, const Subject& subject,
                   const Flow& flow);

// Parts of it, for the index: `port` and `protocol`; and what the index never
// looks at itself, see HasFurther.
bool PortsAllow(const Rule& rule, const Flow& flow);
bool ProtocolsAllow(const Rule& rule, const Flow& flow);
Mismatch CheckFurther(const Rule& rule, const Subject& subject,
                      const Flow& flow);
// True if CheckFurther can say anything but kNone.
bool HasFurther(const Rule& rule);

// Whether `policy` turns `flow` away.
bool Restricts(RulePolicy policy, const Flow& flow);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_MATCH_H_
