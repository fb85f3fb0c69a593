#include "src/rule_store.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_join.h"
#include "rules/builtin_rules.h"
#include "rules/text_util.h"
#include "src/user_resolver.h"

namespace sallyport {
namespace {

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, Concat(path, ": cannot make it"));
}

// What a crash left between create and rename.
void RemoveTemporaries(const std::string& directory) {
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return;
  absl::Cleanup closer = [dir] { closedir(dir); };
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.') && name.ends_with(kTemporarySuffix)) {
      unlinkat(dirfd(dir), entry->d_name, 0);
    }
  }
}

std::vector<Rule> WithBuiltins(std::vector<Rule> rules, bool wanted) {
  if (wanted) rules.push_back(BuiltinLoopbackRule());
  return rules;
}

RuleDirectories DirectoriesOf(const RuleStoreOptions& options) {
  return {options.rules_dirs, options.state_dir + "/rules.d"};
}

// The set of the files, or all that is wrong with them.
absl::StatusOr<std::shared_ptr<const RuleSet>> BuildFrom(
    RuleFiles files, const RuleStoreOptions& options, const RuleSet* before) {
  if (!files.errors.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(files.errors, "\n"));
  }
  auto rules = RuleSet::Build(
      WithBuiltins(std::move(files.rules), options.builtin_loopback_rule),
      options.now(), before);
  // Whatever it is, the files are to be mended.
  if (!rules.ok()) return absl::InvalidArgumentError(rules.status().message());
  return rules;
}

}  // namespace

RuleStore::RuleStore(RuleStoreOptions options, OnChange on_change)
    : options_(std::move(options)),
      our_dir_(DirectoriesOf(options_).ours),
      undo_path_(options_.state_dir + "/rules.undo"),
      on_change_(std::move(on_change)),
      writer_(options_.writer == nullptr ? atomic_writer_ : *options_.writer) {}

RuleStore::~RuleStore() = default;

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleStore::BuildLocked(
    std::vector<Rule> rules) const {
  return RuleSet::Build(std::move(rules), options_.now(), current_.get());
}

absl::Status RuleStore::Load(Unconfirmed unconfirmed) {
  for (const std::string& path : {options_.state_dir, our_dir_}) {
    if (absl::Status status = MakeDirectory(path); !status.ok()) return status;
    RemoveTemporaries(path);
  }
  std::lock_guard lock(mutex_);
  if (absl::Status s = LoadUndoLocked(unconfirmed); !s.ok()) return s;
  RuleFiles files = ReadRuleFiles(DirectoriesOf(options_));
  FileTexts texts = std::move(files.texts);
  auto rules = BuildFrom(std::move(files), options_, current_.get());
  if (!rules.ok()) return rules.status();
  current_ = *std::move(rules);
  good_texts_ = texts;
  seen_ = std::move(texts);
  return absl::OkStatus();
}

absl::Status RuleStore::Reload(Why why) {
  std::lock_guard lock(mutex_);
  return ReloadLocked(why);
}

absl::Status RuleStore::ReloadLocked(Why why) {
  // Files that are half changed are no rules.
  if (undo_.has_value() && !undo_->is_complete) {
    if (absl::Status status = PutBackLocked(); !status.ok()) {
      last_error_ = MessageOf(status);
      return status;
    }
  }
  RuleFiles files = ReadRuleFiles(DirectoriesOf(options_));
  if (why == Why::kOnEvent) {
    for (const auto& [path, before] : good_texts_) {
      auto now = files.texts.find(path);
      if (!before.admins || before.text == nullptr ||
          now == files.texts.end() || now->second.text == nullptr ||
          !CutInsideRule(*before.text, *now->second.text)) {
        continue;
      }
      files.errors.push_back(
          Concat(path,
                 ": ends inside a rule that it had whole: cut off? If "
                 "that is meant, run 'sallyport rules reload'"));
    }
  }
  std::vector<RuleFileChange> changes = TakeChangesLocked(files);
  FileTexts texts = std::move(files.texts);
  auto rules = BuildFrom(std::move(files), options_, current_.get());
  if (!rules.ok()) {
    last_error_ = MessageOf(rules.status());
    TellChangesLocked(std::move(changes), nullptr, nullptr, last_error_);
    return rules.status();
  }
  last_error_.clear();
  good_texts_ = std::move(texts);
  const std::shared_ptr<const RuleSet> before = current_;
  if (before == nullptr ||
      !std::ranges::equal((*rules)->rules(), before->rules())) {
    current_ = *std::move(rules);
    on_change_(current_);
  }
  TellChangesLocked(std::move(changes), before.get(), current_.get(), "");
  return absl::OkStatus();
}

std::shared_ptr<const RuleSet> RuleStore::Current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::string RuleStore::Version() const {
  std::lock_guard lock(mutex_);
  return VersionLocked();
}

std::string RuleStore::VersionLocked() const {
  if (current_ == nullptr) return "";
  if (version_of_.lock() != current_) {
    version_ = RuleSetVersion(*current_);
    version_of_ = current_;
  }
  return version_;
}

