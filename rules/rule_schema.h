#ifndef SALLYPORT_RULES_RULE_SCHEMA_H_
#define SALLYPORT_RULES_RULE_SCHEMA_H_

// The fields of a rule, each told once: its name, how it is set from a value
// and how it is written as values. Rule files, the control API and the CLI are
// adapters over this table: they turn their own kind of value (TOML, JSON) into
// a FieldValue and back. Pure; constant; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rules/rule.h"

namespace sallyport {

// A kind of value that no field takes: "a list", "a table", "null".
struct OtherValue {
  const char* kind;
  bool operator==(const OtherValue&) const = default;
};
// A scalar, or one element of a list.
using FieldValue =
    std::variant<std::string, int64_t, bool, absl::Time, OtherValue>;

struct RuleField {
  std::string_view name;
  // A list may be written as its only element too.
  bool is_list;
  // A rule without it is refused.
  bool is_required;
  // Sets the field, or adds an element to it. The status says what is wrong
  // and what to write instead, without naming the field.
  absl::Status (*read)(const FieldValue& value, Rule* rule);
  // What `read` takes; a list of any length, else one value. Empty: not set.
  std::vector<FieldValue> (*write)(const Rule& rule);
  // Makes it what it is where it is not written.
  void (*clear)(Rule* rule);
};

// In the order in which people read a rule.
std::span<const RuleField> RuleFields();
const RuleField* FindRuleField(std::string_view name);  // null: unknown

// "unknown key 'nam'; did you mean 'name'?"; `word` is what the reader calls a
// field.
std::string UnknownFieldMessage(std::string_view word, std::string_view name);

// "2026-12-31T18:00:00Z": a moment in JSON as a text, in TOML without quotes.
std::string FieldTimeText(absl::Time time);

// True if the field has the value that it has where it is not written.
bool IsDefault(const RuleField& field, const Rule& rule);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_SCHEMA_H_
