#ifndef SALLYPORT_SRC_RULE_STORE_H_
#define SALLYPORT_SRC_RULE_STORE_H_

// RuleStore: the rules as files, and the set that is in force. Reads *.toml of
// the admin's directories (never written here) and of STATE/rules.d (ours: one
// file per rule, NAME.toml). The whole set is validated before any of it
// counts; a broken file leaves the last good set in force (F13) and its error
// in last_error(). Thread-safe; every change is serialised by one mutex, held
// while files are read or written and while `on_change` runs, so that sets are
// published in the order they were saved. Never call it from the packet path.
//
// A change of several files (Import) is one change on disk too: what the files
// were is first written to STATE/rules.undo (rule_undo.h). If the daemon dies
// before all of them are changed, the next Load puts them back. An import may
// also keep its undo file until it is confirmed (src/confirmation.h); until
// then our rules can only be kept (KeepImport) or put back (UndoImport).
//
// Errors of changes: NotFound, AlreadyExists, PermissionDenied (a rule of the
// admin's), InvalidArgument ("FIELD: what is wrong"), ResourceExhausted (too
// many rules), Aborted (IfMatch), FailedPrecondition (an import waits to be
// confirmed), Unavailable ("not saved": disk full and the like; the old file
// and the set in force are untouched, F16).

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rules/rule.h"
#include "rules/rule_set.h"
#include "src/atomic_file.h"
#include "src/rule_change.h"
#include "src/rule_clock.h"
#include "src/rule_files.h"
#include "src/rule_undo.h"
#include "src/rule_version.h"

namespace sallyport {

struct RuleStoreOptions {
  std::vector<std::string> rules_dirs;  // need not exist
  std::string state_dir;                // must exist; rules.d is made
  bool builtin_loopback_rule = true;
  FileWriter* writer = nullptr;  // borrowed; null: AtomicFileWriter
  // For rules that end or have hours; called with the lock held.
  std::function<Moment()> now = CurrentMoment;
  // Told, after each read of all files but the first, of each file that is not
  // as it was read or written last: another hand was at it. May be left empty.
  // Called with the store locked: it must not call the store.
  std::function<void(const RuleFileChange&)> on_foreign_change;
};

// A rule of the set in force, by value.
struct StoredRule {
  Rule rule;
  size_t index = 0;  // place in the order of precedence
  bool read_only = false;
};

// Several rules as one change.
struct RuleImport {
  std::vector<Rule> rules;
  // Rules of ours that are not among them go, and those of the same name are
  // changed. Without: no name may be taken.
  bool replace = false;
  // Until KeepImport or UndoImport; `what` says to people what waits.
  bool keep_undo = false;
  std::string what;
  // Of the file that takes what is added, without ".toml"; another, with a
  // number, if it is taken. [a-z0-9-]
  std::string file_name = "import";
};

struct ImportedRules {
  std::vector<StoredRule> rules;     // added and changed, by precedence
  std::vector<std::string> added;    // names
  std::vector<std::string> changed;  // names
  std::vector<std::string> removed;  // names
  size_t unchanged = 0;              // stood there already, word for word
  bool changes_nothing() const {
    return added.empty() && changed.empty() && removed.empty();
  }
};

class RuleStore {
 public:
  using OnChange = std::function<void(std::shared_ptr<const RuleSet>)>;

  // `on_change` is not called by the first Load, but by every later change.
  RuleStore(RuleStoreOptions options, OnChange on_change);
  ~RuleStore();
  RuleStore(const RuleStore&) = delete;
  RuleStore& operator=(const RuleStore&) = delete;

  // Before anything else. A broken file is an error here: there is no last
  // good set, and starting with fewer rules would widen (exit code 3). An
  // import that was not finished is put back, and one that was not confirmed
  // unless it is to wait on.
  enum class Unconfirmed : uint8_t { kUndo, kWaitsOn };
  absl::Status Load(Unconfirmed unconfirmed = Unconfirmed::kUndo)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads all files anew. Calls on_change if the rules differ from those in
  // force (our own writes do not). kOnEvent: because the directory changed; a
  // file that now ends inside a rule it had whole is then an error.
  enum class Why : uint8_t { kOnEvent, kAsked };
  absl::Status Reload(Why why = Why::kOnEvent) ABSL_LOCKS_EXCLUDED(mutex_);

  // When RuleSet::next_change has come, or the clock was set. Rules of ours
  // that have expired are removed; what can't be removed stays, asleep.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);

  std::shared_ptr<const RuleSet> Current() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string last_error() const ABSL_LOCKS_EXCLUDED(mutex_);  // "": none

  std::vector<StoredRule> List() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<StoredRule> Find(std::string_view name) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsReadOnly(const Rule& rule) const;

  // RuleSetVersion of the set in force.
  std::string Version() const ABSL_LOCKS_EXCLUDED(mutex_);

  // All changes: `if_match` is asked in the same step, for the version of the
  // rule, or of the set where rules are added.

