#ifndef SALLYPORT_RULES_RULE_TEXT_H_
#define SALLYPORT_RULES_RULE_TEXT_H_

// Rules as TOML, in and out. Pure; any thread; bounded in size and depth
// whatever the input (CASES F13). Parsing finds all errors of a text, each with
// the place it stands at, and says what to write instead.
//
//   version = 1                  # optional; no other version is known
//   [[rule]]
//   name     = "curl-to-lab"     # [a-z0-9-], unique
//   policy   = "allow"           # allow | deny | reject | local-only
//   app      = "/usr/bin/curl"   # path, glob, "any": rules/app_pattern.h
//   sha256   = "..."             # or a list
//   to       = ["192.0.2.0/24", "10.0.0.1-10.0.0.9", "lan"]
//   port     = [443, "8000-9000"]
//   protocol = ["tcp", 17]
//   user     = "alice"           # or a uid
//   direction = "out"
//   priority = 0
//   enabled  = true
//   log      = true
//   description = "why this rule exists"
//
// A list may be written as its only element, but not be empty: `to = []` would
// quietly mean everywhere. Paths that TOML or a terminal cannot hold are
// written with \xNN, see rules/app_pattern.h (CASES A38).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/rule_fields.h"

namespace sallyport {

// 100,000 rules of 250 bytes are 25 MB.
inline constexpr size_t kMaxRuleTextBytes = size_t{64} << 20;
// The most destinations that a rule may have, written out at length. Bounds the
// memory of the TOML tree, which is ten times the text.
inline constexpr size_t kMaxOneRuleBytes = size_t{8} << 20;
// Enough to mend a file; a file of garbage must not fill the log.
inline constexpr size_t kMaxRuleErrors = 1000;

struct RuleError {
  uint32_t line = 0;    // from 1
  uint32_t column = 0;  // from 1
  std::string message;
  bool operator==(const RuleError&) const = default;
};

struct RuleParse {
  std::vector<Rule> rules;        // those without errors, in order of the text
  std::vector<RuleError> errors;  // in order of their places
};

// `origin` becomes Rule::origin. A text with errors must not be used in part: a
// lost deny rule would widen.
RuleParse ParseRules(std::string_view toml, std::string_view origin);

// "ORIGIN:LINE:COLUMN: MESSAGE", one line per error.
std::string FormatRuleErrors(std::string_view origin,
                             std::span<const RuleError> errors);

// ParseRules(PrintRules(rules), origin) gives the same rules, but for ids of
// users of users who are named by name. REQUIRES: ValidateRule(rule).ok() for
// each.
std::string PrintRules(std::span<const Rule> rules);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_TEXT_H_
