#include "rules/rule_text.h"

#include <toml++/toml.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "rules/rule_blocks.h"
#include "rules/rule_schema.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr int64_t kVersion = 1;

// Without an offset it means another moment on every machine.
FieldValue MomentOf(const toml::date_time& moment) {
  if (!moment.offset.has_value()) {
    return OtherValue{"a time without Z or an offset such as +01:00"};
  }
  const absl::CivilSecond civil(moment.date.year, moment.date.month,
                                moment.date.day, moment.time.hour,
                                moment.time.minute, moment.time.second);
  return absl::FromCivil(civil, absl::UTCTimeZone()) -
         absl::Minutes(moment.offset->minutes);
}

FieldValue ValueOf(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return node.as_string()->get();
    case toml::node_type::integer:
      return node.as_integer()->get();
    case toml::node_type::boolean:
      return node.as_boolean()->get();
    case toml::node_type::table:
      return OtherValue{"a table"};
    case toml::node_type::array:
      return OtherValue{"a list"};
    case toml::node_type::floating_point:
      return OtherValue{"a fraction"};
    case toml::node_type::date_time:
      return MomentOf(node.as_date_time()->get());
    default:
      return OtherValue{"a date or time"};
  }
}

// Where errors go. Lines of a block become lines of the file.
class Errors {
 public:
  explicit Errors(std::vector<RuleError>* errors) : errors_(errors) {}

  void set_first_line(uint32_t line) { first_line_ = line; }

  uint32_t Line(toml::source_position at) const {
    return first_line_ + std::max<uint32_t>(at.line, 1) - 1;
  }
  void Add(toml::source_position at, std::string message) {
    AddLine(Line(at), std::max<uint32_t>(at.column, 1), std::move(message));
  }
  void AddLine(uint32_t line, uint32_t column, std::string message) {
    if (++count_ < kMaxRuleErrors) {
      errors_->push_back({line, column, std::move(message)});
    }
  }
  size_t count() const { return count_; }

  // In order of their places.
  void Finish() {
    std::stable_sort(errors_->begin(), errors_->end(),
                     [](const RuleError& a, const RuleError& b) {
                       return std::tie(a.line, a.column) <
                              std::tie(b.line, b.column);
                     });
    if (count_ < kMaxRuleErrors) return;
    errors_->push_back(
        {errors_->back().line, 1, "too many errors; more not shown"});
  }

 private:
  std::vector<RuleError>* errors_;
  size_t count_ = 0;
  uint32_t first_line_ = 1;
};

// Reads one [[rule]] table.
class RuleReader {
 public:
  RuleReader(const toml::table& table, Errors* errors)
      : table_(table), errors_(errors) {}

  // False if there were errors.
  bool Read(std::string_view origin, Rule* rule) {
    const size_t errors_before = errors_->count();
    rule->origin = std::string(origin);
    for (const auto& [key, value] : table_) ReadKey(key, value, rule);
    for (const RuleField& field : RuleFields()) {
      if (!field.is_required || table_.contains(field.name)) continue;
      errors_->Add(table_.source().begin,
                   Concat("this rule has no '", field.name, "'"));
    }
    if (errors_->count() != errors_before) return false;
    const absl::Status status = ValidateRule(*rule);
    if (status.ok()) return true;
    const std::string message = MessageOf(status);  // "FIELD: ..."
    const toml::node* node =
        table_.get(std::string_view(message).substr(0, message.find(':')));
    errors_->Add((node != nullptr ? node : &table_)->source().begin, message);
    return false;
  }

 private:
  void ReadKey(const toml::key& key, const toml::node& value, Rule* rule) {
    const RuleField* field = FindRuleField(key.str());
    if (field == nullptr) {
      errors_->Add(key.source().begin, UnknownFieldMessage("key", key.str()));
      return;
    }
    const toml::array* list = field->is_list ? value.as_array() : nullptr;
    if (list == nullptr) return ReadValue(*field, value, rule);
    if (list->empty()) {
      errors_->Add(value.source().begin,
                   Concat(field->name,
                          ": the list is empty; leave the key out for no "
                          "limit"));
    }
    for (const toml::node& element : *list) ReadValue(*field, element, rule);
  }

