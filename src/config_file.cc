// The config file: TOML through the table of keys. The one place of src/ that
// includes toml++.

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_blocks.h"
#include "rules/text_util.h"
#include "src/config.h"
#include "src/config_key.h"
#include "src/escape.h"

namespace sallyport {
namespace {

constexpr size_t kMaxErrors = 20;  // more tell nobody anything

class Reader {
 public:
  Reader(std::string_view file_name, Config* config)
      : file_name_(file_name), config_(config) {}

  void ReadTable(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (const ConfigRow* row = FindConfigRow(name)) {
        ReadValue(*row, node);
      } else if (node.is_table() && IsPrefix(name + ".")) {
        ReadTable(*node.as_table(), name + ".");
      } else if (IsPrefix(name + ".")) {
        Error(node.source(), name, "expected a table: write [", name, "]");
      } else {
        UnknownKey(key.source(), name);
      }
    }
  }

  template <typename... Parts>
  void Error(const toml::source_region& where, std::string_view key,
             const Parts&... parts) {
    if (++error_count_ > kMaxErrors) return;
    if (!errors_.empty()) errors_ += '\n';
    errors_ +=
        Concat(file_name_, ":", where.begin.line, ":", where.begin.column, ": ",
               Escape(key), key.empty() ? "" : ": ", parts...);
  }

  absl::Status status() const {
    if (error_count_ == 0) return absl::OkStatus();
    if (error_count_ <= kMaxErrors) return absl::InvalidArgumentError(errors_);
    return absl::InvalidArgumentError(
        Concat(errors_, "\n", file_name_, ": and ", error_count_ - kMaxErrors,
               " more errors"));
  }

 private:
  static bool IsPrefix(std::string_view name) {
    for (const ConfigRow& row : ConfigRows()) {
      if (std::string_view(row.key.name).starts_with(name)) return true;
    }
    return false;
  }

  void UnknownKey(const toml::source_region& where, const std::string& name) {
    std::vector<std::string_view> names;
    for (const ConfigRow& row : ConfigRows()) names.push_back(row.key.name);
    if (auto nearest = NearestWord(name, names)) {
      Error(where, name, "unknown key; did you mean ", *nearest, "?");
    } else {
      Error(where, name, "unknown key");
    }
  }

  void ReadValue(const ConfigRow& row, const toml::node& node) {
    ConfigValue value;
    if (!ToValue(row.kind, node, &value)) {
      Error(node.source(), row.key.name, "expected ", row.key.expected,
            "; got ", TypeName(node));
      return;
    }
    std::string error = SetConfigKey(row, value, config_);
    if (!error.empty()) Error(node.source(), row.key.name, error);
  }

  static bool ToValue(ConfigKind kind, const toml::node& node,
                      ConfigValue* value) {
    switch (kind) {
      case ConfigKind::kText:
        if (!node.is_string()) return false;
        *value = node.as_string()->get();
        return true;
      case ConfigKind::kNumber:
        if (!node.is_integer()) return false;
        *value = node.as_integer()->get();
        return true;
      case ConfigKind::kTextOrNumber:
        return ToValue(ConfigKind::kText, node, value) ||
               ToValue(ConfigKind::kNumber, node, value);
      case ConfigKind::kYesNo:
        if (!node.is_boolean()) return false;
        *value = node.as_boolean()->get();
        return true;
      case ConfigKind::kTexts:
        break;
    }
    if (!node.is_array()) return false;
    std::vector<std::string> texts;
    for (const toml::node& element : *node.as_array()) {
      if (!element.is_string()) return false;
      texts.push_back(element.as_string()->get());
    }
    *value = std::move(texts);
    return true;
  }

  static std::string_view TypeName(const toml::node& node) {
    switch (node.type()) {
      case toml::node_type::string:
        return "a string";
      case toml::node_type::integer:
        return "a number";
      case toml::node_type::floating_point:
        return "a number with a fraction";
      case toml::node_type::boolean:
        return "true or false";
      case toml::node_type::table:
        return "a table";
      case toml::node_type::array:
        return "a list with something else in it, or a list where none "
               "belongs";
      default:
        return "a date or time";
    }
  }

  const std::string_view file_name_;
  Config* const config_;
  std::string errors_;
  size_t error_count_ = 0;
};

}  // namespace

absl::Status ApplyConfigText(std::string_view text, std::string_view file_name,
                             Config* config) {
  Config changed = *config;  // all or nothing
  Reader reader(file_name, &changed);
  for (const RuleBlock& block : SplitRuleBlocks(text)) {
    // toml++ frees nested tables recursively: a.a.a.a... would end our stack.
    if (block.deep_key_line == 0) continue;
    return absl::InvalidArgumentError(
        Concat(file_name, ":", block.deep_key_line, ":1: a key of more than ",
               kMaxKeyParts, " parts"));
  }
  try {
    toml::table table = toml::parse(text);
    reader.ReadTable(table, "");
  } catch (const toml::parse_error& error) {
    reader.Error(error.source(), "", Escape(error.description()));
  }
  if (absl::Status status = reader.status(); !status.ok()) return status;
  if (absl::Status status = ValidateConfig(changed); !status.ok()) {
    return absl::InvalidArgumentError(
        Concat(file_name, ": ", status.message()));
  }
  *config = std::move(changed);
  return absl::OkStatus();
}

}  // namespace sallyport
