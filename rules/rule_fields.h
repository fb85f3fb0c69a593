#ifndef SALLYPORT_RULES_RULE_FIELDS_H_
#define SALLYPORT_RULES_RULE_FIELDS_H_

// The texts of single fields of a rule, the same for rule files, the API and
// the CLI. Each Parse accepts what its ToString writes; the status says what is
// wrong and what to write instead (without naming the field). Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "rules/rule.h"

namespace sallyport {

// "192.0.2.1", "192.0.2.0/24", "10.0.0.1-10.0.0.9", "loopback", "lan",
// "link-local", "multicast", "broadcast", "internet".
absl::StatusOr<Destination> ParseDestination(std::string_view text);
std::string DestinationToString(const Destination& destination);
const char* ScopeKeywordName(ScopeKeyword keyword);
uint8_t ScopeOf(ScopeKeyword keyword);  // the bit of ScopesOf (address.h)

bool DestinationContains(const Destination& destination,
                         const IpAddress& address);

// "443", "8000-9000".
absl::StatusOr<PortRange> ParsePort(std::string_view text);
std::string PortToString(PortRange range);

// "tcp" ... or a number from "0" to "255". A protocol that has a name here is
// always shown by it.
absl::StatusOr<uint8_t> ParseProtocol(std::string_view text);
std::string ProtocolName(uint8_t protocol);

// A user's name, or a uid with its id set.
absl::StatusOr<RuleUser> ParseUser(std::string_view text);

// "eth0", "wg*", "vpn".
absl::StatusOr<std::string> ParseInterface(std::string_view text);
// Whether an element of `interface` means this device.
bool InterfaceMatches(std::string_view pattern, const NetInterface& device);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_FIELDS_H_
