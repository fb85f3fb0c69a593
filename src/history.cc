#include "src/history.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "src/escape.h"
#include "src/log.h"
#include "src/sqlite_db.h"

namespace sallyport {
namespace {

constexpr int64_t kSchemaVersion = 1;
// What a row costs beside its text: header, row id, index entry.
constexpr int64_t kRowOverheadBytes = 64;
// Rows deleted by one statement.
constexpr int64_t kPruneRows = 64;
// Free pages that are kept for new rows; more go back to the file system.
constexpr int64_t kFreePages = 1024;
// More damaged files than this, and the disk is what is damaged.
constexpr int kMaxMovedAside = 3;

constexpr char kPragmas[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA journal_size_limit = 4194304;"
    "PRAGMA cache_size = -512;"  // KiB
    "PRAGMA temp_store = MEMORY;";

constexpr char kSchema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE violation (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,"
    " uid INTEGER, app TEXT NOT NULL, json TEXT NOT NULL, cost INTEGER NOT"
    " NULL);"
    "CREATE INDEX violation_time ON violation (time_ns);"
    "CREATE TABLE flow (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,"
    " uid INTEGER, app TEXT NOT NULL, json TEXT NOT NULL, cost INTEGER NOT"
    " NULL);"
    "CREATE INDEX flow_time ON flow (time_ns);"
    // Sum of `cost` per table: changed in the transaction that changes it.
    "CREATE TABLE budget (violation INTEGER NOT NULL, flow INTEGER NOT NULL);"
    "INSERT INTO budget VALUES (0, 0);"
    "PRAGMA user_version = 1;"
    "COMMIT;";

// The two tables, with the statements that write to them.
struct Table {
  SqliteStatement insert;
  SqliteStatement prune_oldest;
  SqliteStatement prune_aged;
  int64_t bytes = 0;  // as in `budget`, once committed
};

absl::Status PrepareTable(SqliteDb& db, const std::string& name, Table* table) {
  const auto prepare = [&db](const std::string& sql, SqliteStatement* out) {
    absl::StatusOr<SqliteStatement> statement = db.Prepare(sql.c_str());
    if (statement.ok()) *out = *std::move(statement);
    return statement.status();
  };
  absl::Status status =
      prepare("INSERT INTO " + name +
                  " (time_ns, uid, app, json, cost) VALUES (?, ?, ?, ?, ?)",
              &table->insert);
  status.Update(prepare("DELETE FROM " + name +
                            " WHERE id IN (SELECT id FROM " + name +
                            " ORDER BY id LIMIT ?) RETURNING cost",
                        &table->prune_oldest));
  status.Update(prepare("DELETE FROM " + name +
                            " WHERE id IN (SELECT id FROM " + name +
                            " WHERE time_ns < ?2 ORDER BY time_ns LIMIT ?1)"
                            " RETURNING cost",
                        &table->prune_aged));
  return status;
}

int64_t CostOf(const StoredEvent& event) {
  return kRowOverheadBytes +
         static_cast<int64_t>(event.app.size() + event.json.size());
}

// Runs a prune statement whose parameters are bound; the number of rows.
absl::StatusOr<int64_t> RunPrune(SqliteStatement& prune, Table& table) {
  int64_t rows = 0;
  absl::StatusOr<bool> row = prune.Step();
  for (; row.ok() && *row; row = prune.Step()) {
    table.bytes -= prune.Int(0);
    ++rows;
  }
  prune.Reset();
  if (!row.ok()) return row.status();
  return rows;
}

}  // namespace

class History::Db {
 public:
  SqliteDb db;
  Table violation;
  Table flow;
  SqliteStatement save_budget;

  absl::Status Prepare() {
    absl::Status status = PrepareTable(db, "violation", &violation);
    status.Update(PrepareTable(db, "flow", &flow));
    absl::StatusOr<SqliteStatement> save =
        db.Prepare("UPDATE budget SET violation = ?, flow = ?");
    status.Update(save.status());
    if (!status.ok()) return status;
    save_budget = *std::move(save);
    return LoadBudget();
  }

  absl::Status LoadBudget() {
    const auto violations = db.Number("SELECT violation FROM budget");
    const auto flows = db.Number("SELECT flow FROM budget");
    if (!violations.ok()) return violations.status();
    if (!flows.ok()) return flows.status();
    violation.bytes = *violations;
    flow.bytes = *flows;
    return absl::OkStatus();
  }

  absl::Status Insert(const StoredEvent& event) {
    Table& table = event.violation ? violation : flow;
    const std::string app = Escape(event.app);
    const int64_t cost = CostOf(event);
    SqliteStatement& insert = table.insert;
    insert.Bind(1, event.time_ns);
    if (event.uid.has_value()) {
      insert.Bind(2, int64_t{*event.uid});
    } else {
      insert.BindNull(2);
    }
    insert.Bind(3, app);
    insert.Bind(4, std::string_view(event.json));
    insert.Bind(5, cost);
    absl::Status status = insert.Run();
    if (status.ok()) table.bytes += cost;
    return status;
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
      incoming[event.violation ? 0 : 1] += CostOf(event);
    }
    const int64_t oldest_ns =
        newest_ns - absl::ToInt64Nanoseconds(limits.max_age);
    Table* const tables[2] = {&violation, &flow};
    for (size_t i = 0; i < 2; ++i) {
      const auto aged = PruneAged(*tables[i], oldest_ns, max_rows);
      if (!aged.ok()) return aged.status();
      const int64_t room = limits.max_bytes / 2 - incoming[i];
      for (int64_t rows = 0; tables[i]->bytes > room && rows < max_rows;) {
        const auto pruned = PruneOldest(*tables[i]);
        if (!pruned.ok()) return pruned.status();
        if (*pruned == 0) break;
        rows += *pruned;
      }
    }
    return FitFile(limits.max_bytes - incoming[0] - incoming[1], max_rows);
  }

  absl::Status SaveBudget() {
    save_budget.Bind(1, violation.bytes);
    save_budget.Bind(2, flow.bytes);
    return save_budget.Run();
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
      const auto pruned =
          PruneOldest(violation.bytes > flow.bytes ? violation : flow);
      if (!pruned.ok()) return pruned.status();
      if (*pruned == 0) break;
      rows += *pruned;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> PruneAged(Table& table, int64_t oldest_ns,
                                    int64_t max_rows) {
    table.prune_aged.Bind(1, max_rows);
    table.prune_aged.Bind(2, oldest_ns);
    return RunPrune(table.prune_aged, table);
  }

  absl::StatusOr<int64_t> PruneOldest(Table& table) {
    table.prune_oldest.Bind(1, kPruneRows);
    return RunPrune(table.prune_oldest, table);
  }
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
  auto db = std::make_unique<Db>();
  db->db = *std::move(opened);
  const auto version = db->db.Number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        "written by a newer version (schema " + std::to_string(*version) +
        ", this one knows " + std::to_string(kSchemaVersion) +
        "); it is left as it is. Move it away to begin a new one");
  }
  if (*version == 0) {
    const auto objects = db->db.Number("SELECT count(*) FROM sqlite_schema");
    if (!objects.ok()) return objects.status();
    if (*objects > 0) {
      return absl::FailedPreconditionError(
          "is a database, but not ours; it is left as it is");
    }
  }
  absl::Status status = db->db.Exec(kPragmas);
  if (status.ok() && *version == 0) status = db->db.Exec(kSchema);
  if (status.ok()) status = db->Prepare();
  if (status.ok()) db_ = std::move(db);
  return status;
}

absl::Status History::MoveAside(const absl::Status& why) {
  db_.reset();
  if (moved_aside_ == kMaxMovedAside) return why;
  ++moved_aside_;
  const std::string aside =
      path_ + ".corrupt-" +
      absl::FormatTime("%Y%m%dT%H%M%E3SZ", absl::Now(), absl::UTCTimeZone());
  if (rename(path_.c_str(), aside.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, "cannot move the damaged file aside");
  }
  // Its log belongs to it, and would damage a new file.
  for (const char* suffix : {"-wal", "-shm"}) {
    rename((path_ + suffix).c_str(), (aside + suffix).c_str());
  }
  const std::string notice =
      "history " + path_ + " was damaged (" + std::string(why.message()) +
      "); it was moved to " + aside + " and a new one begun";
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
    db_->Shrink();
    return Remember(status);
  }
  db_->db.Exec("ROLLBACK").IgnoreError();  // it may have been done already
  if (absl::IsDataLoss(status)) {
    status = MoveAside(status);
    if (status.ok()) status = ConnectOnce();
    if (status.ok()) status = AppendTo(*db_, events);
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
  if (status.ok()) status = db.SaveBudget();
  if (status.ok()) status = db.db.Exec("COMMIT");
  return status;
}

}  // namespace sallyport
