#include "rules/verdict.h"

namespace sallyport {

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDeny:
      return "deny";
    case Verdict::kReject:
      return "reject";
    case Verdict::kAllow:
      return "allow";
  }
  return "deny";
}

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kMonitor:
      return "monitor";
    case Mode::kLearn:
      return "learn";
    case Mode::kEnforce:
      return "enforce";
    case Mode::kLockdown:
      return "lockdown";
  }
  return "enforce";
}

const char* ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNoDecision:
      return "none";
    case Reason::kRule:
      return "rule";
    case Reason::kDefault:
      return "default";
    case Reason::kUnattributed:
      return "unattributed";
    case Reason::kLockdown:
      return "lockdown";
    case Reason::kMalformed:
      return "malformed";
    case Reason::kRate:
      return "rate";
    case Reason::kFailure:
      return "failure";
  }
  return "none";
}

std::optional<Verdict> ParseVerdict(std::string_view text) {
  for (Verdict v : {Verdict::kDeny, Verdict::kReject, Verdict::kAllow}) {
    if (text == VerdictName(v)) return v;
  }
  return std::nullopt;
}

std::optional<Mode> ParseMode(std::string_view text) {
  for (Mode m : kAllModes) {
    if (text == ModeName(m)) return m;
  }
  return std::nullopt;
}

}  // namespace sallyport
