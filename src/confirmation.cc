#include "src/confirmation.h"

#include <algorithm>
#include <utility>

#include "rules/text_util.h"
#include "rules/time_text.h"
#include "src/file_guard.h"

namespace sallyport {
namespace {

constexpr char kNotInTime[] = "not confirmed in time";
constexpr char kRebooted[] = "not confirmed before the machine was restarted";
constexpr char kRestarted[] = "waits on after a restart";
constexpr char kAsked[] = "taken back";

std::string ImportInWords(const ImportedRules& batch) {
  return Concat("import of rules (", batch.added.size(), " added, ",
                batch.changed.size(), " changed, ", batch.removed.size(),
                " removed)");
}

absl::Status CheckWindow(std::optional<absl::Duration> window) {
  if (!window.has_value() || (*window >= absl::Seconds(kMinConfirmSeconds) &&
                              *window <= absl::Seconds(kMaxConfirmSeconds))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(Concat("confirm_seconds: must be from ",
                                           kMinConfirmSeconds, " to ",
                                           kMaxConfirmSeconds));
}

absl::Status Conflict(const WaitingChange& waiting) {
  return absl::FailedPreconditionError(
      Concat(waiting.change.what, ", asked for by uid ",
             waiting.change.asked_by_uid, ", waits to be confirmed for ",
             DurationToString(absl::Ceil(waiting.left, absl::Seconds(1))),
             " more: `sallyport confirm` keeps it, `sallyport confirm --undo` "
             "takes it back"));
}

}  // namespace

Confirmation::Confirmation(ConfirmationOptions options)
    : options_(std::move(options)),
      path_(options_.state_dir + "/pending-change.json"),
      writer_(options_.writer == nullptr ? atomic_writer_ : *options_.writer) {}

// ---- the start

absl::StatusOr<PendingChange> Confirmation::ReadFile() const {
  absl::StatusOr<std::string> text =
      ReadGuardedFile(path_, kMaxPendingChangeBytes, ServiceUid());
  if (!text.ok()) return text.status();
  absl::StatusOr<PendingChange> change = ParsePendingChange(*text);
  if (change.ok()) return change;
  return absl::InvalidArgumentError(
      Concat(path_, ": ", MessageOf(change.status())));
}

Confirmation::Recovery Confirmation::Recover() {
  std::lock_guard changing(changing_);
  absl::StatusOr<PendingChange> change = ReadFile();
  if (absl::IsNotFound(change.status())) return {};
  if (!change.ok()) {
    // Whatever it was, it goes back.
    options_.on_error(Concat(
        "a change that waited to be confirmed is taken back, since what was "
        "kept of it cannot be read: ",
        MessageOf(change.status())));
    RemoveFile();
    return {};
  }
  const bool is_mode = change->kind == PendingChange::Kind::kMode;
  const int64_t now = options_.timer->NowNs();
  const std::string boot_id = options_.timer->BootId();
  Recovery recovery;
  if (boot_id.empty() || boot_id != change->boot_id) {
    expired_why_ = kRebooted;
  } else if (now >= change->deadline_ns ||
             // Of a clock that is not ours (another time namespace).
             change->deadline_ns - now > kMaxConfirmSeconds * 1'000'000'000) {
    expired_why_ = kNotInTime;
    if (is_mode) recovery.mode = change->mode_before;
  } else {
    if (is_mode) {
      recovery.mode = change->mode_after;
    } else {
      recovery.rules = RuleStore::Unconfirmed::kWaitsOn;
    }
    Store(*std::move(change));
    return recovery;
  }
  expired_ = *std::move(change);
  return recovery;
}

void Confirmation::Start() {
  std::lock_guard changing(changing_);
  if (std::optional<PendingChange> gone = std::exchange(expired_, {})) {
    // Loading the rules has undone it.
    Store(*std::move(gone));
    End(ChangeState::kRolledBack, expired_why_);
    return;
  }
  const std::optional<PendingChange> pending = Copy();
  if (!pending.has_value()) return;
  if (pending->kind == PendingChange::Kind::kRules &&
      !options_.rules->HasUndo()) {
    // It was being made or kept when we died: nothing waits, see the order on
    // disk in the header.
    Store(std::nullopt);
    RemoveFile();
    return;
  }
  options_.timer->SetAlarm(pending->deadline_ns);
  options_.on_event(*pending, ChangeState::kApplied, kRestarted);
}

// ---- changes

absl::Status Confirmation::Begin(PendingChange* change, absl::Duration window) {
  if (const auto waiting = Waiting()) return Conflict(*waiting);
  change->boot_id = options_.timer->BootId();
  if (change->boot_id.empty()) {
    // It would go back at the next start, whenever that is: better not at all.
    return absl::UnavailableError(
        "/proc/sys/kernel/random/boot_id cannot be read, and without it no "
        "change can wait to be confirmed");
  }
  change->deadline_ns =
      options_.timer->NowNs() + absl::ToInt64Nanoseconds(window);
  absl::Status status = writer_.Write(path_, PendingChangeText(*change));
  if (status.ok()) return status;
  return absl::UnavailableError(
      Concat("not saved, nothing is changed: ", MessageOf(status)));
}

void Confirmation::Applied(PendingChange change) {
  options_.timer->SetAlarm(change.deadline_ns);
  Store(change);
  options_.on_event(change, ChangeState::kApplied, "");
}

absl::Status Confirmation::SetMode(Mode mode,
                                   std::optional<absl::Duration> window,
                                   uint32_t uid) {
  if (absl::Status s = CheckWindow(window); !s.ok()) return s;
  std::lock_guard changing(changing_);
  const Mode before = options_.mode();
  if (!window.has_value()) {
    const std::optional<WaitingChange> waiting = Waiting();
    if (waiting.has_value() &&
        waiting->change.kind == PendingChange::Kind::kMode) {
      return Conflict(*waiting);
    }
    options_.set_mode(mode);
    return absl::OkStatus();
  }
  PendingChange change;
  change.kind = PendingChange::Kind::kMode;
  change.what = Concat("mode ", ModeName(before), " -> ", ModeName(mode));
  change.mode_before = before;
  change.mode_after = mode;
  change.asked_by_uid = uid;
  if (mode == before && !Waiting().has_value()) return absl::OkStatus();
  if (absl::Status s = Begin(&change, *window); !s.ok()) return s;
  options_.set_mode(mode);
  Applied(std::move(change));
  return absl::OkStatus();
}

absl::StatusOr<ImportedRules> Confirmation::Import(
    RuleImport batch, std::optional<absl::Duration> window,
    const IfMatch& if_match, uint32_t uid) {
  if (absl::Status s = CheckWindow(window); !s.ok()) return s;
  std::lock_guard changing(changing_);
  batch.keep_undo = window.has_value();
  batch.what = "import of rules";
  if (!window.has_value()) {
    return options_.rules->Import(std::move(batch), /*dry_run=*/false,
                                  if_match);
  }
  // What it comes to, before it is begun.
  absl::StatusOr<ImportedRules> plan =
      options_.rules->Import(batch, /*dry_run=*/true, if_match);
  if (!plan.ok() || plan->changes_nothing()) return plan;
  PendingChange change;
  change.kind = PendingChange::Kind::kRules;
  change.what = batch.what = ImportInWords(*plan);
  change.asked_by_uid = uid;
  if (absl::Status s = Begin(&change, *window); !s.ok()) return s;
  absl::StatusOr<ImportedRules> imported =
      options_.rules->Import(std::move(batch), /*dry_run=*/false, if_match);
  if (!imported.ok() || imported->changes_nothing()) {
    RemoveFile();
    return imported;
  }
  Applied(std::move(change));
  return imported;
}

// ---- and what becomes of them

absl::StatusOr<PendingChange> Confirmation::Confirm() {
  std::lock_guard changing(changing_);
  const std::optional<PendingChange> change = Copy();
  if (!change.has_value()) return NothingWaits();
  if (is_going_back_) {
    return absl::FailedPreconditionError(
        Concat(change->what, " is going back already"));
  }
  if (change->kind == PendingChange::Kind::kRules) {
    if (absl::Status s = options_.rules->KeepImport(); !s.ok()) return s;
  }
  End(ChangeState::kConfirmed, "");
  return *change;
}

absl::StatusOr<PendingChange> Confirmation::TakeBack() {
  std::lock_guard changing(changing_);
  const std::optional<PendingChange> change = Copy();
  if (!change.has_value()) return NothingWaits();
  if (absl::Status s = GoBack(kAsked); !s.ok()) return s;
  return *change;
}

void Confirmation::OnAlarm() {
  options_.timer->ClearAlarm();
  std::lock_guard changing(changing_);
  const std::optional<PendingChange> change = Copy();
  if (!change.has_value()) return;
  if (!is_going_back_ && options_.timer->NowNs() < change->deadline_ns) {
    options_.timer->SetAlarm(change->deadline_ns);
    return;
  }
  GoBack(kNotInTime).IgnoreError();  // told, and tried again
}

absl::Status Confirmation::GoBack(const std::string& why) {
  const PendingChange change = *Copy();
  if (change.kind == PendingChange::Kind::kMode) {
    options_.set_mode(change.mode_before);
  } else if (absl::Status s = options_.rules->UndoImport(); !s.ok()) {
    // In memory it has gone back; the files follow when they can.
    if (!std::exchange(is_going_back_, true)) options_.on_error(MessageOf(s));
    options_.timer->SetAlarm(options_.timer->NowNs() + kRetryNs);
    return s;
  }
  End(ChangeState::kRolledBack, why);
  return absl::OkStatus();
}

void Confirmation::End(ChangeState state, const std::string& why) {
  const PendingChange change = *Copy();
  options_.timer->SetAlarm(BootTimer::kNever);
  Store(std::nullopt);
  is_going_back_ = false;
  RemoveFile();
  last_ =
      Concat(change.what, state == ChangeState::kConfirmed ? " was confirmed"
                                                           : " has gone back");
  if (!why.empty()) AppendTo(&last_, ": ", why);
  options_.on_event(change, state, why);
}

void Confirmation::RemoveFile() {
  if (absl::Status s = writer_.Remove(path_); !s.ok()) {
    options_.on_error(MessageOf(s));
  }
}

absl::Status Confirmation::NothingWaits() const {
  return absl::FailedPreconditionError(
      Concat("nothing waits to be confirmed",
             last_.empty() ? "" : Concat(" (", last_, ")")));
}

std::optional<WaitingChange> Confirmation::Waiting() const {
  std::optional<PendingChange> change = Copy();
  if (!change.has_value()) return std::nullopt;
  const absl::Duration left =
      absl::Nanoseconds(change->deadline_ns - options_.timer->NowNs());
  return WaitingChange{*std::move(change),
                       std::max(left, absl::ZeroDuration())};
}

std::optional<PendingChange> Confirmation::Copy() const {
  std::lock_guard lock(mutex_);
  return pending_;
}

void Confirmation::Store(std::optional<PendingChange> change) {
  std::lock_guard lock(mutex_);
  pending_ = std::move(change);
}

}  // namespace sallyport
