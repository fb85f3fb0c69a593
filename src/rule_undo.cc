#include "src/rule_undo.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "rules/text_util.h"
#include "src/api_json.h"

namespace sallyport {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr size_t kMaxNameBytes = 255;  // NAME_MAX

bool IsRuleFileName(std::string_view name) {
  return name.size() <= kMaxNameBytes && name.ends_with(".toml") &&
         !name.starts_with('.') && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(ToAbsl(what));
}

absl::StatusOr<RuleUndo::File> ParseFile(const json& entry) {
  if (!entry.is_object() || !entry.contains("name") ||
      !entry["name"].is_string() || !entry.contains("base64")) {
    return Wrong("files: an entry without name or base64");
  }
  RuleUndo::File file;
  file.name = entry["name"].get<std::string>();
  if (!IsRuleFileName(file.name)) {
    return Wrong(Concat("files: ", QuoteForMessage(file.name),
                        " is no name of a rule file"));
  }
  const json& content = entry["base64"];
  if (content.is_null()) return file;
  if (!content.is_string() ||
      !absl::Base64Unescape(content.get_ref<const std::string&>(),
                            &file.content.emplace())) {
    return Wrong(Concat("files: ", file.name, ": not base64"));
  }
  return file;
}

}  // namespace

std::string RuleUndoText(const RuleUndo& undo) {
  json files = json::array();
  for (const RuleUndo::File& file : undo.files) {
    files.push_back({{"name", file.name},
                     {"base64", file.content.has_value()
                                    ? json(absl::Base64Escape(*file.content))
                                    : json(nullptr)}});
  }
  return PrintJson({{"version", kVersion},
                    {"what", undo.what},
                    {"complete", undo.is_complete},
                    {"files", std::move(files)}}) +
         "\n";
}

absl::StatusOr<RuleUndo> ParseRuleUndo(std::string_view text) {
  absl::StatusOr<json> parsed = ParseJsonObject(text);
  if (!parsed.ok()) return parsed.status();
  const json& object = *parsed;
  if (!object.contains("version") || object["version"] != kVersion) {
    return Wrong("not of a version that we know");
  }
  if (!object.contains("what") || !object["what"].is_string() ||
      !object.contains("complete") || !object["complete"].is_boolean() ||
      !object.contains("files") || !object["files"].is_array()) {
    return Wrong("what, complete or files is missing");
  }
  RuleUndo undo;
  undo.what = object["what"].get<std::string>();
  undo.is_complete = object["complete"].get<bool>();
  for (const json& entry : object["files"]) {
    absl::StatusOr<RuleUndo::File> file = ParseFile(entry);
    if (!file.ok()) return file.status();
    undo.files.push_back(*std::move(file));
  }
  return undo;
}

}  // namespace sallyport
