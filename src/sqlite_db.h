#ifndef SALLYPORT_SRC_SQLITE_DB_H_
#define SALLYPORT_SRC_SQLITE_DB_H_

// SQLite's handles as owners, its errors as absl::Status. A SqliteDb and its
// statements belong to one thread at a time; statements must go before it.
// Errors: DataLoss (damaged, or no database), ResourceExhausted (disk full),
// PermissionDenied (read-only), Unavailable (busy, cannot open, I/O error),
// AlreadyExists (a constraint), Internal (a mistake of ours).

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport {

class SqliteStatement {
 public:
  SqliteStatement() = default;

  // Parameters count from 1. Text is borrowed until the next Reset.
  void Bind(int parameter, int64_t value);
  void Bind(int parameter, std::string_view text);
  void BindBlob(int parameter, std::span<const uint8_t> bytes);  // borrowed
  void BindNull(int parameter);

  absl::StatusOr<bool> Step();  // true: there is a row to read
  // For the next use. Forgets what was bound.
  void Reset();
  // Step until there is nothing more, then Reset, also after an error.
  absl::Status Run();

  // Columns count from 0. Text is valid until the next Step or Reset.
  int64_t Int(int column) const;
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  enum class Type : uint8_t { kInteger, kReal, kText, kBlob, kNull };
  Type TypeOf(int column) const;  // before it is read as another

 private:
  friend class SqliteDb;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDb {
 public:
  // Creates the file (mode 0600) unless `read_only`.
  static absl::StatusOr<SqliteDb> Open(const std::string& path, bool read_only);
  // For a file that nobody has open: leaves no trace beside it, and needs no
  // right to write.
  static absl::StatusOr<SqliteDb> OpenUnused(const std::string& path);

  // For a file that somebody may have prepared: nothing in its schema is run,
  // and a value of more than `max_value_bytes` is an error.
  void Distrust(int max_value_bytes);

  absl::Status Exec(const char* sql);
  absl::StatusOr<SqliteStatement> Prepare(const char* sql);
  // The single number that `sql` gives; 0 if it gives none.
  absl::StatusOr<int64_t> Number(const char* sql);

  // True if the file is fresh: to be given the schema `version` (its
  // user_version). FailedPrecondition: of a newer version (CASES F22) or of
  // another program; such a file is left as it is.
  absl::StatusOr<bool> IsFresh(int64_t version);

 private:
  static absl::StatusOr<SqliteDb> OpenWith(const std::string& name, int flags);

  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::unique_ptr<sqlite3, Close> db_;
};

// Moves a damaged database out of the way; where to. REQUIRES: it is closed
absl::StatusOr<std::string> MoveDatabaseAside(const std::string& path);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_SQLITE_DB_H_
