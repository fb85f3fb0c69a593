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
#include "absl/time/time.h"
#include "rules/address.h"
#include "rules/flow.h"
#include "rules/rate_limiter.h"
#include "rules/schedule.h"

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
enum class ScopeKeyword : uint8_t {
  kLoopback,
  kLan,
  kInternet,
  kMulticast,
  kLinkLocal,
  kBroadcast,
};
using Destination = std::variant<IpPrefix, AddressRange, ScopeKeyword>;

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

// A user as it was written. `id` is missing for a name that the loader has not
// resolved yet.
struct RuleUser {
  std::string text;
  std::optional<uint32_t> id;
  bool operator==(const RuleUser&) const = default;
};

// An element of `interface`: a device's name, one with a '*' at its end for all
// that begin so, or this word for every tun, tap and WireGuard device.
inline constexpr std::string_view kVpnInterfaces = "vpn";

struct Rule {
  std::string name;  // [a-z0-9-], at most kMaxRuleNameBytes; unique in a set
  RulePolicy policy = RulePolicy::kDeny;
  std::string app;                  // see rules/app_pattern.h
  std::vector<std::string> sha256;  // hex; the app must be one of these
  std::vector<RuleUser> user;       // empty: everybody
  std::vector<RuleUser> not_user;
  std::vector<Destination> to;  // empty: everywhere
  std::vector<Destination> not_to;
  std::vector<PortRange> port;  // empty: every port
  std::vector<PortRange> not_port;
  std::vector<uint8_t> protocol;       // empty: every protocol
  std::vector<std::string> interface;  // empty: every device
  std::optional<Schedule> during;      // missing: always
  std::optional<absl::Time> expires;   // whole seconds
  std::optional<Rate> rate;            // flows beyond it are denied
  Direction direction = Direction::kOut;
  int32_t priority = 0;
  bool enabled = true;
  bool log = true;
  std::string description;
  // Not part of its text: the file it came from, and the moment on
  // CLOCK_BOOTTIME at which a rule ends that was made for a while (CASES F19:
  // then `expires` is only what a later run goes by).
  std::string origin;
  std::optional<int64_t> ends_at_boot_ns;
  bool operator==(const Rule&) const = default;
};

inline constexpr size_t kMaxRuleNameBytes = 64;       // fits an event record
inline constexpr size_t kMaxRules = 100'000;          // DESIGN, Limits
inline constexpr size_t kMaxDescriptionBytes = 4096;  // a text, not a file
inline constexpr size_t kMaxUserBytes = 256;          // LOGIN_NAME_MAX
inline constexpr size_t kMaxInterfaceBytes = 15;      // IFNAMSIZ - 1
// A blocklist may be one rule; a set of them is bounded by kMaxDestinations.
inline constexpr size_t kMaxRuleDestinations = 100'000;
inline constexpr size_t kMaxDestinations =
    1'000'000;  // DESIGN, Limits: list entries
// Ports, protocols or hashes of one rule: no list that people write is longer.
inline constexpr size_t kMaxRuleListEntries = 1024;

bool IsValidRuleName(std::string_view name);

// What of `app` can stand in a rule's name, to be found again: the name of its
// file, at most `most_bytes`. "/opt/Visual Studio Code" ->
// "visual-studio-code",
// "/**" -> "rule".
std::string RuleNamePart(std::string_view app, size_t most_bytes);

// What parsing alone cannot see: name, empty or relative app, reversed ranges,
// ports without a protocol that has ports, texts that are not UTF-8, a
// direction that is not enforced. The message is "FIELD: what is wrong".
// Ids of users may be missing: the loader resolves names, RuleSet asks for
// them.
absl::Status ValidateRule(const Rule& rule);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_H_
