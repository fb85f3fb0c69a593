// Whatever stands in another firewall's rules: no crash; rules whose names and
// policies are ours, whose paths and addresses parse and whose lists are not
// empty; notes of one line; errors that begin with the file they are about. The
// first byte says which reader it is.

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/app_pattern.h"
#include "rules/rule.h"
#include "tools/import_lsrules.h"
#include "tools/import_opensnitch.h"
#include "tools/import_portmaster.h"
#include "tools/import_ufw.h"
#include "tools/regex_translate.h"
#include "tools/rule_nft.h"
#include "tools/rule_toml.h"

namespace sallyport::cli {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckRule(const Json& rule, std::set<std::string>* names) {
  const std::string name = rule.value("name", "");
  Require(IsValidRuleName(name) && names->insert(name).second);
  const std::string policy = rule.value("policy", "");
  Require(policy == "allow" || policy == "deny" || policy == "reject");
  const std::string app = rule.value("app", "");
  Require(!app.empty());
  if (app[0] == '/') Require(AppPattern::Parse(app).ok());
  for (const auto& [key, value] : rule.items()) {
    Require(!value.is_null() && !(value.is_array() && value.empty()));
  }
  Require(!RuleToToml(rule).empty());
}

void CheckResult(const absl::StatusOr<ImportResult>& result,
                 std::string_view file) {
  if (!result.ok()) {
    Require(result.status().message().find(std::string(file)) == 0);
    return;
  }
  std::set<std::string> names;
  for (const Json& rule : result->rules) CheckRule(rule, &names);
  for (const std::string& note : result->notes) {
    Require(note.find('\n') == note.npos);
  }
  // The text must be one that JSON can hold, too.
  for (const Json& rule : result->rules) (void)rule.dump();
}

// Parts between lines of "%%" are files of their own.
std::vector<ImportFile> Parts(std::string_view text) {
  std::vector<ImportFile> files;
  for (;;) {
    const size_t end = text.find("\n%%\n");
    files.push_back({"f", std::string(text.substr(0, end))});
    if (end == text.npos || files.size() == 8) return files;
    text.remove_prefix(end + 4);
  }
}

void Run(char reader, std::string_view text) {
  ImportOptions options;
  options.app = "any";
  options.user = "alice";
  options.lists["MAL"] = "mal";
  std::vector<ImportFile> files = Parts(text);
  switch (reader) {
    case 'o':
      CheckResult(ImportOpenSnitch(files, options), "f");
      break;
    case 'u':
      if (files.size() > 1) files[1].name = "f6.rules";
      CheckResult(ImportUfw(files, options), "f");
      break;
    case 'l':
      CheckResult(ImportLsrules(files[0], options), "f");
      break;
    case 'p':
      CheckResult(ImportPortmaster(files[0], options), "f");
      break;
    case 'n': {
      const Json rules = Json::parse(text, nullptr, false);
      if (rules.is_array()) Require(!RulesToNft(rules).empty());
      break;
    }
    default: {
      const absl::StatusOr<Regex> regex = ParseRegex(text);
      if (!regex.ok()) return;
      for (const std::string& app : RegexToApps(*regex).values) {
        Require(app == kAnyApp || AppPattern::Parse(app).ok());
      }
      (void)RegexToHosts(*regex);
      (void)RegexToAddresses(*regex);
      (void)RegexToTexts(*regex);
      (void)RegexMatches(*regex, "tcp6");
    }
  }
}

}  // namespace
}  // namespace sallyport::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  sallyport::cli::Run(
      static_cast<char>(data[0]),
      std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
