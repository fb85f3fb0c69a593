#ifndef SALLYPORT_RULES_VERDICT_H_
#define SALLYPORT_RULES_VERDICT_H_

// Verdict: what a packet gets. Decision: a verdict and why. Plain values.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport {

// Drop is the zero value: whatever is forgotten is denied.
enum class Verdict : uint8_t { kDeny = 0, kReject = 1, kAllow = 2 };

enum class Mode : uint8_t { kMonitor, kLearn, kEnforce, kLockdown };
inline constexpr Mode kAllModes[] = {Mode::kMonitor, Mode::kLearn,
                                     Mode::kEnforce, Mode::kLockdown};

enum class Reason : uint8_t {
  kNoDecision,    // never shown: a Decision that was not filled in
  kRule,          // a rule of the user's (or the built-in loopback rule)
  kDefault,       // no rule matched; the default for known apps
  kUnattributed,  // no rule matched and no owner was found
  kLockdown,      // mode lockdown
  kMalformed,     // the packet could not be parsed
  kRate,          // the rule that allows has allowed its `rate` already
  kFailure,       // our own failure (lane full, timeout): `on_failure`
};

inline constexpr uint32_t kNoRule = UINT32_MAX;

struct Decision {
  Verdict verdict = Verdict::kDeny;  // what is done
  // What rules and defaults say. Differs from `verdict` in the modes monitor
  // and learn only.
  Verdict judged = Verdict::kDeny;
  Reason reason = Reason::kNoDecision;
  Mode mode = Mode::kEnforce;
  uint32_t rule = kNoRule;  // index in the RuleSet that judged
  bool log = true;          // false: the rule says log = false
  bool would_deny() const {
    return verdict == Verdict::kAllow && judged != Verdict::kAllow;
  }
};

const char* VerdictName(Verdict verdict);  // "deny" "reject" "allow"
const char* ModeName(Mode mode);           // "monitor" "learn" ...
const char* ReasonName(Reason reason);     // "rule" "default" ...

// The inverse, for configuration, flags and the API; nothing else is accepted.
std::optional<Verdict> ParseVerdict(std::string_view text);
std::optional<Mode> ParseMode(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_VERDICT_H_
