#include "src/history_table.h"

#include <algorithm>
#include <utility>

#include "rules/text_util.h"
#include "src/escape.h"
#include "src/history.h"
#include "src/log.h"

namespace sallyport {
namespace {

// What a row costs beside its text: header, row id, hash, index entry.
constexpr int64_t kRowOverheadBytes = 100;

absl::Status PrepareInto(SqliteDb& db, const std::string& sql,
                         SqliteStatement* out) {
  absl::StatusOr<SqliteStatement> statement = db.Prepare(sql.c_str());
  if (statement.ok()) *out = *std::move(statement);
  return statement.status();
}

}  // namespace

absl::StatusOr<HistoryTable> HistoryTable::Open(SqliteDb& db,
                                                const char* name) {
  HistoryTable table;
  table.name_ = name;
  const std::string& of = table.name_;
  absl::Status status =
      PrepareInto(db,
                  Concat("INSERT INTO ", of,
                         " (id, kind, time_ns, uid, app, json, cost, hash)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
                  &table.insert_);
  status.Update(PrepareInto(db, Concat("DELETE FROM ", of, " WHERE id = ?"),
                            &table.remove_));
  status.Update(PrepareInto(
      db, Concat("SELECT id, time_ns FROM ", of, " ORDER BY id LIMIT ?"),
      &table.look_));
  status.Update(PrepareInto(
      db,
      Concat("DELETE FROM ", of, " WHERE id IN (SELECT id FROM ", of,
             " WHERE id <= ?1 ORDER BY id LIMIT ?2) RETURNING id, cost, hash"),
      &table.prune_));
  status.Update(PrepareInto(
      db,
      "UPDATE chain SET anchor_id = ?1, anchor_hash = ?2, head_id = ?3,"
      " head_hash = ?4 WHERE name = ?5",
      &table.save_));
  if (!status.ok()) return status;
  const auto bytes = db.Number(Concat("SELECT ", of, " FROM budget").c_str());
  if (!bytes.ok()) return bytes.status();
  table.bytes_ = *bytes;
  absl::StatusOr<HistoryChain> chain = LoadChain(db, of);
  if (!chain.ok()) return chain.status();
  table.chain_ = *chain;
  return table;
}

int64_t HistoryTable::CostOf(const StoredEvent& event) {
  return kRowOverheadBytes +
         static_cast<int64_t>(event.app.size() + event.json.size());
}

absl::Status HistoryTable::Insert(const StoredEvent& event,
                                  ChainHasher& hasher) {
  const std::string app = Escape(event.app);
  ChainedRecord record;
  record.id = chain_.head.id + 1;
  record.kind = static_cast<int64_t>(event.kind);
  record.time_ns = event.time_ns;
  if (event.uid.has_value()) record.uid = *event.uid;
  record.app = app;
  record.json = event.json;
  record.cost = CostOf(event);
  const absl::StatusOr<Sha256Digest> hash =
      hasher.Next(chain_.head.hash, record);
  if (!hash.ok()) return hash.status();
  absl::Status status = InsertRow(record, *hash);
  if (absl::IsAlreadyExists(status)) {
    status = MakePlace(record.id);
    if (status.ok()) status = InsertRow(record, *hash);
  }
  if (!status.ok()) return status;
  bytes_ += record.cost;
  chain_.head = {record.id, *hash};
  chain_changed_ = true;
  return absl::OkStatus();
}

absl::Status HistoryTable::InsertRow(const ChainedRecord& record,
                                     const Sha256Digest& hash) {
  insert_.Bind(1, record.id);
  insert_.Bind(2, record.kind);
  insert_.Bind(3, record.time_ns);
  if (record.uid.has_value()) {
    insert_.Bind(4, *record.uid);
  } else {
    insert_.BindNull(4);
  }
  insert_.Bind(5, record.app);
  insert_.Bind(6, record.json);
  insert_.Bind(7, record.cost);
  insert_.BindBlob(8, hash);
  return insert_.Run();
}

// What stands where the next record belongs was put there by another hand.
absl::Status HistoryTable::MakePlace(int64_t id) {
  LogWarning(Concat("history: record ", id, " of '", name_,
                    "' was not written by us; ours takes its place"));
  remove_.Bind(1, id);
  return remove_.Run();
}

absl::Status HistoryTable::PruneAged(int64_t oldest_ns, int64_t max_rows) {
  look_.Bind(1, max_rows);
  int64_t aged_until_id = 0;
  absl::StatusOr<bool> row = look_.Step();
  for (; row.ok() && *row && look_.Int(1) < oldest_ns; row = look_.Step()) {
    aged_until_id = look_.Int(0);
  }
  look_.Reset();
  if (!row.ok()) return row.status();
  if (aged_until_id == 0) return absl::OkStatus();
  return Prune(std::min(aged_until_id, chain_.head.id), max_rows).status();
}

absl::StatusOr<int64_t> HistoryTable::PruneOldest(int64_t rows) {
  return Prune(chain_.head.id, rows);
}

absl::StatusOr<int64_t> HistoryTable::Prune(int64_t until_id,
                                            int64_t max_rows) {
  prune_.Bind(1, until_id);
  prune_.Bind(2, max_rows);
  int64_t rows = 0;
  int64_t chained = 0;
  ChainLink newest = chain_.anchor;
  absl::StatusOr<bool> row = prune_.Step();
  for (; row.ok() && *row; row = prune_.Step()) {
    ++rows;
    bytes_ -= prune_.Int(1);
    const int64_t id = prune_.Int(0);
    if (id > chain_.anchor.id) ++chained;
    if (id <= newest.id) continue;  // in no order; or older than the chain
    newest = {id, {}};
    // One without a hash was changed by another hand. Then the record after
    // it does not fit either, which verify tells.
    const std::string_view hash = prune_.Blob(2);
    if (hash.size() == newest.hash.size()) {
      std::copy(hash.begin(), hash.end(), newest.hash.begin());
    }
  }
  prune_.Reset();
  if (!row.ok()) return row.status();
  WarnOfGap(newest.id - chain_.anchor.id - chained);
  chain_changed_ = chain_changed_ || newest.id != chain_.anchor.id;
  chain_.anchor = newest;
  return rows;
}

// With the oldest records the trace of what was taken from among them goes too.
void HistoryTable::WarnOfGap(int64_t records) {
  if (records <= 0) return;
  LogWarning(Concat("history: ", records, " of the oldest records of '", name_,
                    "' were gone before they were pruned: deleted by another "
                    "hand"));
}

absl::Status HistoryTable::SaveChain() {
  if (!chain_changed_) return absl::OkStatus();
  save_.Bind(1, chain_.anchor.id);
  save_.BindBlob(2, chain_.anchor.hash);
  save_.Bind(3, chain_.head.id);
  save_.BindBlob(4, chain_.head.hash);
  save_.Bind(5, std::string_view(name_));
  chain_changed_ = false;
  return save_.Run();
}

}  // namespace sallyport
