#include "rules/rule_match.h"

#include <algorithm>

#include "rules/rule_fields.h"

namespace sallyport {
namespace {

bool InAny(const std::vector<Destination>& places, const IpAddress& address) {
  return std::any_of(places.begin(), places.end(), [&](const Destination& d) {
    return DestinationContains(d, address);
  });
}

bool InAny(const std::vector<PortRange>& ports, const Flow& flow) {
  return flow.HasPorts() &&
         std::any_of(ports.begin(), ports.end(), [&](PortRange range) {
           return range.first <= flow.dst_port && flow.dst_port <= range.last;
         });
}

bool InAny(const std::vector<RuleUser>& users, uint32_t uid) {
  return std::any_of(users.begin(), users.end(),
                     [&](const RuleUser& user) { return user.id == uid; });
}

// Whose uid is not known is nobody's `user`, and may be anybody of `not_user`:
// then the rule may restrict, not allow.
Mismatch CheckUser(const Rule& rule, const Subject& subject, const Flow& flow) {
  if (!rule.user.empty() &&
      !(subject.uid.has_value() && InAny(rule.user, *subject.uid))) {
    return Mismatch::kUser;
  }
  if (rule.not_user.empty()) return Mismatch::kNone;
  const bool excepted = subject.uid.has_value()
                            ? InAny(rule.not_user, *subject.uid)
                            : !Restricts(rule.policy, flow);
  return excepted ? Mismatch::kNotUser : Mismatch::kNone;
}

Mismatch CheckInterface(const Rule& rule, const Flow& flow) {
  if (rule.interface.empty()) return Mismatch::kNone;
  if (flow.out_interface == nullptr) return Mismatch::kInterfaceUnknown;
  const bool any =
      std::any_of(rule.interface.begin(), rule.interface.end(),
                  [&](const std::string& pattern) {
                    return InterfaceMatches(pattern, *flow.out_interface);
                  });
  return any ? Mismatch::kNone : Mismatch::kInterface;
}

Mismatch CheckSha256(const Rule& rule, const App* app) {
  if (rule.sha256.empty()) return Mismatch::kNone;
  if (app == nullptr) return Mismatch::kSha256;
  if (app->sha256.empty()) return Mismatch::kSha256Unknown;
  return std::find(rule.sha256.begin(), rule.sha256.end(), app->sha256) !=
                 rule.sha256.end()
             ? Mismatch::kNone
             : Mismatch::kSha256;
}

}  // namespace

bool PortsAllow(const Rule& rule, const Flow& flow) {
  return rule.port.empty() || InAny(rule.port, flow);
}

bool ProtocolsAllow(const Rule& rule, const Flow& flow) {
  return rule.protocol.empty() ||
         std::find(rule.protocol.begin(), rule.protocol.end(), flow.protocol) !=
             rule.protocol.end();
}

bool Restricts(RulePolicy policy, const Flow& flow) {
  switch (policy) {
    case RulePolicy::kAllow:
      return false;
    case RulePolicy::kLocalOnly:
      return !IsLocal(flow.dst);
    case RulePolicy::kDeny:
    case RulePolicy::kReject:
      return true;
  }
  return true;
}

Needs NeedOf(Mismatch mismatch) {
  switch (mismatch) {
    case Mismatch::kSha256Unknown:
      return kNeedsSha256;
    case Mismatch::kInterfaceUnknown:
      return kNeedsInterface;
    default:
      return 0;
  }
}

bool HasFurther(const Rule& rule) {
  return rule.user.size() > 1 || !rule.not_user.empty() ||
         !rule.not_to.empty() || !rule.not_port.empty() ||
         !rule.interface.empty() || !rule.sha256.empty();
}

// What is known at once comes before what may have to be looked up.
Mismatch CheckFurther(const Rule& rule, const Subject& subject,
                      const Flow& flow) {
  if (Mismatch user = CheckUser(rule, subject, flow); user != Mismatch::kNone) {
    return user;
  }
  if (InAny(rule.not_to, flow.dst)) return Mismatch::kNotDestination;
  if (InAny(rule.not_port, flow)) return Mismatch::kNotPort;
  const Mismatch interface = CheckInterface(rule, flow);
  const bool waits = NeedOf(interface) != 0;
  if (interface != Mismatch::kNone && !waits) return interface;
  const Mismatch sha256 = CheckSha256(rule, subject.app);
  if (sha256 != Mismatch::kNone && NeedOf(sha256) == 0) return sha256;
  return waits ? interface : sha256;
}

Mismatch CheckRule(const Rule& rule, bool by_path, const Subject& subject,
                   const Flow& flow) {
  if (rule.direction != flow.direction) return Mismatch::kDirection;
  if (!rule.to.empty() && !InAny(rule.to, flow.dst)) {
    return Mismatch::kDestination;
  }
  if (!ProtocolsAllow(rule, flow)) return Mismatch::kProtocol;
  if (!PortsAllow(rule, flow)) return Mismatch::kPort;
  if (by_path && !subject.app->path_is_exe && !Restricts(rule.policy, flow)) {
    return Mismatch::kPathIsNotExe;
  }
  return CheckFurther(rule, subject, flow);
}

}  // namespace sallyport
