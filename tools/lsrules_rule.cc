#include "tools/lsrules_rule.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rules/app_pattern.h"
#include "rules/flow.h"
#include "rules/rule.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// Keys that do not say when a rule matches.
constexpr std::array<std::string_view, 11> kIgnored = {
    "notes",      "help",         "title",
    "name",       "creationDate", "modificationDate",
    "origin",     "approved",     "isUnapproved",
    "unapproved", "group"};
constexpr std::array<std::string_view, 7> kTexts = {
    "action", "process", "via", "remote", "direction", "priority", "owner"};
constexpr std::array<std::string_view, 6> kOthers = {
    "remote-addresses", "remote-hosts", "remote-domains",
    "disabled",         "ports",        "protocol"};

template <size_t N>
bool Contains(const std::array<std::string_view, N>& keys,
              std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// REQUIRES: Check found nothing wrong with the types
std::string TextOf(const InputJson& rule, const char* key,
                   std::string_view otherwise) {
  std::string text(otherwise);
  std::string ignored;
  ReadText(rule, key, &text, &ignored);
  return text;
}

// Reads one rule of the file. Its methods return why the rule cannot be said;
// empty: it can.
class RuleReader {
 public:
  RuleReader(const ImportOptions& options, const InputJson& in, LsRule* out,
             std::vector<std::string>* remarks)
      : options_(options), in_(in), out_(*out), remarks_(*remarks) {}

  std::string Read() {
    using Step = std::string (RuleReader::*)();
    constexpr Step kSteps[] = {
        &RuleReader::Check,    &RuleReader::Action,    &RuleReader::Process,
        &RuleReader::Owner,    &RuleReader::Remote,    &RuleReader::Ports,
        &RuleReader::Protocol, &RuleReader::Direction, &RuleReader::Rest};
    for (const Step step : kSteps) {
      std::string problem = (this->*step)();
      if (!problem.empty()) return problem;
    }
    return "";
  }

 private:
  std::string Check();
  std::string Action();
  std::string Process();
  std::string Owner();
  std::string Remote();
  std::string RemoteClass(const std::string& name);
  std::string Ports();
  std::string Protocol();
  std::string Direction();
  std::string Rest();

  const ImportOptions& options_;
  const InputJson& in_;
  LsRule& out_;
  std::vector<std::string>& remarks_;
};

// A key that is not known could narrow the rule, and so could one of another
// type than it should have.
std::string RuleReader::Check() {
  for (const auto& [key, value] : in_.items()) {
    if (Contains(kIgnored, key)) continue;
    if (!Contains(kTexts, key) && !Contains(kOthers, key)) {
      return Concat("key ", QuoteForMessage(key), " is not known");
    }
    if (value.is_null()) return Concat(key, " is null");
    if (Contains(kTexts, key) && !value.is_string()) {
      return Concat(key, " must be a string");
    }
  }
  return "";
}

std::string RuleReader::Action() {
  const std::string action = TextOf(in_, "action", "ask");
  if (action == "ask") return "to ask is no policy of an imported rule";
  if (action != "allow" && action != "deny") {
    return Concat("action ", QuoteForMessage(action), " is not known");
  }
  out_.json["policy"] = action;
  out_.allow = action == "allow";
  return "";
}

// The app of a process; nullopt if it names none of this system.
std::optional<std::string> AppOf(const std::string& process) {
  if (process == "any") return std::string(kAnyApp);
  const bool mac = process.find(".app/Contents/") != process.npos ||
                   process.starts_with("/Applications/") ||
                   process.starts_with("/System/") ||
                   process.starts_with("/Library/") ||
                   process.starts_with("/Users/");
  // Wildcards are not the same there, and "identifier..." is a signature.
  if (mac || !process.starts_with('/') || process.find('*') != process.npos) {
    return std::nullopt;
  }
  std::string app = ExactAppText(process);
  return AppPattern::Parse(app).ok() ? std::optional(app) : std::nullopt;
}

std::string RuleReader::Process() {
  const std::string process = TextOf(in_, "process", "any");
  const std::string via = TextOf(in_, "via", "");
  const auto app = AppOf(process);
  const auto helper = via.empty() ? app : AppOf(via);
  if (!app.has_value() || !helper.has_value()) {
    return Concat("process ", QuoteForMessage(app.has_value() ? via : process),
                  " is no program of this system");
  }
  out_.any_process = *app == kAnyApp;
  out_.no_via = via.empty();
  // There, a program connects on behalf of another; here it has a parent.
  out_.json["app"] = *helper;
  if (!via.empty() && !out_.any_process) out_.json["parent"] = {*app};
  if (via.empty() && !out_.any_process && !out_.allow) {
    remarks_.push_back(
        "meets what the program starts too in Little Snitch; here only the "
        "program itself");
  }
  return "";
}

std::string RuleReader::Owner() {
  std::string owner = TextOf(in_, "owner", "any");
  out_.any_user = owner == "any";
  if (owner == "any") return "";
  if (owner == "me") {
    if (options_.user.empty()) {
      return "owner me: say who that is with --user NAME";
    }
    owner = options_.user;
  } else if (owner == "system") {
    owner = "root";
    remarks_.push_back("owner system is read as root alone");
  }
  if (owner.empty() || owner.size() > kMaxUserBytes ||
      DescriptionOf(owner) != owner) {
    return Concat("owner ", QuoteForMessage(owner), " is no user's name");
  }
  out_.json["user"] = {owner};
  return "";
}

std::string RuleReader::Remote() {
  constexpr std::pair<const char*, LsKind> kLists[] = {
      {"remote-addresses", LsKind::kAddresses},
      {"remote-hosts", LsKind::kHosts},
      {"remote-domains", LsKind::kDomains}};
  size_t found = in_.contains("remote") ? 1 : 0;
  for (const auto& [key, kind] : kLists) {
    if (!in_.contains(key)) continue;
    ++found;
    out_.kind = kind;
    std::vector<std::string> entries;
    if (!LsEntries(in_[key], &entries) || entries.empty()) {
      return Concat(key, " must be a text or a list of texts");
    }
    for (const std::string& entry : entries) {
      const auto value = LsEntry(kind, entry);
      if (!value.has_value()) {
        return Concat(key, ": ", QuoteForMessage(entry),
                      kind == LsKind::kAddresses ? " is no address or range"
                                                 : " is no name");
      }
      out_.json["to"].push_back(*value);
    }
    out_.list_size = entries.size();
  }
  if (found > 1) return "it names more than one kind of remote";
  return in_.contains("remote") ? RemoteClass(TextOf(in_, "remote", "any"))
                                : "";
}

std::string RuleReader::RemoteClass(const std::string& name) {
  if (name == "any") return "";
  if (name == "multicast" || name == "broadcast") {
    out_.kind = name == "multicast" ? LsKind::kMulticast : LsKind::kBroadcast;
    out_.json["to"] = {name};
    return "";
  }
  if (name == "bonjour") {
    out_.kind = LsKind::kBonjour;
    out_.json["to"] = {"224.0.0.251", "ff02::fb"};
    return "";
  }
  if (name == "local-net" && !out_.allow) {
    out_.kind = LsKind::kLocalNet;
    out_.json["to"] = {"lan"};
    remarks_.push_back(
        "remote local-net is the networks this machine is in; here it denies "
        "all private networks");
    return "";
  }
  if (name == "local-net") {
    return "remote local-net is the networks this machine is in; lan here is "
           "all private networks, which is more";
  }
  return Concat("remote ", QuoteForMessage(name), " has no meaning here");
}

std::string RuleReader::Ports() {
  out_.any_port = true;
  const auto at = in_.find("ports");
  if (at == in_.end()) return "";
  std::vector<std::string> entries;
  if (!LsEntries(*at, &entries) || entries.size() > kMaxRuleListEntries) {
    return "ports must be a number, a range or a list of them";
  }
  if (entries == std::vector<std::string>{"any"}) return "";
  for (const std::string& entry : entries) {
    Json port = PortValue(entry);
    if (port.is_null()) {
      return Concat("ports: ", QuoteForMessage(entry), " is no port");
    }
    out_.json["port"].push_back(std::move(port));
  }
  out_.any_port = false;
  return out_.json.contains("port") ? "" : "ports is empty";
}

std::string RuleReader::Protocol() {
  out_.any_protocol = true;
  const auto at = in_.find("protocol");
  if (at == in_.end()) return "";
  if (!at->is_string() && !at->is_number_unsigned()) {
    return "protocol must be a name or a number";
  }
  const std::string name =
      at->is_string() ? at->get<std::string>() : at->dump();
  if (name == "any") return "";
  const absl::StatusOr<uint8_t> protocol = ParseProtocol(name);
  if (!protocol.ok()) {
    return Concat("protocol ", QuoteForMessage(name), " is not known");
  }
  out_.json["protocol"] = {ProtocolName(*protocol)};
  out_.any_protocol = false;
  if (!out_.any_port && !Flow{.protocol = *protocol}.HasPorts()) {
    return "a protocol without ports, and ports";
  }
  return "";
}

std::string RuleReader::Direction() {
  const std::string direction = TextOf(in_, "direction", "outgoing");
  if (direction == "outgoing") return "";
  if (direction == "both") {
    remarks_.push_back("direction both: taken over for what goes out");
    return "";
  }
  if (direction == "incoming") return "incoming connections are not judged";
  return Concat("direction ", QuoteForMessage(direction), " is not known");
}

std::string RuleReader::Rest() {
  const std::string priority = TextOf(in_, "priority", "regular");
  out_.high = priority == "high";
  if (!out_.high && priority != "regular" && priority != "default" &&
      priority != "normal") {
    return Concat("priority ", QuoteForMessage(priority), " is not known");
  }
  bool disabled = false;
  std::string problem;
  if (!ReadBool(in_, "disabled", &disabled, &problem)) {
    return Concat("disabled ", problem);
  }
  if (disabled) out_.json["enabled"] = false;
  const std::string notes = DescriptionOf(TextOf(in_, "notes", ""));
  if (!notes.empty()) out_.json["description"] = notes;
  return "";
}

}  // namespace

std::string ReadLsRule(const InputJson& rule, const ImportOptions& options,
                       LsRule* out, std::vector<std::string>* remarks) {
  return RuleReader(options, rule, out, remarks).Read();
}

bool LsEntries(const InputJson& value, std::vector<std::string>* out) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    for (std::string_view part : Split(text, ',')) {
      out->emplace_back(Trim(part));
    }
    return true;
  }
  if (value.is_number_unsigned()) {
    out->push_back(value.dump());
    return true;
  }
  if (!value.is_array()) return false;
  for (const InputJson& element : value) {
    if (!element.is_string() && !element.is_number_unsigned()) return false;
    out->push_back(element.is_string() ? element.get<std::string>()
                                       : element.dump());
  }
  return true;
}

std::optional<std::string> LsEntry(LsKind kind, const std::string& text) {
  if (kind == LsKind::kAddresses) return CanonicalAddresses(text);
  auto host = CanonicalHost(text);
  if (host.has_value() && kind == LsKind::kHosts) return "=" + *host;
  return host;
}

}  // namespace sallyport::cli
