#include "src/history_schema.h"

#include <string>

#include "rules/text_util.h"
#include "src/history_chain.h"

namespace sallyport {
namespace {

constexpr char kPragmas[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA journal_size_limit = 4194304;"
    "PRAGMA cache_size = -512;"  // KiB
    "PRAGMA temp_store = MEMORY;";

constexpr char kVersion1[] =
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
    "INSERT INTO budget VALUES (0, 0);";

// Adding columns does not touch the rows that are there.
constexpr char kVersion2[] =
    "ALTER TABLE violation ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE violation ADD COLUMN hash BLOB;"
    "ALTER TABLE flow ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE flow ADD COLUMN hash BLOB;"
    "CREATE TABLE chain (name TEXT PRIMARY KEY, begin_id INTEGER NOT NULL,"
    " begin_ns INTEGER NOT NULL, anchor_id INTEGER NOT NULL, anchor_hash BLOB"
    " NOT NULL, head_id INTEGER NOT NULL, head_hash BLOB NOT NULL)"
    " WITHOUT ROWID;";

absl::Status Upgrade(SqliteDb& db, int64_t version, int64_t now_ns) {
  absl::Status status;
  if (version < 1) status = db.Exec(kVersion1);
  if (status.ok() && version < 2) {
    status = db.Exec(kVersion2);
    for (const char* table : kHistoryTables) {
      if (status.ok()) status = BeginChain(db, table, now_ns);
    }
  }
  if (!status.ok()) return status;
  return db.Exec(
      Concat("PRAGMA user_version = ", kHistorySchemaVersion).c_str());
}

}  // namespace

absl::Status PrepareHistorySchema(SqliteDb& db, int64_t now_ns) {
  const auto version = db.Number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kHistorySchemaVersion) {
    return absl::FailedPreconditionError(
        Concat("written by a newer version (schema ", *version,
               ", this one knows ", kHistorySchemaVersion,
               "); it is left as it is. Move it away to begin a new one"));
  }
  if (*version == 0) {
    const auto objects = db.Number("SELECT count(*) FROM sqlite_schema");
    if (!objects.ok()) return objects.status();
    if (*objects > 0) {
      return absl::FailedPreconditionError(
          "is a database, but not ours; it is left as it is");
    }
  }
  absl::Status status = db.Exec(kPragmas);
  if (!status.ok() || *version == kHistorySchemaVersion) return status;
  status = db.Exec("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = Upgrade(db, *version, now_ns);
  if (status.ok()) status = db.Exec("COMMIT");
  // It may have been done already.
  if (!status.ok()) db.Exec("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace sallyport
