#ifndef SALLYPORT_RULES_LEARNED_H_
#define SALLYPORT_RULES_LEARNED_H_

// What mode learn has seen, as values: one LearnedFlow for all flows of an app
// to one destination, port and protocol of one user. Made by src/learn_log,
// read by rules/rule_proposal. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rules/address.h"
#include "rules/flow.h"
#include "rules/rule_set.h"

namespace sallyport {

// Whether an allow rule can speak of the app.
enum class AppNaming : uint8_t {
  kByPath,
  // Its path is not its file: deleted or replaced since it started, in another
  // mount namespace, or a memfd. A rule for the path could only restrict it.
  kNotItsPath,
  // No process was found, or one without a path, as the kernel's own; `app` is
  // empty.
  kNobody,
};

struct LearnedFlow {
  std::string app;  // as in a rule: ExactAppText of the path
  AppNaming naming = AppNaming::kByPath;
  std::string name;   // of the destination, NormalName; "": not known
  IpAddress address;  // of the destination; with a name, where it was last
  uint8_t protocol = 0;
  uint16_t port = 0;  // 0 where the protocol has no ports
  std::optional<uint32_t> uid;

  uint64_t count = 0;
  // Of these, flows of a socket that other apps held too: any may have sent.
  uint64_t shared = 0;
  int64_t first_ns = 0;  // CLOCK_REALTIME
  int64_t last_ns = 0;
  bool operator==(const LearnedFlow&) const = default;
};

const char* AppNamingName(AppNaming naming);  // "path" "not-its-path" "nobody"

// The name, else the address.
std::string DestinationText(const LearnedFlow& flow);

// "tcp 443", "icmp".
std::string ServiceText(uint8_t protocol, uint16_t port);

// Indexes of the flows that no rule of `rules` decides for good: what to make
// rules of. What one denies is decided too. A flow with a name is asked for by
// its last address.
//
// Only app, users, places, ports, protocols and direction are known of a
// learned flow. A rule with any other condition (hours, an end, a rate, a
// device, a hash, and whatever the language gains) therefore allows nothing
// here, and denies whatever it may deny at some time: a proposed rule, being
// more specific, would take that back.
std::vector<size_t> Undecided(const RuleSet& rules,
                              std::span<const LearnedFlow> flows);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_LEARNED_H_
