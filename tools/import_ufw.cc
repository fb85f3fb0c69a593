#include "tools/import_ufw.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>

#include "rules/rule.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/import_builder.h"
#include "tools/import_text.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kTuple = "### tuple ###";
constexpr std::string_view kComment = " comment=";

struct UfwRule {
  std::string where;  // FILE:LINE
  std::string action;
  std::string protocol;
  std::string dport;
  std::string dst;
  std::string sport;
  std::string src;
  std::string direction;  // "in", "out_eth0", "in_a!out_b"
  std::string comment;
  bool forwarded = false;
  bool v6 = false;

  // As `ufw status` would call it, for notes.
  std::string Text() const {
    return Concat(forwarded ? "route " : "", action, " ", direction, " to ",
                  dst, " port ", dport, " proto ", protocol, " from ", src,
                  " port ", sport);
  }
};

bool IsEverywhere(std::string_view address) {
  return address == "0.0.0.0/0" || address == "::/0" || address == "any";
}

// The bytes that `hex` stands for; nullopt if it is not hexadecimal.
std::optional<std::string> FromHex(std::string_view hex) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = value(hex[i]);
    const int low = value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

// What is wrong with a tuple; empty: nothing.
std::string ReadTuple(std::string_view line, UfwRule* rule) {
  line.remove_prefix(kTuple.size());
  if (const size_t at = line.find(kComment); at != line.npos) {
    const auto comment = FromHex(Trim(line.substr(at + kComment.size())));
    if (!comment.has_value()) return "comment= is not hexadecimal";
    rule->comment = *comment;
    line = line.substr(0, at);
  }
  const std::vector<std::string_view> words = Words(line);
  if (words.size() < 6 || words.size() > 9) {
    return Concat("a tuple has 6 to 9 fields, this one ", words.size());
  }
  std::string_view action = words[0];
  if (action.starts_with("route:")) {
    rule->forwarded = true;
    action.remove_prefix(6);
  }
  // allow_log, deny_log-all
  rule->action = action.substr(0, action.find('_'));
  for (const char* known : {"allow", "deny", "reject", "limit"}) {
    if (rule->action != known) continue;
    rule->protocol = words[1];
    rule->dport = words[2];
    rule->dst = words[3];
    rule->sport = words[4];
    rule->src = words[5];
    // With 7 and 9 fields the last is the direction; without it, in.
    rule->direction = words.size() % 2 == 1 ? words.back() : "in";
    return "";
  }
  return Concat("field 1: ", QuoteForMessage(rule->action),
                " is none of allow, deny, reject, limit");
}

// Why an outgoing rule cannot be said; empty: it is in `out`.
std::string Translate(const UfwRule& rule, Json* out) {
  if (rule.action == "limit") {
    return "limit counts connections of 30 seconds, which `rate` here does not";
  }
  if (!IsEverywhere(rule.src) || rule.sport != "any") {
    return "its own address or port is no condition here";
  }
  (*out)["policy"] = rule.action;
  (*out)["app"] = "any";
  if (!IsEverywhere(rule.dst)) {
    const auto prefix = CanonicalPrefix(rule.dst);
    if (!prefix.has_value()) {
      return Concat("destination ", QuoteForMessage(rule.dst),
                    " is no address");
    }
    (*out)["to"] = {*prefix};
  }
  if (rule.dport != "any") {
    for (std::string_view text : Split(rule.dport, ',')) {
      Json port = PortValue(text);
      if (port.is_null()) {
        return Concat("port ", QuoteForMessage(text), " is no number");
      }
      (*out)["port"].push_back(std::move(port));
    }
    if ((*out)["port"].size() > kMaxRuleListEntries) return "too many ports";
  }
  if (rule.protocol != "any") {
    const absl::StatusOr<uint8_t> protocol = ParseProtocol(rule.protocol);
    if (!protocol.ok()) {
      return Concat("protocol ", QuoteForMessage(rule.protocol),
                    " is not known here");
    }
    (*out)["protocol"] = {ProtocolName(*protocol)};
  } else if (rule.dport != "any") {
    (*out)["protocol"] = {"tcp", "udp"};  // what ufw makes of it
  }
  if (rule.direction.starts_with("out_")) {
    std::string interface = rule.direction.substr(4);
    // As iptables has it: all devices that begin so.
    const bool all = interface.ends_with('+');
    if (all) interface.pop_back();
    if (!IsDeviceName(interface)) {
      return Concat(QuoteForMessage(interface), " is no interface's name here");
    }
    if (all) interface.push_back('*');
    (*out)["interface"] = {interface};
  }
  (*out)["description"] = DescriptionOf(
      rule.comment.empty() ? Concat("ufw: ", rule.Text()) : rule.comment);
  return "";
}

