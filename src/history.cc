#include "src/history.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "rules/text_util.h"
#include "src/history_schema.h"
#include "src/history_table.h"
#include "src/log.h"
#include "src/sqlite_db.h"

namespace sallyport {
namespace {

// Rows deleted by one statement.
constexpr int64_t kPruneRows = 64;
// Free pages that are kept for new rows; more go back to the file system.
constexpr int64_t kFreePages = 1024;
// More damaged files than this, and the disk is what is damaged.
constexpr int kMaxMovedAside = 3;

}  // namespace

class History::Db {
 public:
  // REQUIRES: its schema is of this version.
  static absl::StatusOr<std::unique_ptr<Db>> Make(SqliteDb opened) {
    auto db = std::make_unique<Db>(std::move(opened));
    auto violation = HistoryTable::Open(db->db, kHistoryTables[0]);
    if (!violation.ok()) return violation.status();
    auto flow = HistoryTable::Open(db->db, kHistoryTables[1]);
    if (!flow.ok()) return flow.status();
    auto save = db->db.Prepare("UPDATE budget SET violation = ?, flow = ?");
    if (!save.ok()) return save.status();
    db->violation_ = *std::move(violation);
    db->flow_ = *std::move(flow);
    db->save_budget_ = *std::move(save);
    return db;
  }
  explicit Db(SqliteDb opened) : db(std::move(opened)) {}

  SqliteDb db;

  HistoryEnds ends() const {
    return {{violation_->anchor(), flow_->anchor()},
            {violation_->head(), flow_->head()}};
  }

  absl::Status Insert(const StoredEvent& event) {
    return (event.violation ? *violation_ : *flow_).Insert(event, hasher_);
  }

  // Bytes of the file that hold something.
  absl::StatusOr<int64_t> UsedBytes() {
    const auto pages = db.Number("PRAGMA page_count");
    const auto free_pages = db.Number("PRAGMA freelist_count");
    const auto page_bytes = db.Number("PRAGMA page_size");
    if (!pages.ok()) return pages.status();
    if (!free_pages.ok()) return free_pages.status();
    if (!page_bytes.ok()) return page_bytes.status();
    return (*pages - *free_pages) * *page_bytes;
  }

  // Deletes what is too old, and makes room for `events`; at most about
  // twice as many rows, so that a lowered limit is reached by and by, and a
  // clock that leaps does not cost the whole history at once.
  absl::Status MakeRoom(const HistoryLimits& limits,
                        std::span<const StoredEvent> events) {
    const auto max_rows =
        2 * (static_cast<int64_t>(events.size()) + kPruneRows);
    int64_t newest_ns = 0;
    int64_t incoming[2] = {0, 0};
    for (const StoredEvent& event : events) {
      newest_ns = std::max(newest_ns, event.time_ns);
      incoming[event.violation ? 0 : 1] += HistoryTable::CostOf(event);
    }
    const int64_t oldest_ns =
        newest_ns - absl::ToInt64Nanoseconds(limits.max_age);
    HistoryTable* const tables[2] = {&*violation_, &*flow_};
    for (size_t i = 0; i < 2; ++i) {
      absl::Status aged = tables[i]->PruneAged(oldest_ns, max_rows);
      if (!aged.ok()) return aged;
      const int64_t room = limits.max_bytes / 2 - incoming[i];
      for (int64_t rows = 0; tables[i]->bytes() > room && rows < max_rows;) {
        const auto pruned = tables[i]->PruneOldest(kPruneRows);
        if (!pruned.ok()) return pruned.status();
        if (*pruned == 0) break;
        rows += *pruned;
      }
    }
    return FitFile(limits.max_bytes - incoming[0] - incoming[1], max_rows);
  }

  // What is kept beside the records.
  absl::Status Save() {
    save_budget_.Bind(1, violation_->bytes());
    save_budget_.Bind(2, flow_->bytes());
    absl::Status status = save_budget_.Run();
    if (status.ok()) status = violation_->SaveChain();
    if (status.ok()) status = flow_->SaveChain();
    return status;
  }

  // Gives a bounded number of free pages back.
  void Shrink() {
    const auto free_pages = db.Number("PRAGMA freelist_count");
    if (free_pages.ok() && *free_pages > kFreePages) {
      // Not worth an error: it is tried again with the next batch.
      db.Exec("PRAGMA incremental_vacuum(256)").IgnoreError();
    }
  }

 private:
  // Costs are an estimate (pages are never quite full); the file is not.
  absl::Status FitFile(int64_t room, int64_t max_rows) {
    for (int64_t rows = 0; rows < max_rows;) {
      const auto used = UsedBytes();
      if (!used.ok()) return used.status();
      if (*used <= room) break;
      HistoryTable& larger =
          violation_->bytes() > flow_->bytes() ? *violation_ : *flow_;
      const auto pruned = larger.PruneOldest(kPruneRows);
      if (!pruned.ok()) return pruned.status();
      if (*pruned == 0) break;
      rows += *pruned;
    }
    return absl::OkStatus();
  }

