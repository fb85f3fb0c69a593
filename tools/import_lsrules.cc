#include "tools/import_lsrules.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rules/text_util.h"
#include "tools/import_builder.h"
#include "tools/import_text.h"
#include "tools/lsrules_rule.h"

namespace sallyport::cli {
namespace {

// A blocklist becomes rules of so many entries: the control API takes a body
// of 1 MiB.
constexpr size_t kMaxEntries = 10'000;
constexpr size_t kMaxEntryBytes = size_t{512} << 10;

class FileReader {
 public:
  FileReader(const ImportFile& file, const ImportOptions& options)
      : file_(file.name), options_(options), builder_(options.base_priority) {}

  absl::StatusOr<ImportResult> Read(const InputJson& group);

 private:
  void ReadRules(const InputJson& list);
  void ReadDenied(const InputJson& group, const char* key, LsKind kind);

  const std::string& file_;
  const ImportOptions& options_;
  ImportBuilder builder_;
  ImportErrors errors_;
  std::string name_;
  std::vector<LsRule> rules_;
};

void FileReader::ReadRules(const InputJson& list) {
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string field = Concat("rules[", i, "]");
    if (!list[i].is_object()) {
      errors_.Add(FieldProblem(file_, field, "must be an object { ... }"));
      continue;
    }
    LsRule rule;
    std::string notes, action, ignored;
    ReadText(list[i], "notes", &notes, &ignored);
    ReadText(list[i], "action", &action, &ignored);
    rule.name = notes.empty() ? Concat(name_, "-", i + 1)
                              : notes.substr(0, notes.find('\n'));
    std::vector<std::string> remarks;
    const std::string problem = ReadLsRule(list[i], options_, &rule, &remarks);
    const std::string shown = Concat(field, " ", rule.name);
    if (!problem.empty()) {
      builder_.LeaveOut(file_, shown, action, problem);
      continue;
    }
    for (const std::string& remark : remarks) {
      builder_.Note(file_, shown, remark);
    }
    rules_.push_back(std::move(rule));
  }
}

void FileReader::ReadDenied(const InputJson& group, const char* key,
                            LsKind kind) {
  const auto at = group.find(key);
  if (at == group.end()) return;
  std::vector<std::string> entries;
  if (!LsEntries(*at, &entries)) {
    errors_.Add(FieldProblem(file_, key, "must be a list of texts"));
    return;
  }
  size_t lost = 0;
  Json to = Json::array();
  size_t bytes = 0;
  const auto flush = [&] {
    if (to.empty()) return;
    LsRule rule;
    rule.name = Concat(name_, "-", key);
    rule.json = {{"policy", "deny"}, {"app", "any"}, {"to", std::move(to)}};
    rule.json["description"] = DescriptionOf(Concat(name_, ": ", key));
    rule.kind = kind;
    rule.list_size = 1;  // Little Snitch asks them one by one
    rule.any_process = rule.no_via = rule.any_user = true;
    rule.any_port = rule.any_protocol = true;
    rules_.push_back(std::move(rule));
    to = Json::array();
    bytes = 0;
  };
  for (const std::string& entry : entries) {
    auto value = LsEntry(kind, entry);
    if (!value.has_value()) {
      if (++lost <= 10) {
        builder_.Note(Concat(file_, ": field ", key, ": ",
                             QuoteForMessage(entry), " is left out: it is no ",
                             kind == LsKind::kAddresses ? "address" : "name"));
      }
      continue;
    }
    bytes += value->size() + 3;
    to.push_back(*std::move(value));
    if (to.size() >= kMaxEntries || bytes >= kMaxEntryBytes) flush();
  }
  flush();
  if (lost > 10) {
    builder_.Note(
        Concat(file_, ": field ", key, ": ", lost - 10, " more are left out"));
  }
}

absl::StatusOr<ImportResult> FileReader::Read(const InputJson& group) {
  name_ = "lsrules";
  std::string problem;
  if (!ReadText(group, "name", &name_, &problem)) {
    errors_.Add(FieldProblem(file_, "name", problem));
  }
  if (const auto rules = group.find("rules"); rules != group.end()) {
    if (rules->is_array()) {
      ReadRules(*rules);
    } else {
      errors_.Add(FieldProblem(file_, "rules", "must be a list [ ... ]"));
    }
  }
  ReadDenied(group, "denied-remote-addresses", LsKind::kAddresses);
  ReadDenied(group, "denied-remote-hosts", LsKind::kHosts);
  ReadDenied(group, "denied-remote-domains", LsKind::kDomains);
  constexpr std::array<std::string_view, 7> kKeys = {"name",
                                                     "description",
                                                     "rules",
                                                     "denied-remote-addresses",
                                                     "denied-remote-hosts",
                                                     "denied-remote-domains",
                                                     "denied-remote-notes"};
  for (const auto& [key, value] : group.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      builder_.Note(Concat(file_, ": field ", QuoteForMessage(key),
                           " is not known and was not read"));
    }
  }
  if (!errors_.empty()) return errors_.ToStatus();
  std::stable_sort(
      rules_.begin(), rules_.end(),
      [](const LsRule& a, const LsRule& b) { return a.Order() < b.Order(); });
  for (LsRule& rule : rules_) builder_.Add(rule.name, std::move(rule.json));
  return builder_.Finish();
}

}  // namespace

absl::StatusOr<ImportResult> ImportLsrules(const ImportFile& file,
                                           const ImportOptions& options) {
  const absl::StatusOr<InputJson> json = ParseImportJson(file);
  if (!json.ok()) return json.status();
  if (!json->is_object()) {
    return absl::InvalidArgumentError(
        Concat(file.name, ":1:1: must be an object { ... }"));
  }
  return FileReader(file, options).Read(*json);
}

}  // namespace sallyport::cli
