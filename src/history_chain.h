#ifndef SALLYPORT_SRC_HISTORY_CHAIN_H_
#define SALLYPORT_SRC_HISTORY_CHAIN_H_

// The chain that ties the history's records together: what is hashed, and what
// the file keeps beside the records. Each of the two tables has a chain of its
// own. A record's hash is SHA-256 over the hash of the record before it and
// over its own content, each column with its type and a fixed or a written
// length, so that no two contents are the same bytes. Ids count up by one and
// are never used again. For one thread at a time; the writer (history_table)
// and the reader (history_verify) share it.
//
// The table `chain` has one row per table. `begin`: the records up to this id
// are older than the chain and have no hash. `anchor`: the newest record that
// was pruned (at first: the begin, with a hash made of the moment); the oldest
// that is kept follows it. `head`: the newest record. It is written in the
// transaction that writes or prunes records.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proc/sha256.h"
#include "src/sqlite_db.h"

namespace sallyport {

// A row of `violation` or `flow` without its hash. Borrows its texts.
struct ChainedRecord {
  int64_t id = 0;
  int64_t kind = 0;  // StoredKind
  int64_t time_ns = 0;
  std::optional<int64_t> uid;
  std::string_view app;
  std::string_view json;
  int64_t cost = 0;
};

// A record and its hash.
struct ChainLink {
  int64_t id = 0;
  Sha256Digest hash{};
  bool operator==(const ChainLink&) const = default;
};

struct HistoryChain {
  int64_t begin_id = 0;
  int64_t begin_ns = 0;  // CLOCK_REALTIME
  ChainLink anchor;
  ChainLink head;
};

// Errors: Unavailable (there is no SHA-256).
class ChainHasher {
 public:
  // What the first record follows. `table` is "violation" or "flow".
  absl::StatusOr<Sha256Digest> Begin(std::string_view table, int64_t begin_id,
                                     int64_t begin_ns);
  absl::StatusOr<Sha256Digest> Next(const Sha256Digest& previous,
                                    const ChainedRecord& record);

 private:
  void Add(char type, uint64_t number);
  void AddText(std::string_view text);

  Sha256 sha256_;
  std::string head_;  // reused: what stands before `app`
};

// DataLoss: there is no such row, or it is not as it must be.
absl::StatusOr<HistoryChain> LoadChain(SqliteDb& db, std::string_view table);

// Begins the chain of `table` after the records it has. REQUIRES: within a
// transaction, and no chain yet.
absl::Status BeginChain(SqliteDb& db, const std::string& table, int64_t now_ns);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HISTORY_CHAIN_H_
