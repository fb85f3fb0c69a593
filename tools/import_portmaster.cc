#include "tools/import_portmaster.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rules/app_pattern.h"
#include "rules/text_util.h"
#include "tools/import_builder.h"
#include "tools/import_text.h"
#include "tools/portmaster_endpoint.h"
#include "tools/regex_translate.h"
#include "tools/yaml_json.h"

namespace sallyport::cli {
namespace {

// An id of a package or unit, as it may stand behind "snap:".
bool IsPlainId(std::string_view id) {
  return !id.empty() && id.size() <= 255 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
         });
}

// The values of `app` that one path fingerprint stands for.
std::vector<std::string> AppsOfPath(std::string_view operation,
                                    const std::string& value) {
  std::string app = ExactAppText(value);
  if (operation == "prefix") app += "**";
  if (operation == "equals" || operation == "prefix") {
    return AppPattern::Parse(app).ok() && app[0] == '/'
               ? std::vector<std::string>{app}
               : std::vector<std::string>{};
  }
  if (operation != "regex") return {};
  const absl::StatusOr<Regex> regex = ParseRegex(value);
  if (!regex.ok() || regex->ignores_case) return {};
  return RegexToApps(*regex).values;
}

// The same for a tag: what Portmaster found out about the process.
std::vector<std::string> AppsOfTag(std::string_view key,
                                   std::string_view operation,
                                   const std::string& value) {
  if (operation != "equals") return {};
  if (key == "snap-name" && IsPlainId(value)) return {"snap:" + value};
  if (key == "flatpak-id" && IsPlainId(value)) return {"flatpak:" + value};
  if (key.ends_with("-script") && value.starts_with('/') &&
      CleanAppText(value) == value) {
    return {"script:" + value};
  }
  return {};
}

// "filter": {"endpoints": []} and "filter/endpoints": [] alike.
void Flatten(const InputJson& config, const std::string& prefix,
             std::map<std::string, InputJson>* out) {
  for (const auto& [key, value] : config.items()) {
    std::string path = prefix.empty() ? key : Concat(prefix, "/", key);
    if (value.is_object()) {
      Flatten(value, path, out);
    } else {
      (*out)[std::move(path)] = value;
    }
  }
}

class Reader {
 public:
  Reader(const ImportFile& file, const ImportOptions& options)
      : file_(file.name), options_(options), builder_(options.base_priority) {}

  absl::StatusOr<ImportResult> Read(const InputJson& json);

 private:
  absl::Status Wrong(std::string_view field, std::string_view what) const {
    return absl::InvalidArgumentError(FieldProblem(file_, field, what));
  }
  absl::Status ReadHead(const InputJson& json);
  absl::Status ReadFingerprints(const InputJson& json);
  absl::Status ReadBlocks();
  absl::Status ReadEndpoints();
  absl::Status ReadListsAndDefault();
  void NoteOthers();
  // The setting, and that it was read; null if it is not there.
  const InputJson* Take(const std::string& key);
  absl::StatusOr<bool> TakeSwitch(const std::string& key);
  void Add(Json rule, std::string_view what);

  const std::string& file_;
  const ImportOptions& options_;
  ImportBuilder builder_;
  std::string name_ = "portmaster";
  std::vector<std::string> apps_;
  std::map<std::string, InputJson> config_;
  std::map<std::string, InputJson> rest_;  // of config_, not read yet
  bool lists_lost_ = true;  // what the filter lists block is not blocked here
};

// REQUIRES: rule has policy and conditions
void Reader::Add(Json rule, std::string_view what) {
  rule["description"] = DescriptionOf(Concat("Portmaster: ", what));
  for (const std::string& app : apps_) {
    Json out = {{"policy", rule["policy"]}, {"app", app}};
    for (const auto& [key, value] : rule.items()) out[key] = value;
    builder_.Add(name_, std::move(out));
  }
}

const InputJson* Reader::Take(const std::string& key) {
  rest_.erase(key);
  const auto at = config_.find(key);
  return at == config_.end() || at->second.is_null() ? nullptr : &at->second;
}

