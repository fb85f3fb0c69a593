// The writing half of rule_text.h.

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rules/rule_schema.h"
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
  absl::StrAppendFormat(out, "%-11s = %s\n", key, value);
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

std::string ValueText(const FieldValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Concat(*number);
  if (const auto* boolean = std::get_if<bool>(&value)) {
    return *boolean ? "true" : "false";
  }
  if (const auto* time = std::get_if<absl::Time>(&value)) {
    return FieldTimeText(*time);
  }
  return TomlString(std::get<std::string>(value));
}

void PrintRule(const Rule& rule, std::string* out) {
  AppendTo(out, "[[rule]]\n");
  for (const RuleField& field : RuleFields()) {
    if (!field.is_required && IsDefault(field, rule)) continue;
    std::vector<std::string> values;
    for (const FieldValue& value : field.write(rule)) {
      values.push_back(ValueText(value));
    }
    PrintList(field.name, values, out);
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
