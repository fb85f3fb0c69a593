#ifndef SALLYPORT_RULES_PRECEDENCE_H_
#define SALLYPORT_RULES_PRECEDENCE_H_

// The order in which rules are asked, as told in rule_set.h. Pure.

#include <compare>
#include <cstdint>
#include <string_view>

#include "rules/app_pattern.h"
#include "rules/rule.h"

namespace sallyport {

// Compared field by field; the smaller goes first. Borrows the rule's name.
struct Precedence {
  int64_t priority;      // negated
  int app_kind;          // AppPattern: 0 path, 1 glob, 2 "any"
  int64_t app_literals;  // of a glob, negated
  int destination;       // of the widest: address -130 ... everywhere 1
  int policy;            // deny and reject, local-only, allow
  std::string_view name;

  auto operator<=>(const Precedence&) const = default;
};

// REQUIRES: `pattern` is that of rule.app
Precedence PrecedenceOf(const Rule& rule, const AppPattern& pattern);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_PRECEDENCE_H_
