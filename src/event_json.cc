#include "src/event_json.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "src/escape.h"
#include "src/object_writer.h"

namespace sallyport {
namespace {

// "12.345": microseconds to the nanosecond, without trailing zeros.
void AppendMicroseconds(int64_t ns, std::string* out) {
  const auto positive = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
  char text[32];
  char* at = std::to_chars(text, text + sizeof(text), positive / 1000).ptr;
  uint32_t rest = static_cast<uint32_t>(positive % 1000);
  if (rest != 0) {
    *at++ = '.';
    at = PutDigits(at, rest, 3);
    while (at[-1] == '0') --at;
  }
  out->append(text, at);
}

// EVE names; other protocols by number.
std::string_view ProtocolName(uint8_t protocol, char (&buffer)[4]) {
  switch (protocol) {
    case kProtoTcp:
      return "TCP";
    case kProtoUdp:
      return "UDP";
    case kProtoIcmp:
      return "ICMP";
    case kProtoIcmpV6:
      return "IPv6-ICMP";
    default: {
      const char* end = std::to_chars(buffer, buffer + 4, protocol).ptr;
      return std::string_view(buffer, static_cast<size_t>(end - buffer));
    }
  }
}

std::string_view DirectionName(Direction direction) {
  switch (direction) {
    case Direction::kOut:
      return "out";
    case Direction::kIn:
      return "in";
    case Direction::kForward:
      return "forward";
  }
  return "out";
}

std::string_view StageName(Stage stage) {
  return stage == Stage::kQueue ? "queue" : "slow";
}

std::string_view RuleNameOf(const DecisionRecord& record) {
  return std::string_view(
      record.rule_name,
      std::min<size_t>(record.rule_name_length, kMaxRuleNameBytes));
}

// A packet that could not be parsed may have no addresses to show.
bool HasAddresses(const DecisionRecord& record) {
  return record.decision.reason != Reason::kMalformed ||
         record.flow.dst != IpAddress{};
}

void AppendFlow(const DecisionRecord& record, const EventContext& context,
                ObjectWriter& object) {
  const Flow& flow = record.flow;
  object.Number("flow_id", FlowId(flow));
  if (HasAddresses(record)) {
    object.Word("src_ip", flow.src.ToString());
    if (flow.HasPorts()) object.Number("src_port", flow.src_port);
    object.Word("dest_ip", flow.dst.ToString());
    if (flow.HasPorts()) object.Number("dest_port", flow.dst_port);
    char buffer[4];
    object.Word("proto", ProtocolName(flow.protocol, buffer));
  }
  if (flow.protocol == kProtoIcmp || flow.protocol == kProtoIcmpV6) {
    object.Number("icmp_type", flow.icmp_type);
    object.Number("icmp_code", flow.icmp_code);
  }
  object.Word("direction", DirectionName(flow.direction));
  if (flow.out_ifindex != 0 && context.interface_name) {
    const std::string name = context.interface_name(flow.out_ifindex);
    if (!name.empty()) object.Text("iface", name);
  }
}

void AppendVerdict(const DecisionRecord& record, std::string* out) {
  const Decision& decision = record.decision;
  ObjectWriter object(out);
  object.Word("action", VerdictName(decision.verdict));
  object.Word("reason", ReasonName(decision.reason));
  const std::string_view rule = RuleNameOf(record);
  if (!rule.empty()) object.Text("rule", rule);
  object.Word("mode", ModeName(decision.mode));
  object.Bool("would_deny", decision.would_deny());
  object.Key("latency_us");
  AppendMicroseconds(record.latency_ns, out);
  object.Word("stage", StageName(record.stage));
  object.End();
}

void AppendFacts(const ProcessFacts& facts, ObjectWriter& object) {
  if (!facts.user_name.empty()) object.Text("user", facts.user_name);
  if (!facts.cmdline.empty()) {
    std::string joined;
    for (const std::string& argument : facts.cmdline) {
      if (joined.size() > kMaxTextBytes) break;
      if (!joined.empty()) joined.push_back(' ');
      joined.append(TruncateUtf8(argument, kMaxTextBytes));
    }
    object.Text("cmdline", joined);
  }
  if (!facts.cgroup.empty()) object.Text("cgroup", facts.cgroup);
  if (!facts.parent_paths.empty()) {
    object.Texts("parents", facts.parent_paths);
  }
}

void AppendOwners(const DecisionRecord& record, std::string* out) {
  char separator = '[';
  size_t shown = 0;
  for (const auto& owner : record.ownership.owners) {
    if (owner == nullptr) continue;
    if (shown++ == kMaxOwnersShown) break;
    out->push_back(separator);
    separator = ',';
    ObjectWriter object(out);
    if (owner->app) object.Text("path", owner->app->path);
    object.Number("pid", static_cast<uint32_t>(owner->id.pid));
    object.Number("uid", owner->uid);
    object.End();
  }
  if (separator == '[') out->push_back('[');
  out->push_back(']');
}

std::string_view StateName(const App& app) {
  if (app.kind == App::Kind::kMemfd) return "memfd";
  return app.path_is_exe ? "ok" : "replaced";
}

void AppendApp(const DecisionRecord& record, std::string* out) {
  ObjectWriter object(out);
  const Process* process = DecisiveProcess(record);
  const App* app = process != nullptr ? process->app.get() : nullptr;
  if (app != nullptr && !app->path.empty()) object.Text("path", app->path);
  if (process != nullptr && process->id.pid > 0) {
    object.Number("pid", static_cast<uint32_t>(process->id.pid));
    object.Number("start_time", process->id.start_ticks);
  }
  if (const auto uid = UidOf(record)) object.Number("uid", *uid);
  if (process != nullptr) {
    if (const ProcessFacts* facts = process->facts()) {
      AppendFacts(*facts, object);
    }
  }
  if (app != nullptr && !app->sha256.empty()) {
    object.Text("sha256", app->sha256);
  }
  object.Word("confidence", ConfidenceName(record.ownership.confidence));
  if (app != nullptr && app->kind != App::Kind::kKernel) {
    object.Word("state", StateName(*app));
  }
  if (record.ownership.owners.size() > 1) {
    object.Key("owners");
    AppendOwners(record, out);
  }
  object.End();
}

}  // namespace

void AppendEventJson(const DecisionRecord& record, const EventContext& context,
                     std::string* out) {
  ObjectWriter object(out);
  char time[32];
  object.Word("timestamp", FormatTimestamp(record.time_ns, time));
  object.Word("event_type", "flow");
  AppendFlow(record, context, object);
  object.Key("verdict");
  AppendVerdict(record, out);
  object.Key("app");
  AppendApp(record, out);
  object.End();
}

std::string EventToJson(const DecisionRecord& record,
                        const EventContext& context) {
  std::string out;
  AppendEventJson(record, context, &out);
  return out;
}

std::string EventToText(const DecisionRecord& record) {
  const Decision& decision = record.decision;
  std::string out = VerdictName(decision.verdict);
  if (decision.would_deny()) {
    out.append(" (would ").append(VerdictName(decision.judged)).append(")");
  }
  out.push_back(' ');
  const std::string_view path = AppPathOf(record);
  if (path.empty()) {
    out.append("unknown program");
  } else {
    AppendEscaped(TruncateUtf8(path, kMaxTextBytes), &out);
  }
  if (const Process* process = DecisiveProcess(record)) {
    out.append("[" + std::to_string(process->id.pid) + "]");
  }
  if (const auto uid = UidOf(record)) {
    out.append(" uid " + std::to_string(*uid));
  }
  if (HasAddresses(record)) {
    char buffer[4];
    out.append(" -> ").append(ProtocolName(record.flow.protocol, buffer));
    const std::string address = record.flow.dst.ToString();
    if (!record.flow.HasPorts()) {
      out.append(" " + address);
    } else if (record.flow.dst.IsV4()) {
      out.append(" " + address + ":");
    } else {
      out.append(" [" + address + "]:");
    }
    if (record.flow.HasPorts()) {
      out.append(std::to_string(record.flow.dst_port));
    }
  }
  const std::string_view rule = RuleNameOf(record);
  if (rule.empty()) {
    out.append(" (").append(ReasonName(decision.reason)).append(")");
  } else {
    out.append(" (rule ");
    AppendEscaped(rule, &out);
    out.push_back(')');
  }
  return out;
}

// FNV-1a over bytes in network order, folded to 53 bits: the same everywhere.
uint64_t FlowId(const Flow& flow) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](uint8_t byte) {
    hash = (hash ^ byte) * 0x100000001b3;
  };
  for (const uint8_t byte : flow.src.bytes) mix(byte);
  for (const uint8_t byte : flow.dst.bytes) mix(byte);
  for (const uint16_t port : {flow.src_port, flow.dst_port}) {
    mix(static_cast<uint8_t>(port >> 8));
    mix(static_cast<uint8_t>(port & 0xff));
  }
  mix(flow.protocol);
  return (hash ^ hash >> 53) & ((uint64_t{1} << 53) - 1);
}

bool IsViolation(const DecisionRecord& record) {
  return record.decision.verdict != Verdict::kAllow ||
         record.decision.would_deny();
}

const Process* DecisiveProcess(const DecisionRecord& record) {
  const auto& owners = record.ownership.owners;
  if (owners.empty()) return nullptr;
  const size_t index =
      std::min<size_t>(record.decisive_owner, owners.size() - 1);
  return owners[index].get();
}

std::string_view AppPathOf(const DecisionRecord& record) {
  const Process* process = DecisiveProcess(record);
  if (process == nullptr || process->app == nullptr) return {};
  return process->app->path;
}

std::optional<uint32_t> UidOf(const DecisionRecord& record) {
  if (const Process* process = DecisiveProcess(record)) return process->uid;
  return record.ownership.socket_uid;
}

}  // namespace sallyport
