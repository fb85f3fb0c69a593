#include "src/config.h"

#include <sys/un.h>

#include <bit>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "rules/text_util.h"
#include "src/config_key.h"

namespace sallyport {
namespace {

constexpr int kMaxQueues = 64;              // DESIGN, Limits
constexpr int kMaxSlowLaneThreads = 16;     // they read /proc: more only fight
constexpr int64_t kMaxDeadlineMs = 60'000;  // a TCP SYN is sent again long
                                            // before
constexpr int64_t kMaxMib = 1 << 20;        // 1 TiB
constexpr int64_t kMaxAgeDays = 36'500;     // 100 years
constexpr int kMinMarkBits = 4;             // allowed, rejected, canary, spare
constexpr size_t kMaxRulesDirs = 64;
constexpr size_t kMaxGroupNameBytes = 32;  // useradd's limit

template <typename T>
using Choice = std::pair<std::string_view, T>;

constexpr Choice<Mode> kModes[] = {{"monitor", Mode::kMonitor},
                                   {"learn", Mode::kLearn},
                                   {"enforce", Mode::kEnforce},
                                   {"lockdown", Mode::kLockdown}};
constexpr Choice<Verdict> kVerdicts[] = {{"allow", Verdict::kAllow},
                                         {"deny", Verdict::kDeny},
                                         {"reject", Verdict::kReject}};
constexpr Choice<FailPosture> kPostures[] = {{"open", FailPosture::kOpen},
                                             {"closed", FailPosture::kClosed}};
constexpr Choice<QueueExpression> kExpressions[] = {
    {"auto", QueueExpression::kAuto},
    {"native", QueueExpression::kNative},
    {"xt", QueueExpression::kXt},
    {"none", QueueExpression::kNone}};
constexpr Choice<ExistingFlows> kExisting[] = {
    {"recheck", ExistingFlows::kRecheck},
    {"accept", ExistingFlows::kAccept},
    {"cut", ExistingFlows::kCut}};
constexpr Choice<AttributionSource> kSources[] = {
    {"auto", AttributionSource::kAuto}, {"proc", AttributionSource::kProc}};
constexpr Choice<bool> kLoopback[] = {{"judge", true}, {"skip", false}};
constexpr Choice<bool> kAccess[] = {{"group", false}, {"everyone", true}};

const std::string& Text(const ConfigValue& value) {
  return std::get<std::string>(value);
}

template <typename T, size_t kCount>
std::string Choose(const ConfigValue& value, const Choice<T> (&choices)[kCount],
                   T* out) {
  for (const auto& [name, meaning] : choices) {
    if (name == Text(value)) {
      *out = meaning;
      return "";
    }
  }
  return Concat("got ", QuoteForMessage(Text(value)));
}

template <typename T>
std::string InRange(const ConfigValue& value, int64_t low, int64_t high,
                    T* out) {
  const int64_t number = std::get<int64_t>(value);
  if (number < low || number > high) return Concat("got ", number);
  *out = static_cast<T>(number);
  return "";
}

std::string AbsolutePath(const ConfigValue& value, std::string* out) {
  if (Text(value).empty() || Text(value)[0] != '/') {
    return Concat("got ", QuoteForMessage(Text(value)));
  }
  *out = Text(value);
  return "";
}

std::string SetMarkMask(const ConfigValue& value, Config* config) {
  uint64_t mask = 0;
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    mask = *number < 0 ? UINT64_MAX : static_cast<uint64_t>(*number);
  } else if (!absl::SimpleHexAtoi(Text(value), &mask)) {
    return Concat("got ", QuoteForMessage(Text(value)));
  }
  if (mask > UINT32_MAX) return "it does not fit into 32 bits";
  const uint32_t bits = static_cast<uint32_t>(mask);
  const uint32_t shifted = bits == 0 ? 0 : bits >> std::countr_zero(bits);
  if (std::popcount(bits) < kMinMarkBits || (shifted & (shifted + 1)) != 0) {
    return absl::StrFormat("got 0x%08x", bits);
  }
  config->mark_mask = bits;
  return "";
}

std::string SetRulesDirs(const ConfigValue& value, Config* config) {
  const auto& dirs = std::get<std::vector<std::string>>(value);
  if (dirs.size() > kMaxRulesDirs) return Concat("got ", dirs.size());
  for (const std::string& dir : dirs) {
    if (dir.empty() || dir[0] != '/') {
      return Concat("got ", QuoteForMessage(dir));
    }
  }
  config->rules_dirs = dirs;
  return "";
}

std::string SetSocket(const ConfigValue& value, Config* config) {
  if (Text(value).size() >= sizeof(sockaddr_un::sun_path)) {
    return Concat("got one of ", Text(value).size(), " bytes");
  }
  return AbsolutePath(value, &config->socket);
}

std::string SetUnattributed(const ConfigValue& value, Config* config) {
  config->unattributed.reset();
  if (Text(value) == "same") return "";
  Verdict verdict;
  std::string error = Choose(value, kVerdicts, &verdict);
  if (error.empty()) config->unattributed = verdict;
  return error;
}

std::string SetEventLog(const ConfigValue& value, Config* config) {
  if (Text(value) != "none" && Text(value) != "journal") {
    return AbsolutePath(value, &config->event_log);
  }
  config->event_log = Text(value);
  return "";
}

std::string SetControlGroup(const ConfigValue& value, Config* config) {
  if (Text(value).size() > kMaxGroupNameBytes) return "it is too long";
  config->control_group = Text(value);
  return "";
}

std::string SetOffload(const ConfigValue& value, Config*) {
  if (Text(value) == "off") return "";
  return Text(value) == "on" ? "offload is not in this build"
                             : Concat("got ", QuoteForMessage(Text(value)));
}

std::string SetAttribution(const ConfigValue& value, Config* config) {
  if (Text(value) == "bpf") return "the BPF source is not in this build";
  return Choose(value, kSources, &config->attribution);
}

std::string SetDeadline(const ConfigValue& value, Config* config) {
  int64_t ms = 0;
  std::string error = InRange(value, 1, kMaxDeadlineMs, &ms);
  if (error.empty()) config->resolve_deadline = absl::Milliseconds(ms);
  return error;
}

using Kind = ConfigKind;
using Value = ConfigValue;

constexpr ConfigRow kRows[] = {
    {{"rules_dirs", "a list of at most 64 absolute paths", "--rules-dir",
      "directory with the admin's rules; may be given again"},
     Kind::kTexts,
     SetRulesDirs},
    {{"state_dir", "an absolute path", "--state-dir",
      "directory for what we write: rules.d, history"},
     Kind::kText,
     [](const Value& v, Config* c) { return AbsolutePath(v, &c->state_dir); }},
    {{"socket", "an absolute path of at most 107 bytes", "--socket",
      "control socket"},
     Kind::kText,
     SetSocket},
    {{"control_group", "the name of a group, at most 32 bytes, or \"\"", "",
      "group that may use everything on the socket"},
     Kind::kText,
     SetControlGroup},
    {{"socket_access", "\"group\" or \"everyone\"", "",
      "who may connect; others than the group see their own flows only"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kAccess, &c->socket_for_everyone);
     }},
    {{"mode", "\"monitor\", \"learn\", \"enforce\" or \"lockdown\"", "--mode",
      "what is done with verdicts"},
     Kind::kText,
     [](const Value& v, Config* c) { return Choose(v, kModes, &c->mode); }},
    {{"default", "\"allow\", \"deny\" or \"reject\"", "--default",
      "verdict for known programs that no rule speaks of"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kVerdicts, &c->default_verdict);
     }},
    {{"unattributed", "\"same\", \"allow\", \"deny\" or \"reject\"", "",
      "verdict for flows whose program could not be found"},
     Kind::kText,
     SetUnattributed},
    {{"on_failure", "\"open\" or \"closed\"", "--on-failure",
      "what new flows get when the daemon cannot answer"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kPostures, &c->on_failure);
     }},
    {{"loopback", "\"judge\" or \"skip\"", "",
      "whether flows to this machine itself are judged"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kLoopback, &c->judge_loopback);
     }},
    {{"builtin_loopback_rule", "true or false", "",
      "allow loopback unless a rule says otherwise"},
     Kind::kYesNo,
     [](const Value& v, Config* c) {
       c->builtin_loopback_rule = std::get<bool>(v);
       return std::string();
     }},
    {{"existing_flows", "\"recheck\", \"accept\" or \"cut\"", "",
      "flows that are older than the daemon"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kExisting, &c->existing_flows);
     }},
    {{"divert", "\"auto\", \"native\", \"xt\" or \"none\"", "--divert",
      "how the kernel ruleset says 'queue'"},
     Kind::kText,
     [](const Value& v, Config* c) {
       return Choose(v, kExpressions, &c->divert);
     }},
    {{"attribution", "\"auto\" or \"proc\"", "--attribution",
      "how the program behind a flow is found"},
     Kind::kText,
     SetAttribution},
    {{"offload", "\"off\"", "--offload",
      "let the kernel apply settled verdicts"},
     Kind::kText,
     SetOffload},
    {{"queues", "a number from 1 to 64", "--queues",
      "packet queues, one thread each"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 1, kMaxQueues, &c->queues);
     }},
    {{"queue_base", "a number from 0 to 65535", "--queue-base",
      "number of the first queue"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 0, 65535, &c->queue_base);
     }},
    {{"mark_mask",
      "at least four neighbouring bits of 32, as in \"0x00f00000\"", "",
      "bits of packet and conntrack marks that are ours"},
     Kind::kTextOrNumber,
     SetMarkMask},
    {{"slow_lane_threads", "a number from 1 to 16", "",
      "threads for owners that take long to find"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 1, kMaxSlowLaneThreads, &c->slow_lane_threads);
     }},
    {{"resolve_deadline_ms", "a number from 1 to 60000", "",
      "how long a packet may wait for its owner to be found"},
     Kind::kNumber,
     SetDeadline},
    {{"event_log", "\"none\", \"journal\" or an absolute path", "",
      "where events go, one JSON object a line"},
     Kind::kText,
     SetEventLog},
    {{"event_log_max_mib", "a number from 1 to 1048576", "",
      "size at which the event log is rotated"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 1, kMaxMib, &c->event_log_max_mib);
     }},
    {{"history.max_age_days", "a number from 1 to 36500", "",
      "how long events are kept"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 1, kMaxAgeDays, &c->history_max_age_days);
     }},
    {{"history.max_mib", "a number from 1 to 1048576", "",
      "size of the history"},
     Kind::kNumber,
     [](const Value& v, Config* c) {
       return InRange(v, 1, kMaxMib, &c->history_max_mib);
     }},
};

}  // namespace