  void ReadValue(const RuleField& field, const toml::node& node, Rule* rule) {
    const absl::Status status = field.read(ValueOf(node), rule);
    if (status.ok()) return;
    errors_->Add(node.source().begin,
                 Concat(field.name, ": ", MessageOf(status)));
  }

  const toml::table& table_;
  Errors* errors_;
};

class FileReader {
 public:
  FileReader(std::string_view origin, RuleParse* out)
      : origin_(origin), out_(out), errors_(&out->errors) {}

  void ReadText(std::string_view text) {
    if (text.size() > kMaxRuleTextBytes) {
      errors_.AddLine(1, 1,
                      Concat("the text has ", text.size(),
                             " bytes; the limit is ", kMaxRuleTextBytes));
      return;
    }
    for (const RuleBlock& block : SplitRuleBlocks(text)) {
      if (errors_.count() >= kMaxRuleErrors) break;
      ReadBlock(block);
    }
    errors_.Finish();
  }

 private:
  void ReadBlock(const RuleBlock& block) {
    errors_.set_first_line(block.line);
    if (block.text.size() > kMaxOneRuleBytes) {
      errors_.AddLine(
          block.line, 1,
          Concat("a rule of more than ", kMaxOneRuleBytes, " bytes; split it"));
      return;
    }
    if (block.deep_key_line != 0) {
      errors_.AddLine(block.deep_key_line, 1,
                      Concat("a key of more than ", kMaxKeyParts, " parts"));
      return;
    }
    try {
      ReadRoot(toml::parse(block.text));
    } catch (const toml::parse_error& error) {
      errors_.Add(error.source().begin, std::string(error.description()));
    }
  }

  void ReadRoot(const toml::table& root) {
    for (const auto& [key, value] : root) {
      if (key == "rule") {
        ReadRuleArray(value);
      } else if (key == "version") {
        ReadVersion(value);
      } else {
        errors_.Add(key.source().begin,
                    Concat("unknown key ", QuoteForMessage(key.str()),
                           "; a rule begins with [[rule]]"));
      }
    }
  }

  void ReadVersion(const toml::node& value) {
    const auto* number = value.as_integer();
    if (number != nullptr && number->get() == kVersion) return;
    errors_.Add(value.source().begin,
                Concat("version: only ", kVersion, " is known"));
  }

  void ReadRuleArray(const toml::node& value) {
    const toml::array* rules = value.as_array();
    if (rules == nullptr) {
      errors_.Add(value.source().begin,
                  "a rule begins with [[rule]], in two brackets");
      return;
    }
    for (const toml::node& element : *rules) {
      const toml::table* table = element.as_table();
      if (table == nullptr) {
        errors_.Add(element.source().begin,
                    "a rule is a table; write [[rule]] and its keys below");
      } else {
        ReadRule(*table);
      }
    }
  }

  void ReadRule(const toml::table& table) {
    if (out_->rules.size() == kMaxRules) {
      if (!full_) {
        errors_.Add(table.source().begin,
                    Concat("more than ", kMaxRules, " rules"));
      }
      full_ = true;
      return;
    }
    Rule rule;
    if (!RuleReader(table, &errors_).Read(origin_, &rule)) return;
    const toml::source_position at = table.get("name")->source().begin;
    const auto [first, fresh] =
        line_of_name_.try_emplace(rule.name, errors_.Line(at));
    if (!fresh) {
      errors_.Add(at, Concat("name: '", rule.name,
                             "' is already the rule of line ", first->second));
      return;
    }
    out_->rules.push_back(std::move(rule));
  }

  std::string_view origin_;
  RuleParse* out_;
  Errors errors_;
  bool full_ = false;
  absl::flat_hash_map<std::string, uint32_t> line_of_name_;
};

}  // namespace

RuleParse ParseRules(std::string_view toml, std::string_view origin) {
  RuleParse parse;
  FileReader(origin, &parse).ReadText(toml);
  return parse;
}

}  // namespace sallyport
