#include "rules/rule_match.h"

#include <algorithm>

#include "rules/rule_fields.h"

namespace sallyport {
namespace {

bool DestinationsAllow(const Rule& rule, const Flow& flow) {
  return rule.to.empty() ||
         std::any_of(rule.to.begin(), rule.to.end(), [&](const Destination& d) {
           return DestinationContains(d, flow.dst);
         });
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
  if (rule.port.empty()) return true;
  return flow.HasPorts() &&
         std::any_of(rule.port.begin(), rule.port.end(), [&](PortRange range) {
           return range.first <= flow.dst_port && flow.dst_port <= range.last;
         });
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

Mismatch CheckRule(const Rule& rule, bool by_path, const Subject& subject,
                   const Flow& flow) {
  if (!rule.enabled) return Mismatch::kDisabled;
  if (rule.direction != flow.direction) return Mismatch::kDirection;
  if (!DestinationsAllow(rule, flow)) return Mismatch::kDestination;
  if (!ProtocolsAllow(rule, flow)) return Mismatch::kProtocol;
  if (!PortsAllow(rule, flow)) return Mismatch::kPort;
  if (!rule.user.empty() &&
      (!rule.user_id.has_value() || subject.uid != rule.user_id)) {
    return Mismatch::kUser;
  }
  if (by_path && !subject.app->path_is_exe && !Restricts(rule.policy, flow)) {
    return Mismatch::kPathIsNotExe;
  }
  return CheckSha256(rule, subject.app);
}

}  // namespace sallyport