absl::Status RuleStore::CheckVersionLocked(const IfMatch& if_match) const {
  if (!if_match.is_set()) return absl::OkStatus();
  return if_match.Check(VersionLocked(), "the set of rules");
}

absl::Status RuleStore::CheckChangeableLocked() {
  if (!undo_.has_value()) return absl::OkStatus();
  if (!undo_->is_complete) return PutBackLocked();
  return absl::FailedPreconditionError(
      Concat(undo_->what,
             " waits to be confirmed: `sallyport confirm` keeps "
             "it, `sallyport confirm --undo` takes it back; "
             "until then rules are not changed"));
}

std::string RuleStore::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

std::vector<std::string> RuleStore::directories() const {
  std::vector<std::string> all = options_.rules_dirs;
  all.push_back(our_dir_);
  return all;
}

bool RuleStore::IsReadOnly(const Rule& rule) const {
  return !rule.origin.starts_with(our_dir_ + "/");
}

std::vector<StoredRule> RuleStore::List() const {
  const std::shared_ptr<const RuleSet> rules = Current();
  std::vector<StoredRule> list;
  if (rules == nullptr) return list;
  list.reserve(rules->rules().size());
  for (const Rule& rule : rules->rules()) {
    list.push_back({rule, list.size(), IsReadOnly(rule)});
  }
  return list;
}

absl::StatusOr<StoredRule> RuleStore::Find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  return FindLocked(name);
}

absl::StatusOr<StoredRule> RuleStore::FindLocked(std::string_view name) const {
  for (size_t i = 0; current_ != nullptr && i < current_->rules().size(); ++i) {
    const Rule& rule = current_->rules()[i];
    if (rule.name == name) return StoredRule{rule, i, IsReadOnly(rule)};
  }
  return absl::NotFoundError(Concat("there is no rule '", name, "'"));
}

absl::StatusOr<StoredRule> RuleStore::FindWritableLocked(
    std::string_view name, const IfMatch& if_match) const {
  absl::StatusOr<StoredRule> found = FindLocked(name);
  if (!found.ok()) return found;
  if (if_match.is_set()) {
    absl::Status status =
        if_match.Check(RuleVersion(found->rule), Concat("rule '", name, "'"));
    if (!status.ok()) return status;
  }
  if (found->read_only) {
    return absl::PermissionDeniedError(
        Concat("rule '", name, "' is of ", found->rule.origin,
               ", which is not ours to change; a rule of higher priority can "
               "override it"));
  }
  return found;
}

std::vector<Rule> RuleStore::RulesWithLocked(std::string_view without,
                                             const Rule* with) const {
  std::vector<Rule> rules;
  rules.reserve(current_->rules().size() + 1);
  for (const Rule& rule : current_->rules()) {
    if (without.empty() || rule.name != without) rules.push_back(rule);
  }
  if (with != nullptr) rules.push_back(*with);
  return rules;
}

absl::Status RuleStore::SaveFileLocked(const RuleSet& rules,
                                       const std::string& origin) {
  std::vector<Rule> of_file;
  for (const Rule& rule : rules.rules()) {
    if (rule.origin == origin) of_file.push_back(rule);
  }
  const std::string text = of_file.empty() ? "" : RuleFileText(of_file);
  absl::Status status =
      of_file.empty() ? writer_.Remove(origin) : writer_.Write(origin, text);
  RememberOursLocked(origin, text, status.ok());
  if (!status.ok()) {
    return absl::UnavailableError(
        Concat("not saved, nothing is changed: ", MessageOf(status)));
  }
  return absl::OkStatus();
}

absl::Status RuleStore::CommitLocked(std::vector<Rule> rules,
                                     const std::string& origin) {
  auto built = BuildLocked(std::move(rules));
  if (!built.ok()) return built.status();
  if (absl::Status status = SaveFileLocked(**built, origin); !status.ok()) {
    return status;
  }
  current_ = *std::move(built);
  on_change_(current_);
  return absl::OkStatus();
}

// As short as it can be and still be found again: "curl-deny", "curl-deny-2".
std::string RuleStore::FreeNameLocked(const Rule& rule) const {
  const std::string suffix = Concat("-", RulePolicyName(rule.policy));
  constexpr size_t kCounterBytes = 7;  // "-100000"
  const std::string base = Concat(
      RuleNamePart(rule.app, kMaxRuleNameBytes - suffix.size() - kCounterBytes),
      suffix);
  absl::flat_hash_set<std::string> taken;
  for (const Rule& other : current_->rules()) {
    if (other.name.starts_with(base)) taken.insert(other.name);
  }
  std::string name = base;
  for (size_t i = 2; taken.contains(name); ++i) name = Concat(base, "-", i);
  return name;
}

// The file need not be called as the rule is: another rule's may have that
// name, if it was renamed, or one that could not be read.
std::string RuleStore::FreePathLocked(std::string_view name) const {
  std::string path = Concat(our_dir_, "/", name, ".toml");
  struct stat st;
  for (size_t i = 2; lstat(path.c_str(), &st) == 0; ++i) {
    path = Concat(our_dir_, "/", name, "-", i, ".toml");
  }
  return path;
}

