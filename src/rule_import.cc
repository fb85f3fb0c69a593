// RuleStore: several rules as one change, and how it is taken back.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "rules/text_util.h"
#include "src/file_guard.h"
#include "src/rule_store.h"
#include "src/user_resolver.h"

namespace sallyport {
namespace {

bool IsSameButForFile(const Rule& a, Rule b) {
  b.origin = a.origin;
  b.ends_at_boot_ns = a.ends_at_boot_ns;
  return a == b;
}

absl::Status OfRule(const Rule& rule, const absl::Status& status) {
  return absl::Status(status.code(), Concat("rule ", QuoteForMessage(rule.name),
                                            ": ", MessageOf(status)));
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i, nullptr);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

// Of the undo file: where its files belong, and what is done to them.
std::vector<FileChange> ChangesOf(const RuleUndo& undo,
                                  const std::string& directory) {
  std::vector<FileChange> changes;
  for (const RuleUndo::File& file : undo.files) {
    changes.push_back({Concat(directory, "/", file.name), file.content});
  }
  return changes;
}

}  // namespace

// What an import comes to.
struct RuleStore::Plan {
  std::vector<Rule> rules;      // of the new set, all of them
  std::set<std::string> files;  // that change
  ImportedRules result;         // without `rules`
};

absl::StatusOr<RuleStore::Plan> RuleStore::PlanImportLocked(
    const RuleImport& batch) const {
  Plan plan;
  const std::string new_file = FreePathLocked(batch.file_name);
  absl::flat_hash_map<std::string_view, const Rule*> present;
  for (const Rule& rule : current_->rules()) present.emplace(rule.name, &rule);
  absl::flat_hash_set<std::string> wanted;
  UserResolver users;
  for (Rule rule : batch.rules) {
    absl::Status status = ValidateRule(rule);
    if (status.ok()) status = users.Resolve(&rule);
    if (!status.ok()) return OfRule(rule, status);
    if (!wanted.insert(rule.name).second) {
      return absl::InvalidArgumentError(
          Concat("name: there are two rules '", rule.name, "'"));
    }
    const auto found = present.find(rule.name);
    if (found == present.end()) {
      rule.origin = new_file;
      plan.files.insert(rule.origin);
      plan.result.added.push_back(rule.name);
    } else {
      const Rule& old = *found->second;
      rule.origin = old.origin;
      if (IsSameButForFile(rule, old)) {
        ++plan.result.unchanged;
        // Of the admin's files nothing is taken over.
        if (IsReadOnly(old)) continue;
      } else if (IsReadOnly(old) || !batch.replace) {
        return absl::AlreadyExistsError(
            Concat("name: '", rule.name, "' is already a rule of ", old.origin,
                   ", and not the same"));
      } else {
        plan.files.insert(rule.origin);
        plan.result.changed.push_back(rule.name);
      }
    }
    plan.rules.push_back(std::move(rule));
  }
  for (const Rule& rule : current_->rules()) {
    const bool named = wanted.contains(rule.name);
    if (IsReadOnly(rule)) {
      plan.rules.push_back(rule);
    } else if (batch.replace && !named) {
      plan.files.insert(rule.origin);
      plan.result.removed.push_back(rule.name);
    } else if (!named) {
      plan.rules.push_back(rule);
    }
  }
  return plan;
}

absl::StatusOr<ImportedRules> RuleStore::Import(RuleImport batch, bool dry_run,
                                                const IfMatch& if_match) {
  std::lock_guard lock(mutex_);
  if (absl::Status s = CheckChangeableLocked(); !s.ok()) return s;
  if (absl::Status s = CheckVersionLocked(if_match); !s.ok()) return s;
  absl::StatusOr<Plan> plan = PlanImportLocked(batch);
  if (!plan.ok()) return plan.status();
  auto built = BuildLocked(std::move(plan->rules));
  if (!built.ok()) return built.status();
  ImportedRules result = std::move(plan->result);
  absl::flat_hash_set<std::string_view> touched(result.added.begin(),
                                                result.added.end());
  touched.insert(result.changed.begin(), result.changed.end());
  for (size_t i = 0; i < (*built)->rules().size(); ++i) {
    const Rule& rule = (*built)->rules()[i];
    if (touched.contains(rule.name)) result.rules.push_back({rule, i, false});
  }
  if (dry_run || result.changes_nothing()) return result;
  if (absl::Status s = SaveImportLocked(**built, *plan, batch); !s.ok()) {
    return s;
  }
  if (batch.keep_undo) before_ = current_;
  current_ = *std::move(built);
  on_change_(current_);
  return result;
}

absl::Status RuleStore::SaveImportLocked(const RuleSet& rules, const Plan& plan,
                                         const RuleImport& batch) {
  RuleUndo undo;
  undo.what = batch.what;
  std::map<std::string, std::vector<Rule>> rules_of;
  for (const std::string& path : plan.files) {
    rules_of.try_emplace(path);
    RuleUndo::File& file = undo.files.emplace_back();
    file.name = path.substr(our_dir_.size() + 1);
    if (!IsUtf8(file.name)) {
      return absl::FailedPreconditionError(
          Concat(QuoteForMessage(path), ": its name is not UTF-8; rename it"));
    }
    auto content = ReadGuardedFile(path, kMaxRuleFileBytes, ServiceUid());
    if (content.ok()) {
      file.content = *std::move(content);
    } else if (!absl::IsNotFound(content.status())) {
      return absl::UnavailableError(Concat("not saved, nothing is changed: ",
                                           MessageOf(content.status())));
    }
  }
  for (const Rule& rule : rules.rules()) {
    const auto place = rules_of.find(rule.origin);
    if (place != rules_of.end()) place->second.push_back(rule);
  }
  std::vector<FileChange> changes;
  for (const auto& [path, of_file] : rules_of) {
    changes.push_back({path, std::nullopt});
    if (!of_file.empty()) changes.back().content = RuleFileText(of_file);
  }
  absl::Status status = writer_.Write(undo_path_, RuleUndoText(undo));
  if (status.ok()) {
    undo_ = std::move(undo);
    status = ApplyLocked(changes);
    if (status.ok()) {
      undo_->is_complete = true;
      status = batch.keep_undo ? writer_.Write(undo_path_, RuleUndoText(*undo_))
                               : writer_.Remove(undo_path_);
    }
  }
  if (status.ok()) {
    if (!batch.keep_undo) undo_.reset();
    return absl::OkStatus();
  }
  std::string message =
      Concat("not saved, nothing is changed: ", MessageOf(status));
  if (undo_.has_value()) {
    undo_->is_complete = false;
    absl::Status back = PutBackLocked();
    if (!back.ok()) AppendTo(&message, "; ", MessageOf(back));
  }
  return absl::UnavailableError(message);
}

absl::Status RuleStore::ApplyLocked(const std::vector<FileChange>& changes) {
  absl::Status status = writer_.Apply(changes);
  for (const FileChange& change : changes) {
    RememberOursLocked(change.path, change.content.value_or(""), status.ok());
  }
  return status;
}

absl::Status RuleStore::PutBackLocked() {
  // So that a crash on the way is made good by the next start; if this cannot
  // be written, neither can the files.
  absl::Status status = writer_.Write(undo_path_, RuleUndoText(*undo_));
  if (status.ok()) status = ApplyLocked(ChangesOf(*undo_, our_dir_));
  if (status.ok()) status = writer_.Remove(undo_path_);
  if (!status.ok()) {
    return absl::UnavailableError(Concat(
        "rule files could not be put back to what they were before ",
        undo_->what, ", the rules in force are right: ", MessageOf(status)));
  }
  undo_.reset();
  return absl::OkStatus();
}

absl::StatusOr<RuleUndo> RuleStore::ReadUndoLocked() const {
  absl::StatusOr<std::string> text =
      ReadGuardedFile(undo_path_, kMaxRuleUndoBytes, ServiceUid());
  if (!text.ok()) return text.status();
  absl::StatusOr<RuleUndo> undo = ParseRuleUndo(*text);
  if (!undo.ok()) {
    return absl::InvalidArgumentError(
        Concat(undo_path_, ": ", MessageOf(undo.status()),
               "; it says what rule files were before a change that was not "
               "finished: remove it if the files are right as they are"));
  }
  return undo;
}

absl::Status RuleStore::LoadUndoLocked(Unconfirmed unconfirmed) {
  absl::StatusOr<RuleUndo> undo = ReadUndoLocked();
  if (absl::IsNotFound(undo.status())) return absl::OkStatus();
  if (!undo.ok()) return undo.status();
  undo_ = *std::move(undo);
  if (undo_->is_complete && unconfirmed == Unconfirmed::kWaitsOn) {
    return absl::OkStatus();
  }
  undo_->is_complete = false;
  return PutBackLocked();
}

bool RuleStore::HasUndo() const {
  std::lock_guard lock(mutex_);
  return undo_.has_value();
}

absl::Status RuleStore::KeepImport() {
  std::lock_guard lock(mutex_);
  if (!undo_.has_value() || !undo_->is_complete) {
    return absl::FailedPreconditionError("the rules are going back already");
  }
  absl::Status status = writer_.Remove(undo_path_);
  if (!status.ok()) {
    return absl::UnavailableError(
        Concat("not kept, it still waits: ", MessageOf(status)));
  }
  undo_.reset();
  before_.reset();
  return absl::OkStatus();
}

std::shared_ptr<const RuleSet> RuleStore::SetBeforeLocked() const {
  std::vector<Rule> rules;
  for (const Rule& rule : current_->rules()) {
    if (IsReadOnly(rule)) rules.push_back(rule);
  }
  for (const Rule& rule : before_->rules()) {
    if (!IsReadOnly(rule)) rules.push_back(rule);
  }
  // It does not fit what the admin's files have become: as it was, then.
  auto built = BuildLocked(std::move(rules));
  return built.ok() ? *std::move(built) : before_;
}

absl::Status RuleStore::UndoImport() {
  std::lock_guard lock(mutex_);
  if (!undo_.has_value()) return absl::OkStatus();
  // First what counts, in memory: no disk can keep us from it.
  if (before_ != nullptr) {
    current_ = SetBeforeLocked();
    before_.reset();
    on_change_(current_);
  }
  undo_->is_complete = false;
  if (absl::Status status = PutBackLocked(); !status.ok()) {
    last_error_ = MessageOf(status);
    return absl::UnavailableError(last_error_);
  }
  // What the admin's files have become meanwhile; an error is kept for status.
  ReloadLocked(Why::kAsked).IgnoreError();
  return absl::OkStatus();
}

}  // namespace sallyport
