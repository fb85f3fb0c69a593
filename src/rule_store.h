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
// Errors of changes: NotFound, AlreadyExists, PermissionDenied (a rule of the
// admin's), InvalidArgument ("FIELD: what is wrong"), ResourceExhausted (too
// many rules), Unavailable ("not saved": disk full and the like; the old file
// and the set in force are untouched, F16).

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rules/rule.h"
#include "rules/rule_set.h"
#include "src/atomic_file.h"
#include "src/rule_clock.h"
#include "src/rule_files.h"

namespace sallyport {

struct RuleStoreOptions {
  std::vector<std::string> rules_dirs;  // need not exist
  std::string state_dir;                // must exist; rules.d is made
  bool builtin_loopback_rule = true;
  FileWriter* writer = nullptr;  // borrowed; null: AtomicFileWriter
  // For rules that end or have hours; called with the lock held.
  std::function<Moment()> now = CurrentMoment;
};

// A rule of the set in force, by value.
struct StoredRule {
  Rule rule;
  size_t index = 0;  // place in the order of precedence
  bool read_only = false;
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
  // good set, and starting with fewer rules would widen (exit code 3).
  absl::Status Load() ABSL_LOCKS_EXCLUDED(mutex_);

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

  // A rule without name gets one made of its app, policy and a number.
  // `dry_run`: checks all, changes nothing.
  absl::StatusOr<StoredRule> Add(Rule rule, bool dry_run = false)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The rule of that name becomes `rule`, which may have another name.
  absl::StatusOr<StoredRule> Replace(std::string_view name, Rule rule)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // As Replace, with what `edit` makes of the present rule (its status is
  // passed on). Read and write are one step. `edit` must not call the store.
  absl::StatusOr<StoredRule> Edit(
      std::string_view name, const std::function<absl::Status(Rule*)>& edit)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove(std::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Directories to watch for changes.
  std::vector<std::string> directories() const;

 private:
  // The set in force without the rule `without`, and with `with`.
  std::vector<Rule> RulesWithLocked(std::string_view without,
                                    const Rule* with) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const RuleSet>> BuildLocked(
      std::vector<Rule> rules) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Validates, saves the file of `origin`, then puts `rules` in force.
  absl::Status CommitLocked(std::vector<Rule> rules, const std::string& origin)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SaveFileLocked(const RuleSet& rules, const std::string& origin)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> FindLocked(std::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> ReplaceLocked(const StoredRule& old, Rule rule)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<StoredRule> FindWritableLocked(std::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string FreeNameLocked(const Rule& rule) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string FreePathLocked(std::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const RuleStoreOptions options_;
  const std::string our_dir_;
  const OnChange on_change_;
  AtomicFileWriter atomic_writer_;
  FileWriter& writer_;

  mutable std::mutex mutex_;
  std::shared_ptr<const RuleSet> current_ ABSL_GUARDED_BY(mutex_);
  FileTexts texts_ ABSL_GUARDED_BY(mutex_);  // admins', last good read
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
};

// For --check-config and tests: the errors of all files, one per line, or the
// number of rules.
absl::StatusOr<size_t> CheckRuleFiles(const RuleStoreOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_STORE_H_