// For rules that say the same of IPv4 and IPv6.
std::string TwinKey(const UfwRule& rule) {
  return Concat(rule.action, " ", rule.protocol, " ", rule.dport, " ",
                rule.direction, " ", rule.comment);
}

std::string NameOf(const UfwRule& rule) {
  if (!rule.comment.empty()) return Concat("ufw-", rule.comment);
  std::string name = Concat("ufw-", rule.action, "-out");
  if (!IsEverywhere(rule.dst)) AppendTo(&name, "-", rule.dst);
  if (rule.dport != "any") AppendTo(&name, "-", rule.dport);
  if (rule.protocol != "any") AppendTo(&name, "-", rule.protocol);
  return name;
}

struct Made {
  const UfwRule* rule;
  Json json;
};

// A rule of one family alone: if it is for everywhere, that is not both.
void AddOfFamily(Made made, ImportBuilder* builder) {
  if (!made.json.contains("to")) {
    made.json["to"] = {made.rule->v6 ? "::/0" : "0.0.0.0/0"};
  }
  builder->Add(NameOf(*made.rule), std::move(made.json));
}

// Both lists keep their order; where the next of one list has a twin further
// down in the other, the two become one rule there.
void Merge(std::vector<Made> v4, std::vector<Made> v6, ImportBuilder* builder) {
  std::unordered_map<std::string, std::deque<size_t>> twins;
  for (size_t i = 0; i < v6.size(); ++i) {
    if (v6[i].json.contains("to")) continue;
    twins[TwinKey(*v6[i].rule)].push_back(i);
  }
  size_t done = 0;  // of v6
  for (Made& made : v4) {
    size_t twin = v6.size();
    if (!made.json.contains("to")) {
      std::deque<size_t>& places = twins[TwinKey(*made.rule)];
      while (!places.empty() && places.front() < done) places.pop_front();
      if (!places.empty()) twin = places.front();
    }
    if (twin == v6.size()) {
      AddOfFamily(std::move(made), builder);
      continue;
    }
    while (done < twin) AddOfFamily(std::move(v6[done++]), builder);
    builder->Add(NameOf(*made.rule), std::move(made.json));
    ++done;
  }
  while (done < v6.size()) AddOfFamily(std::move(v6[done++]), builder);
}

void ReadFile(const ImportFile& file, std::vector<UfwRule>* rules,
              ImportErrors* errors) {
  size_t number = 0;
  for (std::string_view line : Split(file.text, '\n')) {
    ++number;
    line = Trim(line);
    if (!line.starts_with(kTuple)) continue;
    UfwRule rule;
    rule.where = Concat(file.name, ":", number);
    rule.v6 = file.name.ends_with("6.rules");
    if (const std::string problem = ReadTuple(line, &rule); !problem.empty()) {
      errors->Add(Concat(rule.where, ":1: ", problem));
    } else {
      rules->push_back(std::move(rule));
    }
  }
}

}  // namespace

absl::StatusOr<ImportResult> ImportUfw(std::span<const ImportFile> files,
                                       const ImportOptions& options) {
  ImportErrors errors;
  std::vector<UfwRule> rules;
  for (const ImportFile& file : files) ReadFile(file, &rules, &errors);
  if (!errors.empty()) return errors.ToStatus();

  ImportBuilder builder(options.base_priority);
  std::vector<Made> v4, v6;
  for (const UfwRule& rule : rules) {
    // What comes in or passes through is not judged here, so nothing is lost
    // by leaving ufw to it.
    if (rule.forwarded || rule.direction.starts_with("in")) {
      builder.Note(rule.where, rule.Text(),
                   rule.forwarded
                       ? "forwarded connections are left to ufw; rule left out"
                       : "incoming connections are left to ufw; rule left out");
      continue;
    }
    Made made{&rule, {}};
    std::string problem =
        rule.direction.starts_with("out")
            ? Translate(rule, &made.json)
            : Concat("direction ", QuoteForMessage(rule.direction),
                     " is not known");
    if (problem.empty()) {
      (rule.v6 ? v6 : v4).push_back(std::move(made));
    } else {
      builder.LeaveOut(rule.where, rule.Text(), rule.action, problem);
    }
  }
  Merge(std::move(v4), std::move(v6), &builder);
  builder.Note(
      "ufw's default for outgoing connections (/etc/default/ufw) and its "
      "before.rules and after.rules are not among the rules that were read");
  return builder.Finish();
}

}  // namespace sallyport::cli
