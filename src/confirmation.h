#ifndef SALLYPORT_SRC_CONFIRMATION_H_
#define SALLYPORT_SRC_CONFIRMATION_H_

// Confirmation: nobody locks himself out. A change of the mode, or an import of
// rules, may be made for a time: unless it is confirmed by then it goes back by
// itself, whatever happens to the daemon meanwhile. All changes of the mode and
// all imports pass through here; any thread, but for the two calls of the start
// and OnAlarm, which are the main thread's. It owns nothing it is given.
//
// One change waits at a time. While it does, what it changed is changed by
// nothing else (FailedPrecondition, naming it): the mode by no other change of
// the mode, our rules by no other change of rules (RuleStore sees to that).
//
// What there was is on disk before the change is made: for the mode in
// STATE/pending-change.json, for rules in RuleStore's undo file; the deadline
// (CLOCK_BOOTTIME, so a sleeping machine counts, and nobody's setting of the
// clock does) in the former. So after a crash or a restart
//   - within the time, the change is in force and waits on;
//   - later, it has gone back before anything is judged;
//   - after a reboot, too; the mode is then the configuration's.
//
// Order on disk, so that a crash between any two steps leaves either a change
// that waits or none: made: pending file, undo file, rules, undo file complete;
// kept or taken back: undo file gone, then pending file.

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/atomic_file.h"
#include "src/boot_timer.h"
#include "src/pending_change.h"
#include "src/rule_store.h"

namespace sallyport {

// Shorter cannot be typed in time, longer is no protection.
inline constexpr int64_t kMinConfirmSeconds = 1;
inline constexpr int64_t kMaxConfirmSeconds = 86'400;

struct ConfirmationOptions {
  std::string state_dir;
  RuleStore* rules = nullptr;
  BootTimer* timer = nullptr;
  FileWriter* writer = nullptr;  // null: AtomicFileWriter
  std::function<Mode()> mode;
  std::function<void(Mode)> set_mode;
  // What became of a change, and why (""; "not confirmed in time"). Called in
  // the order in which it happened; must not call back.
  std::function<void(const PendingChange&, ChangeState, const std::string& why)>
      on_event;
  // Trouble with files, for the log.
  std::function<void(const std::string&)> on_error;
};

class Confirmation {
 public:
  // Files that could not be put back are tried again so often.
  static constexpr int64_t kRetryNs = 5'000'000'000;

  explicit Confirmation(ConfirmationOptions options);
  Confirmation(const Confirmation&) = delete;
  Confirmation& operator=(const Confirmation&) = delete;

  // First: what the rules are to be loaded with, and the mode to start in if it
  // is not the configuration's. Needs no rules and no mode yet.
  struct Recovery {
    RuleStore::Unconfirmed rules = RuleStore::Unconfirmed::kUndo;
    std::optional<Mode> mode;
  };
  Recovery Recover();
  // Once rules are loaded and the mode can be set. REQUIRES: after Recover.
  void Start();

  // `window`: confirm within; none: for good. To the mode that is set already
  // it is nothing, and nothing waits. InvalidArgument: `window` out of range.
  absl::Status SetMode(Mode mode, std::optional<absl::Duration> window,
                       uint32_t uid);
  // An import that changes nothing does not wait either. `batch.keep_undo` and
  // `what` are set here.
  absl::StatusOr<ImportedRules> Import(RuleImport batch,
                                       std::optional<absl::Duration> window,
                                       const IfMatch& if_match, uint32_t uid);

  // What was confirmed, or taken back; FailedPrecondition if nothing waits
  // (the message says what became of the last change).
  absl::StatusOr<PendingChange> Confirm();
  absl::StatusOr<PendingChange> TakeBack();

  std::optional<WaitingChange> Waiting() const;

  // When the timer's fd is readable, or whenever.
  void OnAlarm();

 private:
  absl::StatusOr<PendingChange> ReadFile() const;
  // Checks that a change may begin, and writes the file.
  absl::Status Begin(PendingChange* change, absl::Duration window)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  void Applied(PendingChange change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  absl::Status GoBack(const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  void End(ChangeState state, const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  void RemoveFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  std::optional<PendingChange> Copy() const;
  void Store(std::optional<PendingChange> change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  absl::Status NothingWaits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);

  // Constant after construction.
  const ConfirmationOptions options_;
  const std::string path_;
  AtomicFileWriter atomic_writer_;
  FileWriter& writer_;

  std::mutex changing_;  // held while a change is made, kept or taken back
  std::string last_ ABSL_GUARDED_BY(changing_);  // what became of the last one
  bool is_going_back_ ABSL_GUARDED_BY(changing_) = false;
  // Of a change that was found by Recover to be over.
  std::optional<PendingChange> expired_ ABSL_GUARDED_BY(changing_);
  std::string expired_why_ ABSL_GUARDED_BY(changing_);

  mutable std::mutex mutex_;  // taken last, held shortly
  std::optional<PendingChange> pending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_CONFIRMATION_H_
