#ifndef SALLYPORT_RULES_RULE_H_
#define SALLYPORT_RULES_RULE_H_

// A rule as its author wrote it, parsed. A plain value with no invariants but
// those that ValidateRule checks.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "rules/address.h"
#include "rules/flow.h"

namespace sallyport {

enum class RulePolicy : uint8_t { kAllow, kDeny, kReject, kLocalOnly };

const char* RulePolicyName(RulePolicy policy);  // "allow" ... "local-only"
std::optional<RulePolicy> ParseRulePolicy(std::string_view text);

// One entry of `to`.
struct AddressRange {
  IpAddress first;
  IpAddress last;
  bool operator==(const AddressRange&) const = default;
};
enum class ScopeKeyword : uint8_t { kLoopback, kLan, kInternet, kMulticast };
using Destination = std::variant<IpPrefix, AddressRange, ScopeKeyword>;

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

struct Rule {
  std::string name;  // [a-z0-9-], at most kMaxRuleNameBytes; unique in a set
  RulePolicy policy = RulePolicy::kDeny;
  std::string app;                  // see rules/app_pattern.h
  std::vector<std::string> sha256;  // hex; the app must be one of these
  std::vector<Destination> to;      // empty: everywhere
  std::vector<PortRange> port;      // empty: every port
  std::vector<uint8_t> protocol;    // empty: every protocol
  std::string user;                 // as written; empty: everybody
  std::optional<uint32_t> user_id;  // `user` resolved by the loader
  Direction direction = Direction::kOut;
  int32_t priority = 0;
  bool enabled = true;
  bool log = true;
  std::string description;
  std::string origin;  // file it came from; not part of its text
  bool operator==(const Rule&) const = default;
};

inline constexpr size_t kMaxRuleNameBytes = 64;       // fits an event record
inline constexpr size_t kMaxRules = 100'000;          // DESIGN, Limits
inline constexpr size_t kMaxDescriptionBytes = 4096;  // a text, not a file
inline constexpr size_t kMaxUserBytes = 256;          // LOGIN_NAME_MAX
// A blocklist may be one rule; a set of them is bounded by kMaxDestinations.
inline constexpr size_t kMaxRuleDestinations = 100'000;
inline constexpr size_t kMaxDestinations =
    1'000'000;  // DESIGN, Limits: list entries
// Ports, protocols or hashes of one rule: no list that people write is longer.
inline constexpr size_t kMaxRuleListEntries = 1024;

bool IsValidRuleName(std::string_view name);

// What parsing alone cannot see: name, empty or relative app, reversed ranges,
// ports without a protocol that has ports, texts that are not UTF-8, a
// direction that is not enforced. The message is "FIELD: what is wrong".
// `user_id` may be missing: the loader resolves names, RuleSet asks for it.
absl::Status ValidateRule(const Rule& rule);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_H_
