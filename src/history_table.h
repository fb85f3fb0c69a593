#ifndef SALLYPORT_SRC_HISTORY_TABLE_H_
#define SALLYPORT_SRC_HISTORY_TABLE_H_

// HistoryTable: one of the history's two tables as its writer sees it: adds
// records, each with its hash (history_chain.h), and prunes the oldest. What is
// pruned is always the beginning of the chain, never something in the middle,
// so that what is left still hangs together from the anchor on. Belongs to the
// writer's connection, within whose transactions all of it is called; after an
// error the object no longer knows what the file holds and is to be thrown away
// with its connection.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/history_chain.h"
#include "src/sqlite_db.h"

namespace sallyport {

struct StoredEvent;

class HistoryTable {
 public:
  // `db` must outlive the table. DataLoss: its chain is not there.
  static absl::StatusOr<HistoryTable> Open(SqliteDb& db, const char* name);

  static int64_t CostOf(const StoredEvent& event);

  absl::Status Insert(const StoredEvent& event, ChainHasher& hasher);

  // Deletes at most `max_rows` that are older than `oldest_ns`, from the oldest
  // on and up to the first that is not: one that was written while the clock
  // was ahead holds up what comes after it, until its time or for want of room.
  absl::Status PruneAged(int64_t oldest_ns, int64_t max_rows);
  // Deletes the `rows` oldest; how many there were.
  absl::StatusOr<int64_t> PruneOldest(int64_t rows);

  // Writes anchor and head down, if they have changed.
  absl::Status SaveChain();

  int64_t bytes() const { return bytes_; }  // what its records cost together
  const ChainLink& anchor() const { return chain_.anchor; }
  const ChainLink& head() const { return chain_.head; }

 private:
  HistoryTable() = default;
  absl::StatusOr<int64_t> Prune(int64_t until_id, int64_t max_rows);
  absl::Status InsertRow(const ChainedRecord& record, const Sha256Digest& hash);
  absl::Status MakePlace(int64_t id);
  void WarnOfGap(int64_t records);

  std::string name_;
  SqliteStatement insert_;
  SqliteStatement remove_;
  SqliteStatement look_;
  SqliteStatement prune_;
  SqliteStatement save_;
  HistoryChain chain_;
  bool chain_changed_ = false;
  int64_t bytes_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HISTORY_TABLE_H_
