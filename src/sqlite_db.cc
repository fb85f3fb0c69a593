#include "src/sqlite_db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sallyport {
namespace {

// How long to wait for a stranger (a backup, the sqlite3 program).
constexpr int kBusyMs = 250;

absl::Status ToStatus(sqlite3* db, int code) {
  if (code == SQLITE_OK) return absl::OkStatus();
  std::string text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(text);
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::PermissionDeniedError(text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      return absl::UnavailableError(text);
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(text);
    default:
      return absl::InternalError(text);
  }
}

// SQLite would make it readable for all. Its -wal and -shm take the mode of
// the file.
absl::Status CreateFile(const std::string& path) {
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open");
  close(fd);
  return absl::OkStatus();
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void SqliteStatement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}

void SqliteStatement::Bind(int parameter, std::string_view text) {
  sqlite3_bind_text(statement_.get(), parameter, text.data(),
                    static_cast<int>(text.size()), SQLITE_STATIC);
}

void SqliteStatement::BindBlob(int parameter, std::span<const uint8_t> bytes) {
  sqlite3_bind_blob(statement_.get(), parameter, bytes.data(),
                    static_cast<int>(bytes.size()), SQLITE_STATIC);
}

void SqliteStatement::BindNull(int parameter) {
  sqlite3_bind_null(statement_.get(), parameter);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ToStatus(sqlite3_db_handle(statement_.get()), code);
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

absl::Status SqliteStatement::Run() {
  absl::StatusOr<bool> row = true;
  while (row.ok() && *row) row = Step();
  Reset();
  return row.status();
}

int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view SqliteStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(
      sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return std::string_view(text, static_cast<size_t>(sqlite3_column_bytes(
                                    statement_.get(), column)));
}

std::string_view SqliteStatement::Blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  if (bytes == nullptr) return {};
  return std::string_view(
      static_cast<const char*>(bytes),
      static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

SqliteStatement::Type SqliteStatement::TypeOf(int column) const {
  switch (sqlite3_column_type(statement_.get(), column)) {
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_FLOAT:
      return Type::kReal;
    case SQLITE_TEXT:
      return Type::kText;
    case SQLITE_BLOB:
      return Type::kBlob;
    default:
      return Type::kNull;
  }
}

void SqliteDb::Close::operator()(sqlite3* db) const { sqlite3_close(db); }

absl::StatusOr<SqliteDb> SqliteDb::Open(const std::string& path,
                                        bool read_only) {
  if (!read_only) {
    const absl::Status created = CreateFile(path);
    if (!created.ok()) return created;
  }
  return OpenWith(path,
                  read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
}

absl::StatusOr<SqliteDb> SqliteDb::OpenUnused(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {  // what a URI would take for its own
    if (c == '%') {
      uri.append("%25");
    } else if (c == '?') {
      uri.append("%3f");
    } else if (c == '#') {
      uri.append("%23");
    } else {
      uri.push_back(c);
    }
  }
  return OpenWith(uri + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

absl::StatusOr<SqliteDb> SqliteDb::OpenWith(const std::string& name,
                                            int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle,
                                   SQLITE_OPEN_NOMUTEX | flags, nullptr);
  SqliteDb db;
  db.db_.reset(handle);  // to be closed even if it could not be opened
  if (code != SQLITE_OK) return ToStatus(handle, code);
  sqlite3_busy_timeout(handle, kBusyMs);
  return db;
}

void SqliteDb::Distrust(int max_value_bytes) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(db_.get(), SQLITE_LIMIT_LENGTH, max_value_bytes);
}

absl::Status SqliteDb::Exec(const char* sql) {
  return ToStatus(db_.get(),
                  sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr));
}

absl::StatusOr<SqliteStatement> SqliteDb::Prepare(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr);
  SqliteStatement statement;
  statement.statement_.reset(raw);
  if (code != SQLITE_OK) return ToStatus(db_.get(), code);
  return statement;
}

absl::StatusOr<bool> SqliteDb::IsFresh(int64_t version) {
  const absl::StatusOr<int64_t> found = Number("PRAGMA user_version");
  if (!found.ok()) return found.status();
  if (*found > version) {
    return absl::FailedPreconditionError(
        "written by a newer version (schema " + std::to_string(*found) +
        ", this one knows " + std::to_string(version) +
        "); it is left as it is. Move it away to begin a new one");
  }
  if (*found != 0) return false;
  const auto objects = Number("SELECT count(*) FROM sqlite_schema");
  if (!objects.ok()) return objects.status();
  if (*objects > 0) {
    return absl::FailedPreconditionError(
        "is a database, but not ours; it is left as it is");
  }
  return true;
}

absl::StatusOr<int64_t> SqliteDb::Number(const char* sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Int(0) : 0;
}

absl::StatusOr<std::string> MoveDatabaseAside(const std::string& path) {
  const std::string aside =
      path + ".corrupt-" +
      absl::FormatTime("%Y%m%dT%H%M%E3SZ", absl::Now(), absl::UTCTimeZone());
  if (rename(path.c_str(), aside.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, "cannot move the damaged file aside");
  }
  // Its log belongs to it, and would damage a new file.
  for (const char* suffix : {"-wal", "-shm"}) {
    rename((path + suffix).c_str(), (aside + suffix).c_str());
  }
  return aside;
}

}  // namespace sallyport
