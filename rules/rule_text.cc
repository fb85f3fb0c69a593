#include "rules/rule_text.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "rules/app_pattern.h"
#include "rules/rule_blocks.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr int64_t kVersion = 1;

constexpr std::string_view kKeys[] = {
    "name", "policy",    "app",      "sha256",  "to",  "port",       "protocol",
    "user", "direction", "priority", "enabled", "log", "description"};
// Words of the format that this version does not know: better named than
// taken for a slip of the finger.
constexpr std::string_view kLaterKeys[] = {"parent",    "group",  "cmdline",
                                           "interface", "during", "expires",
                                           "lifetime",  "rate"};

const char* TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a number";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
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
    for (const char* key : {"name", "policy", "app"}) {
      if (table_.contains(key)) continue;
      errors_->Add(table_.source().begin,
                   Concat("this rule has no '", key, "'"));
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
    key_ = key.str();
    if (key_ == "name") {
      String(value, [&](std::string_view text) { rule->name = text; });
    } else if (key_ == "policy") {
      ReadPolicy(value, rule);
    } else if (key_ == "app") {
      String(value,
             [&](std::string_view text) { rule->app = CleanAppText(text); });
    } else if (key_ == "sha256") {
      List(value, [&](const toml::node& e) { ReadSha256(e, rule); });
    } else if (key_ == "to") {
      List(value, [&](const toml::node& e) { ReadDestination(e, rule); });
    } else if (key_ == "port") {
      List(value, [&](const toml::node& e) { ReadPort(e, rule); });
    } else if (key_ == "protocol") {
      List(value, [&](const toml::node& e) { ReadProtocol(e, rule); });
    } else if (key_ == "user") {
      ReadUser(value, rule);
    } else if (key_ == "direction") {
      ReadDirection(value);
    } else if (key_ == "priority") {
      ReadPriority(value, rule);
    } else if (key_ == "enabled") {
      Bool(value, &rule->enabled);
    } else if (key_ == "log") {
      Bool(value, &rule->log);
    } else if (key_ == "description") {
      String(value, [&](std::string_view text) { rule->description = text; });
    } else {
      UnknownKey(key);
    }
  }

  void UnknownKey(const toml::key& key) {
    const bool later = std::find(std::begin(kLaterKeys), std::end(kLaterKeys),
                                 key_) != std::end(kLaterKeys);
    const auto nearest = NearestWord(key_, kKeys);
    std::string message = Concat("unknown key ", QuoteForMessage(key_));
    if (later) {
      AppendTo(&message, "; this version does not support it");
    } else if (nearest.has_value()) {
      AppendTo(&message, "; did you mean '", *nearest, "'?");
    }
    errors_->Add(key.source().begin, std::move(message));
  }

  void Wrong(const toml::node& node, std::string_view what) {
    errors_->Add(node.source().begin, Concat(key_, ": ", what));
  }
  void WrongType(const toml::node& node, std::string_view wanted) {
    Wrong(node, Concat("must be ", wanted, ", not ", TypeName(node)));
  }

  template <typename Use>
  void String(const toml::node& node, Use use) {
    const auto* text = node.as_string();
    if (text == nullptr) return WrongType(node, "a string");
    use(std::string_view(text->get()));
  }

  void Bool(const toml::node& node, bool* value) {
    const auto* boolean = node.as_boolean();
    if (boolean == nullptr) return WrongType(node, "true or false");
    *value = boolean->get();
  }

  // A list, or its only element.
  template <typename Use>
  void List(const toml::node& node, Use use) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return use(node);
    if (list->empty()) {
      return Wrong(node, "the list is empty; leave the key out for no limit");
    }
    for (const toml::node& element : *list) use(element);
  }

  void ReadPolicy(const toml::node& node, Rule* rule) {
    String(node, [&](std::string_view text) {
      const auto policy = ParseRulePolicy(text);
      if (policy.has_value()) {
        rule->policy = *policy;
        return;
      }
      Wrong(node, text == "ask"
                      ? std::string("'ask' is not supported by this version; "
                                    "write allow, deny, reject or local-only")
                      : Concat(QuoteForMessage(text),
                               " is no policy; write allow, deny, "
                               "reject or local-only"));
    });
  }

  void ReadSha256(const toml::node& node, Rule* rule) {
    String(node, [&](std::string_view text) {
      rule->sha256.push_back(absl::AsciiStrToLower(ToAbsl(text)));
    });
  }

  void ReadDestination(const toml::node& node, Rule* rule) {
    String(node, [&](std::string_view text) {
      const auto destination = ParseDestination(text);
      if (!destination.ok())
        return Wrong(node, MessageOf(destination.status()));
      rule->to.push_back(*destination);
    });
  }

  void ReadPort(const toml::node& node, Rule* rule) {
    const auto* number = node.as_integer();
    if (number == nullptr && !node.is_string()) {
      return WrongType(node, "a number or a range such as \"8000-9000\"");
    }
    const auto range = ParsePort(number != nullptr ? Concat(number->get())
                                                   : node.as_string()->get());
    if (!range.ok()) return Wrong(node, MessageOf(range.status()));
    rule->port.push_back(*range);
  }

  void ReadProtocol(const toml::node& node, Rule* rule) {
    const auto* number = node.as_integer();
    if (number == nullptr && !node.is_string()) {
      return WrongType(node, "a name such as \"tcp\" or a number");
    }
    const auto protocol = ParseProtocol(
        number != nullptr ? Concat(number->get()) : node.as_string()->get());
    if (!protocol.ok()) return Wrong(node, MessageOf(protocol.status()));
    rule->protocol.push_back(*protocol);
  }

  void ReadUser(const toml::node& node, Rule* rule) {
    const auto* number = node.as_integer();
    if (number == nullptr && !node.is_string()) {
      return WrongType(node, "a user name or a uid");
    }
    rule->user =
        number != nullptr ? Concat(number->get()) : node.as_string()->get();
    rule->user_id = ParseNumericUser(rule->user);
    if (rule->user.empty()) {
      Wrong(node, "empty; leave the key out for every user");
    } else if (number != nullptr && !rule->user_id.has_value()) {
      Wrong(node, Concat(rule->user, " is no uid"));
    }
  }

  void ReadDirection(const toml::node& node) {
    String(node, [&](std::string_view text) {
      if (text != "out") {
        Wrong(node, Concat(QuoteForMessage(text),
                           " is not supported; only \"out\" is"));
      }
    });
  }

  void ReadPriority(const toml::node& node, Rule* rule) {
    const auto* number = node.as_integer();
    if (number == nullptr) return WrongType(node, "a number");
    using Limits = std::numeric_limits<int32_t>;
    if (number->get() < Limits::min() || number->get() > Limits::max()) {
      return Wrong(
          node, Concat("must be from ", Limits::min(), " to ", Limits::max()));
    }
    rule->priority = static_cast<int32_t>(number->get());
  }

  const toml::table& table_;
  Errors* errors_;
  std::string_view key_;  // being read
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