std::span<const ConfigRow> ConfigRows() { return kRows; }

const ConfigRow* FindConfigRow(std::string_view name) {
  for (const ConfigRow& row : kRows) {
    if (name == row.key.name) return &row;
  }
  return nullptr;
}

std::string SetConfigKey(const ConfigRow& row, const ConfigValue& value,
                         Config* config) {
  const std::string* text = std::get_if<std::string>(&value);
  // c_str() would cut it: what is checked and what is opened must be one.
  if (text != nullptr && text->find('\0') != std::string::npos) {
    return Concat("expected ", row.key.expected, "; got one with a NUL byte");
  }
  std::string error = row.set(value, config);
  if (error.empty()) return "";
  return Concat("expected ", row.key.expected, "; ", error);
}

const ConfigKey* FindConfigKey(std::string_view name) {
  const ConfigRow* row = FindConfigRow(name);
  return row == nullptr ? nullptr : &row->key;
}

std::vector<ConfigKey> ConfigKeys() {
  std::vector<ConfigKey> keys;
  for (const ConfigRow& row : kRows) keys.push_back(row.key);
  return keys;
}

absl::Status ValidateConfig(const Config& config) {
  if (config.queue_base + config.queues > 65536) {
    return absl::InvalidArgumentError(
        Concat("queue_base: ", config.queue_base, " + ", config.queues,
               " queues goes beyond queue 65535; write at most ",
               65536 - config.queues));
  }
  for (const std::string& dir : config.rules_dirs) {
    // It would be read twice, and every rule in it be a duplicate.
    if (dir == config.state_rules_dir()) {
      return absl::InvalidArgumentError(Concat("rules_dirs: leave out ",
                                               QuoteForMessage(dir),
                                               ": it is ours and read anyway"));
    }
  }
  return absl::OkStatus();
}

}  // namespace sallyport
