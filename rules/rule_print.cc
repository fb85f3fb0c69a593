// The writing half of rule_text.h.

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// Lists longer than this get a line per element.
constexpr size_t kMaxElementsOnALine = 6;

bool NeedsEscape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// A literal string where it is easier to read: backslashes stay single.
std::string TomlString(std::string_view text) {
  bool literal = text.find_first_of("\\\"") != text.npos;
  for (char c : text) literal = literal && c != '\'' && !NeedsEscape(c);
  if (literal) return Concat("'", text, "'");
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (NeedsEscape(c)) {
      absl::StrAppendFormat(&quoted, "\\u%04X", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

void PrintField(std::string_view key, std::string_view value,
                std::string* out) {
  absl::StrAppendFormat(out, "%s = %s\n", key, value);
}

void PrintList(std::string_view key, const std::vector<std::string>& values,
               std::string* out) {
  if (values.empty()) return;
  if (values.size() == 1) {
    PrintField(key, values[0], out);
  } else if (values.size() <= kMaxElementsOnALine) {
    PrintField(key, Concat("[", absl::StrJoin(values, ", "), "]"), out);
  } else {
    PrintField(key, Concat("[\n  ", absl::StrJoin(values, ",\n  "), "\n]"),
               out);
  }
}

void PrintRule(const Rule& rule, std::string* out) {
  AppendTo(out, "[[rule]]\n");
  PrintField("name", TomlString(rule.name), out);
  PrintField("policy", TomlString(RulePolicyName(rule.policy)), out);
  PrintField("app", TomlString(rule.app), out);
  std::vector<std::string> values;
  for (const std::string& digest : rule.sha256) {
    values.push_back(TomlString(digest));
  }
  PrintList("sha256", values, out);
  values.clear();
  for (const Destination& destination : rule.to) {
    values.push_back(TomlString(DestinationToString(destination)));
  }
  PrintList("to", values, out);
  values.clear();
  for (PortRange range : rule.port) {
    const std::string text = PortToString(range);
    values.push_back(range.first == range.last ? text : TomlString(text));
  }
  PrintList("port", values, out);
  values.clear();
  for (uint8_t protocol : rule.protocol) {
    values.push_back(TomlString(ProtocolName(protocol)));
  }
  PrintList("protocol", values, out);
  if (!rule.user.empty()) PrintField("user", TomlString(rule.user), out);
  if (rule.priority != 0) {
    PrintField("priority", Concat(rule.priority), out);
  }
  if (!rule.enabled) PrintField("enabled", "false", out);
  if (!rule.log) PrintField("log", "false", out);
  if (!rule.description.empty()) {
    PrintField("description", TomlString(rule.description), out);
  }
}

}  // namespace

std::string PrintRules(std::span<const Rule> rules) {
  std::string out;
  for (const Rule& rule : rules) {
    if (!out.empty()) out += '\n';
    PrintRule(rule, &out);
  }
  return out;
}

std::string FormatRuleErrors(std::string_view origin,
                             std::span<const RuleError> errors) {
  std::string out;
  for (const RuleError& error : errors) {
    AppendTo(&out, origin, ":", error.line, ":", error.column, ": ",
             error.message, "\n");
  }
  return out;
}

}  // namespace sallyport