  // Set by Make.
  std::optional<HistoryTable> violation_;
  std::optional<HistoryTable> flow_;
  SqliteStatement save_budget_;
  ChainHasher hasher_;
};

History::History(std::string path, HistoryLimits limits)
    : path_(std::move(path)), limits_(limits) {}

History::~History() = default;

absl::StatusOr<std::unique_ptr<History>> History::Open(
    const std::string& path, const HistoryLimits& limits) {
  if (limits.max_bytes <= 0 || limits.max_age <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "history: age and size must be more than nothing");
  }
  std::unique_ptr<History> history(new History(path, limits));
  history->Remember(history->Connect()).IgnoreError();  // Append tries again
  return history;
}

// Said once when it begins and once when it is over.
absl::Status History::Remember(absl::Status status) {
  bool changed = false;
  {
    std::lock_guard lock(mutex_);
    changed = error_.ok() != status.ok();
    error_ = status;
  }
  if (changed && status.ok()) LogInfo("history: events are kept again");
  if (changed && !status.ok()) {
    LogWarning("events are not kept: " + std::string(status.message()));
  }
  return status;
}

// After a commit, or when the file was opened.
void History::RememberCommitted() {
  std::lock_guard lock(mutex_);
  newest_ends_ = db_->ends();
  committed_heads_ = newest_ends_.heads;
}

absl::StatusOr<HistoryHeads> History::Heads() const {
  std::lock_guard lock(mutex_);
  if (committed_heads_.has_value()) return *committed_heads_;
  return absl::UnavailableError(
      Concat("the history is not open: ", MessageOf(error_)));
}

absl::Status History::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

std::string History::notice() const {
  std::lock_guard lock(mutex_);
  return notice_;
}

// An error that says which file it speaks of.
absl::Status History::Named(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(
      status.code(), "history " + path_ + ": " + std::string(status.message()));
}

// Opens the file; a damaged one makes place for a new one.
absl::Status History::Connect() {
  absl::Status status = ConnectOnce();
  if (absl::IsDataLoss(status)) {
    status = MoveAside(status);
    if (status.ok()) status = ConnectOnce();
  }
  return Named(status);
}

absl::Status History::ConnectOnce() {
  absl::StatusOr<SqliteDb> opened = SqliteDb::Open(path_, false);
  if (!opened.ok()) return opened.status();
  const absl::Status schema =
      PrepareHistorySchema(*opened, absl::ToUnixNanos(absl::Now()));
  if (!schema.ok()) return schema;
  absl::StatusOr<std::unique_ptr<Db>> db = Db::Make(*std::move(opened));
  // Tables that are not what their version says: as good as damaged.
  if (absl::IsInternal(db.status())) {
    return absl::DataLossError(db.status().message());
  }
  if (!db.ok()) return db.status();
  db_ = *std::move(db);
  RememberCommitted();
  return absl::OkStatus();
}

absl::Status History::MoveAside(const absl::Status& why) {
  db_.reset();
  if (moved_aside_ == kMaxMovedAside) return why;
  ++moved_aside_;
  const absl::StatusOr<std::string> aside = MoveDatabaseAside(path_);
  if (!aside.ok()) return aside.status();
  const std::string notice =
      "history " + path_ + " was damaged (" + std::string(why.message()) +
      "); it was moved to " + *aside + " and a new one begun";
  LogWarning(notice);
  std::lock_guard lock(mutex_);
  notice_ = notice;
  return absl::OkStatus();
}

absl::Status History::Append(std::span<const StoredEvent> events) {
  if (events.empty()) return absl::OkStatus();
  if (db_ == nullptr) {
    const absl::Status status = Connect();
    if (!status.ok()) return Remember(status);
  }
  absl::Status status = AppendTo(*db_, events);
  if (status.ok()) {
    RememberCommitted();
    db_->Shrink();
    return Remember(status);
  }
  db_->db.Exec("ROLLBACK").IgnoreError();  // it may have been done already
  if (absl::IsDataLoss(status)) {
    status = MoveAside(status);
    if (status.ok()) status = ConnectOnce();
    if (status.ok()) status = AppendTo(*db_, events);
    if (status.ok()) RememberCommitted();
  }
  // Whatever it was, a new connection is the surest way to begin again.
  if (!status.ok()) db_.reset();
  return Remember(Named(status));
}

absl::Status History::AppendTo(Db& db, std::span<const StoredEvent> events) {
  absl::Status status = db.db.Exec("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = db.MakeRoom(limits_, events);
  for (const StoredEvent& event : events) {
    if (!status.ok()) return status;
    status = db.Insert(event);
  }
  if (status.ok()) status = db.Save();
  if (!status.ok()) return status;
  {
    std::lock_guard lock(mutex_);
    newest_ends_ = db.ends();  // a reader may see them before we are back
  }
  return db.db.Exec("COMMIT");
}

}  // namespace sallyport