absl::StatusOr<StoredRule> RuleStore::Add(Rule rule, bool dry_run,
                                          const IfMatch& if_match) {
  std::lock_guard lock(mutex_);
  if (absl::Status s = CheckChangeableLocked(); !s.ok()) return s;
  if (absl::Status s = CheckVersionLocked(if_match); !s.ok()) return s;
  if (rule.name.empty()) rule.name = FreeNameLocked(rule);
  if (absl::Status status = ValidateRule(rule); !status.ok()) return status;
  if (absl::Status status = UserResolver().Resolve(&rule); !status.ok())
    return status;
  if (absl::StatusOr<StoredRule> other = FindLocked(rule.name); other.ok()) {
    return absl::AlreadyExistsError(Concat(
        "name: '", rule.name, "' is already a rule of ", other->rule.origin));
  }
  rule.origin = FreePathLocked(rule.name);
  if (dry_run) {
    auto built = BuildLocked(RulesWithLocked("", &rule));
    if (!built.ok()) return built.status();
    const auto& rules = (*built)->rules();
    const auto place = std::ranges::find(rules, rule.name, &Rule::name);
    return StoredRule{*place, static_cast<size_t>(place - rules.begin()),
                      false};
  }
  absl::Status status = CommitLocked(RulesWithLocked("", &rule), rule.origin);
  if (!status.ok()) return status;
  return FindLocked(rule.name);
}

absl::StatusOr<StoredRule> RuleStore::ReplaceLocked(const StoredRule& old,
                                                    Rule rule) {
  if (rule.name.empty()) rule.name = old.rule.name;
  if (absl::Status status = ValidateRule(rule); !status.ok()) return status;
  if (absl::Status status = UserResolver().Resolve(&rule); !status.ok())
    return status;
  if (rule.name != old.rule.name && FindLocked(rule.name).ok()) {
    return absl::AlreadyExistsError(
        Concat("name: there is another rule '", rule.name, "'"));
  }
  // Also under another name it stays in its file: one atomic write.
  rule.origin = old.rule.origin;
  if (rule == old.rule) return old;
  absl::Status status =
      CommitLocked(RulesWithLocked(old.rule.name, &rule), rule.origin);
  if (!status.ok()) return status;
  return FindLocked(rule.name);
}

absl::StatusOr<StoredRule> RuleStore::Replace(std::string_view name, Rule rule,
                                              const IfMatch& if_match) {
  std::lock_guard lock(mutex_);
  if (absl::Status s = CheckChangeableLocked(); !s.ok()) return s;
  absl::StatusOr<StoredRule> old = FindWritableLocked(name, if_match);
  if (!old.ok()) return old;
  return ReplaceLocked(*old, std::move(rule));
}

absl::StatusOr<StoredRule> RuleStore::Edit(
    std::string_view name, const std::function<absl::Status(Rule*)>& edit,
    const IfMatch& if_match) {
  std::lock_guard lock(mutex_);
  if (absl::Status s = CheckChangeableLocked(); !s.ok()) return s;
  absl::StatusOr<StoredRule> old = FindWritableLocked(name, if_match);
  if (!old.ok()) return old;
  Rule rule = old->rule;
  if (absl::Status status = edit(&rule); !status.ok()) return status;
  return ReplaceLocked(*old, std::move(rule));
}

absl::Status RuleStore::Remove(std::string_view name, const IfMatch& if_match) {
  std::lock_guard lock(mutex_);
  if (absl::Status s = CheckChangeableLocked(); !s.ok()) return s;
  absl::StatusOr<StoredRule> old = FindWritableLocked(name, if_match);
  if (!old.ok()) return old.status();
  return CommitLocked(RulesWithLocked(old->rule.name, nullptr),
                      old->rule.origin);
}

void RuleStore::Advance() {
  std::lock_guard lock(mutex_);
  auto built = BuildLocked(RulesWithLocked("", nullptr));
  if (!built.ok()) {  // they were valid a moment ago
    last_error_ = MessageOf(built.status());
    return;
  }
  std::vector<std::string> expired;
  for (uint32_t i = 0; i < (*built)->rules().size(); ++i) {
    const Rule& rule = (*built)->rules()[i];
    if ((*built)->asleep(i) == Mismatch::kExpired && !IsReadOnly(rule)) {
      expired.push_back(rule.name);
    }
  }
  // The end of a rule counts before its file is gone, which may take long.
  current_ = *std::move(built);
  on_change_(current_);
  // While an import waits, its undo says what the files are to become again.
  if (undo_.has_value()) return;
  for (const std::string& name : expired) {
    absl::StatusOr<StoredRule> old = FindLocked(name);
    if (!old.ok()) continue;
    absl::Status removed =
        CommitLocked(RulesWithLocked(name, nullptr), old->rule.origin);
    if (!removed.ok()) last_error_ = MessageOf(removed);
  }
}

absl::StatusOr<size_t> CheckRuleFiles(const RuleStoreOptions& options) {
  auto rules =
      BuildFrom(ReadRuleFiles(DirectoriesOf(options)), options, nullptr);
  if (!rules.ok()) return rules.status();
  return (*rules)->rules().size();
}

}  // namespace sallyport
