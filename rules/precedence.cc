#include "rules/precedence.h"

#include <algorithm>

namespace sallyport {
namespace {

// A prefix counts by its length.
int WidthOf(const Destination& destination) {
  if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
    return -2 - prefix->length;
  }
  return std::holds_alternative<AddressRange>(destination) ? -1 : 0;
}

int WidthOf(const std::vector<Destination>& to) {
  if (to.empty()) return 1;
  int widest = WidthOf(to.front());
  for (const Destination& d : to) widest = std::max(widest, WidthOf(d));
  return widest;
}

int PolicyOrder(RulePolicy policy) {
  switch (policy) {
    case RulePolicy::kDeny:
    case RulePolicy::kReject:
      return 0;
    case RulePolicy::kLocalOnly:
      return 1;
    case RulePolicy::kAllow:
      return 2;
  }
  return 0;
}

int AppKind(const AppPattern& pattern) {
  switch (pattern.kind()) {
    case AppPattern::Kind::kExact:
      return 0;
    case AppPattern::Kind::kGlob:
      return 1;
    case AppPattern::Kind::kAny:
      return 2;
  }
  return 2;
}

}  // namespace

Precedence PrecedenceOf(const Rule& rule, const AppPattern& pattern) {
  const bool glob = pattern.kind() == AppPattern::Kind::kGlob;
  return {-int64_t{rule.priority},
          AppKind(pattern),
          glob ? -static_cast<int64_t>(pattern.literal_bytes()) : 0,
          WidthOf(rule.to),
          PolicyOrder(rule.policy),
          rule.name};
}

}  // namespace sallyport