// Older versions have a number of security levels there; 0 is off.
absl::StatusOr<bool> Reader::TakeSwitch(const std::string& key) {
  const InputJson* value = Take(key);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  if (!value->is_number_integer()) {
    return Wrong(key, "must be true or false");
  }
  if (*value != 0 && *value != 7) {
    builder_.Note(Concat(file_, ": field ", key, ": ", value->dump(),
                         " blocks in some security levels; here it blocks"));
  }
  return *value != 0;
}

absl::Status Reader::ReadHead(const InputJson& json) {
  std::string type, problem;
  if (!ReadText(json, "type", &type, &problem)) return Wrong("type", problem);
  if (type == "profile") {
    if (!ReadText(json, "name", &name_, &problem)) {
      return Wrong("name", problem);
    }
    const absl::Status apps = ReadFingerprints(json);
    if (!apps.ok()) return apps;
  } else if (type == "settings" || type == "single-setting") {
    if (options_.app.empty()) {
      return Wrong("type",
                   "settings do not say for which app they are; add --app "
                   "any if they are the global ones, else --app APP");
    }
    apps_ = {options_.app};
  } else {
    return Wrong("type", Concat(QuoteForMessage(type),
                                " is none of profile, settings, "
                                "single-setting"));
  }
  if (type == "single-setting") {
    std::string id;
    if (!ReadText(json, "id", &id, &problem)) return Wrong("id", problem);
    config_[id] = json.value("value", InputJson());
  } else if (const auto config = json.find("config");
             config != json.end() && !config->is_null()) {
    if (!config->is_object()) return Wrong("config", "must be a mapping");
    Flatten(*config, "", &config_);
  }
  rest_ = config_;
  return absl::OkStatus();
}

