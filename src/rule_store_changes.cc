// RuleStore: which files another hand has changed, and what that did.

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "rules/text_util.h"
#include "src/file_guard.h"
#include "src/rule_store.h"

namespace sallyport {
namespace {

using What = RuleFileChange::What;

// `before` null: there was no such file; `now` null: there is none.
RuleFileChange ChangeOf(const std::string& path, const RememberedFile* before,
                        const RememberedFile* now) {
  RuleFileChange change;
  change.what = before == nullptr ? What::kAdded
                : now == nullptr  ? What::kRemoved
                                  : What::kChanged;
  change.file = path;
  if (now != nullptr) {
    change.owner = now->owner;
    change.modified = now->modified;
  }
  const bool known = (before == nullptr || before->text != nullptr) &&
                     (now == nullptr || now->text != nullptr);
  if (known) {
    change.diff = DiffTexts(before == nullptr ? "" : *before->text,
                            now == nullptr ? "" : *now->text);
  }
  return change;
}

// It, or its directory, is there and says nothing.
bool IsUnread(const RuleFiles& files, const std::string& path) {
  return files.unread.contains(path) ||
         files.unread.contains(path.substr(0, path.rfind('/')));
}

// For each of the files `origins`, what became of its rules.
std::map<std::string, RuleNameChanges> CompareRules(
    const RuleSet* before, const RuleSet& now,
    const std::set<std::string>& origins) {
  std::map<std::string, RuleNameChanges> out;
  absl::flat_hash_map<std::string, const Rule*> old_rules;  // by name
  if (before != nullptr) {
    for (const Rule& rule : before->rules()) {
      if (origins.contains(rule.origin)) old_rules.emplace(rule.name, &rule);
    }
  }
  for (const Rule& rule : now.rules()) {
    if (!origins.contains(rule.origin)) continue;
    const auto old = old_rules.find(rule.name);
    if (old == old_rules.end() || old->second->origin != rule.origin) {
      out[rule.origin].added.push_back(rule.name);
      continue;
    }
    if (!(*old->second == rule)) {
      out[rule.origin].changed.push_back(rule.name);
    }
    old_rules.erase(old);
  }
  for (const auto& [name, rule] : old_rules) {
    out[rule->origin].removed.push_back(name);
  }
  for (auto& [origin, names] : out) {
    std::ranges::sort(names.added);
    std::ranges::sort(names.removed);
    std::ranges::sort(names.changed);
  }
  return out;
}

}  // namespace

void RuleStore::RememberOursLocked(const std::string& origin,
                                   const std::string& text, bool saved) {
  size_t room_bytes = kMaxRememberedBytes;  // the next reading weighs all
  not_taken_.erase(origin);
  absl::StatusOr<std::string> there = text;
  if (!saved) {
    // Either the old text or ours; which, depends on the step that failed.
    there = ReadGuardedFile(origin, kMaxRuleFileBytes, ServiceUid());
    if (!there.ok() && !absl::IsNotFound(there.status())) return;
  }
  if (!there.ok() || there->empty()) {
    seen_.erase(origin);
  } else {
    seen_[origin] = RememberFile(*std::move(there), &room_bytes);
  }
}

std::vector<RuleFileChange> RuleStore::TakeChangesLocked(
    const RuleFiles& files) {
  std::vector<RuleFileChange> changes;
  size_t more_files = 0;
  const auto add = [&](const std::string& path, const RememberedFile* before,
                       const RememberedFile* now) {
    if (changes.size() < kMaxChangesTold) {
      changes.push_back(ChangeOf(path, before, now));
    } else {
      ++more_files;
    }
  };
  FileTexts seen = files.texts;
  for (const auto& [path, before] : seen_) {
    const auto now = files.texts.find(path);
    if (now != files.texts.end()) {
      if (!HaveSameText(before, now->second)) add(path, &before, &now->second);
    } else if (IsUnread(files, path)) {
      seen.emplace(path, before);
    } else {
      add(path, &before, nullptr);
    }
  }
  for (const auto& [path, now] : files.texts) {
    if (!seen_.contains(path)) add(path, nullptr, &now);
  }
  seen_ = std::move(seen);
  if (more_files > 0) changes.emplace_back().more_files = more_files;
  return changes;
}

void RuleStore::TellChangesLocked(std::vector<RuleFileChange> changes,
                                  const RuleSet* before, const RuleSet* rules,
                                  const std::string& error) {
  std::set<std::string> files;
  for (const RuleFileChange& change : changes) {
    if (!change.file.empty()) files.insert(change.file);
  }
  not_taken_.insert(files.begin(), files.end());
  if (rules != nullptr) {
    const auto names = CompareRules(before, *rules, not_taken_);
    for (RuleFileChange& change : changes) {
      const auto found = names.find(change.file);
      change.in_force = true;
      if (found != names.end()) change.rules = found->second;
    }
    for (const auto& [file, changed] : names) {
      if (files.contains(file) || changes.size() > kMaxChangesTold) continue;
      RuleFileChange& taken = changes.emplace_back();
      taken.what = What::kTaken;
      taken.file = file;
      taken.in_force = true;
      taken.rules = changed;
    }
    not_taken_.clear();
  }
  if (!options_.on_foreign_change) return;
  for (RuleFileChange& change : changes) {
    if (!change.in_force) change.error = error;
    options_.on_foreign_change(change);
  }
}

}  // namespace sallyport