  // A rule without name gets one made of its app, policy and a number.
  // `dry_run`: checks all, changes nothing.
  absl::StatusOr<StoredRule> Add(Rule rule, bool dry_run = false,
                                 const IfMatch& if_match = {})
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The rule of that name becomes `rule`, which may have another name.
  absl::StatusOr<StoredRule> Replace(std::string_view name, Rule rule,
                                     const IfMatch& if_match = {})
      ABSL_LOCKS_EXCLUDED(mutex_);
  // As Replace, with what `edit` makes of the present rule (its status is
  // passed on). Read and write are one step. `edit` must not call the store.
  absl::StatusOr<StoredRule> Edit(
      std::string_view name, const std::function<absl::Status(Rule*)>& edit,
      const IfMatch& if_match = {}) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove(std::string_view name, const IfMatch& if_match = {})
      ABSL_LOCKS_EXCLUDED(mutex_);

  // All of them or none, in force and on disk. What is added goes into one new
  // file; what is changed stays in its own. Every rule needs a name.
  absl::StatusOr<ImportedRules> Import(RuleImport batch, bool dry_run = false,
                                       const IfMatch& if_match = {})
      ABSL_LOCKS_EXCLUDED(mutex_);
  // True while an import waits for one of the two below.
  bool HasUndo() const ABSL_LOCKS_EXCLUDED(mutex_);
  // If it fails, the import waits on.
  absl::Status KeepImport() ABSL_LOCKS_EXCLUDED(mutex_);
  // The rules from before are in force at once (after a restart: once the files
  // are back). Unavailable if the files could not all be put back: to be tried
  // again. Without an import that waits there is nothing to do.
  absl::Status UndoImport() ABSL_LOCKS_EXCLUDED(mutex_);

  // Directories to watch for changes.
  std::vector<std::string> directories() const;

 private:
  // The set in force without the rule `without`, and with `with`.
  std::vector<Rule> RulesWithLocked(std::string_view without,
                                    const Rule* with) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const RuleSet>> BuildLocked(
      std::vector<Rule> rules) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Unless the files may be changed now: an import waits, or files that could
  // not be put back cannot be yet.
  absl::Status CheckChangeableLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckVersionLocked(const IfMatch& if_match) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string VersionLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // rule_import.cc
  struct Plan;
  absl::StatusOr<Plan> PlanImportLocked(const RuleImport& batch) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveImportLocked(const RuleSet& rules, const Plan& plan,
                                const RuleImport& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<RuleUndo> ReadUndoLocked() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadUndoLocked(Unconfirmed unconfirmed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is in force, but with our rules of before_.
  std::shared_ptr<const RuleSet> SetBeforeLocked() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes them, and knows from then on that it was us.
  absl::Status ApplyLocked(const std::vector<FileChange>& changes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the files of undo_ back and removes the undo file.
  absl::Status PutBackLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReloadLocked(Why why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Validates, saves the file of `origin`, then puts `rules` in force.
  absl::Status CommitLocked(std::vector<Rule> rules, const std::string& origin)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveFileLocked(const RuleSet& rules, const std::string& origin)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After the file of `origin` was written (or removed: no text), or that
  // failed somewhere on the way.
  void RememberOursLocked(const std::string& origin, const std::string& text,
                          bool saved) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is not as in seen_, which then is as `files`.
  std::vector<RuleFileChange> TakeChangesLocked(const RuleFiles& files)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Says what became of `changes`: `rules` are in force now, null: they are
  // not, because of `error`.
  void TellChangesLocked(std::vector<RuleFileChange> changes,
                         const RuleSet* before, const RuleSet* rules,
                         const std::string& error)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> FindLocked(std::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> ReplaceLocked(const StoredRule& old, Rule rule)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> FindWritableLocked(std::string_view name,
                                                const IfMatch& if_match) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string FreeNameLocked(const Rule& rule) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string FreePathLocked(std::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const RuleStoreOptions options_;
  const std::string our_dir_;
  const std::string undo_path_;
  const OnChange on_change_;
  AtomicFileWriter atomic_writer_;
  FileWriter& writer_;

  mutable std::mutex mutex_;
  std::shared_ptr<const RuleSet> current_ ABSL_GUARDED_BY(mutex_);
  FileTexts good_texts_ ABSL_GUARDED_BY(mutex_);  // last good read
  FileTexts seen_ ABSL_GUARDED_BY(mutex_);        // last read, or written by us
  // Files whose change was told while it was not in force.
  std::set<std::string> not_taken_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  // The undo file's, if there is one: complete, and waiting; or to be finished.
  std::optional<RuleUndo> undo_ ABSL_GUARDED_BY(mutex_);
  // The set before the import that waits; null if that was before our start.
  std::shared_ptr<const RuleSet> before_ ABSL_GUARDED_BY(mutex_);
  // Of the set that somebody asked about last.
  mutable std::string version_ ABSL_GUARDED_BY(mutex_);
  mutable std::weak_ptr<const RuleSet> version_of_ ABSL_GUARDED_BY(mutex_);
};

// For --check-config and tests: the errors of all files, one per line, or the
// number of rules.
absl::StatusOr<size_t> CheckRuleFiles(const RuleStoreOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_STORE_H_