absl::Status Reader::ReadFingerprints(const InputJson& json) {
  const auto list = json.find("fingerprints");
  if (list == json.end() || !list->is_array()) {
    return Wrong("fingerprints", "must be a list");
  }
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string field = Concat("fingerprints[", i, "]");
    const InputJson& print = (*list)[i];
    std::string type, key, operation, value, problem;
    if (!print.is_object()) return Wrong(field, "must be a mapping");
    if (!ReadText(print, "type", &type, &problem) ||
        !ReadText(print, "key", &key, &problem) ||
        !ReadText(print, "operation", &operation, &problem) ||
        !ReadText(print, "value", &value, &problem)) {
      return Wrong(field, problem);
    }
    std::vector<std::string> apps;
    if (type == "path") apps = AppsOfPath(operation, value);
    if (type == "tag") apps = AppsOfTag(key, operation, value);
    if (apps.empty()) {
      builder_.Note(Concat(file_, ": field ", field, ": ", type,
                           key.empty() ? "" : " ", key, " ", operation, " ",
                           QuoteForMessage(value),
                           type == "cmdline" || type == "env"
                               ? " is what the program says of itself"
                               : " names no app that can be said here",
                           "; the rules are not made for it"));
    }
    for (std::string& app : apps) {
      if (std::find(apps_.begin(), apps_.end(), app) == apps_.end()) {
        apps_.push_back(std::move(app));
      }
    }
    if (apps_.size() > kMaxRulesOfOne) {
      return Wrong("fingerprints", Concat("more than ", kMaxRulesOfOne));
    }
  }
  if (apps_.empty()) {
    builder_.Note(Concat(file_, ": no fingerprint is left: no rules are made"));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadBlocks() {
  const char* const keys[3] = {"filter/blockLocal", "filter/blockLAN",
                               "filter/blockInternet"};
  for (size_t i = 0; i < 3; ++i) {
    const absl::StatusOr<bool> blocked = TakeSwitch(keys[i]);
    if (!blocked.ok()) return blocked.status();
    if (!*blocked) continue;
    Json rule = {{"policy", "reject"}};
    PutPortmasterScopes(i == 0, i == 1, i == 2, &rule);
    Add(std::move(rule), keys[i]);
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadEndpoints() {
  const char* const key = "filter/endpoints";
  const InputJson* list = Take(key);
  if (list == nullptr) return absl::OkStatus();
  if (!list->is_array()) return Wrong(key, "must be a list");
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string field = Concat(key, "[", i, "]");
    if (!(*list)[i].is_string()) return Wrong(field, "must be a text");
    const std::string line = (*list)[i].get<std::string>();
    Json rule = Json::object();
    const std::string problem = ReadPortmasterEndpoint(line, options_, &rule);
    if (problem.empty()) {
      Add(std::move(rule), line);
    } else {
      builder_.LeaveOut(Concat(file_, ": field ", field), line,
                        Trim(line).starts_with('+') ? "allow" : "deny",
                        problem);
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadListsAndDefault() {
  if (const InputJson* lists = Take("filter/lists"); lists != nullptr) {
    if (!lists->is_array()) return Wrong("filter/lists", "must be a list");
    lists_lost_ = false;
    for (const InputJson& id : *lists) {
      if (!id.is_string()) return Wrong("filter/lists", "must be of texts");
      Json rule = Json::object();
      const std::string text = Concat("- L:", id.get<std::string>());
      const std::string problem = ReadPortmasterEndpoint(text, options_, &rule);
      if (problem.empty()) {
        Add(std::move(rule), text);
      } else {
        lists_lost_ = true;
        builder_.LeaveOut(Concat(file_, ": field filter/lists"), text, "deny",
                          problem);
      }
    }
  }
  std::string action;
  if (const InputJson* value = Take("filter/defaultAction"); value != nullptr) {
    if (!value->is_string()) {
      return Wrong("filter/defaultAction", "must be a text");
    }
    action = value->get<std::string>();
  }
  const std::string where = Concat(file_, ": field filter/defaultAction");
  if (action == "block") {
    Add({{"policy", "reject"}}, "default action block");
  } else if (action == "permit" && !lists_lost_) {
    Add({{"policy", "allow"}}, "default action permit");
  } else if (action == "permit") {
    builder_.LeaveOut(where, action, "allow",
                      "it allows what Portmaster's filter lists do not block, "
                      "and those are not here");
  } else if (action == "ask") {
    builder_.LeaveOut(where, action, "allow",
                      "to ask is no policy of an imported rule");
  } else if (!action.empty()) {
    return Wrong(
        "filter/defaultAction",
        Concat(QuoteForMessage(action), " is none of permit, block, ask"));
  }
  return absl::OkStatus();
}

void Reader::NoteOthers() {
  std::string keys;
  for (const auto& [key, value] : rest_) {
    if (keys.size() > 400) {  // a line that can be read
      AppendTo(&keys, ", ...");
      break;
    }
    AppendTo(&keys, keys.empty() ? "" : ", ", key);
  }
  if (!keys.empty()) {
    builder_.Note(
        Concat(file_, ": settings that are not rules were not read: ", keys));
  }
}

absl::StatusOr<ImportResult> Reader::Read(const InputJson& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        Concat(file_, ":1:1: must be a mapping with a type"));
  }
  absl::Status status = ReadHead(json);
  if (status.ok()) status = ReadBlocks();
  if (status.ok()) status = ReadEndpoints();
  if (status.ok()) status = ReadListsAndDefault();
  if (!status.ok()) return status;
  NoteOthers();
  return builder_.Finish();
}

}  // namespace

absl::StatusOr<ImportResult> ImportPortmaster(const ImportFile& file,
                                              const ImportOptions& options) {
  // JSON is read as such: its errors are clearer, and it may have tabs.
  const bool json = Trim(file.text).starts_with('{');
  const absl::StatusOr<InputJson> value =
      json ? ParseImportJson(file) : ParseImportYaml(file);
  if (!value.ok()) return value.status();
  return Reader(file, options).Read(*value);
}

}  // namespace sallyport::cli
