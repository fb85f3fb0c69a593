#include "src/history_chain.h"

#include <algorithm>
#include <utility>

#include "rules/text_util.h"

namespace sallyport {
namespace {

// Stands before everything, so that no hash of ours is one of something else.
constexpr std::string_view kBeginLabel = "sallyport history chain 1";

std::string_view BytesOf(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

absl::StatusOr<ChainLink> LinkOf(const SqliteStatement& row, int id_column) {
  ChainLink link;
  link.id = row.Int(id_column);
  const std::string_view hash = row.Blob(id_column + 1);
  if (hash.size() != link.hash.size()) {
    return absl::DataLossError(
        "the table 'chain' has no hash where one must be");
  }
  std::copy(hash.begin(), hash.end(), link.hash.begin());
  return link;
}

}  // namespace

// Type and eight bytes, the highest first.
void ChainHasher::Add(char type, uint64_t number) {
  head_.push_back(type);
  for (int shift = 56; shift >= 0; shift -= 8) {
    head_.push_back(static_cast<char>(number >> shift & 0xff));
  }
}

void ChainHasher::AddText(std::string_view text) {
  Add('t', text.size());
  head_.append(text);
}

absl::StatusOr<Sha256Digest> ChainHasher::Begin(std::string_view table,
                                                int64_t begin_id,
                                                int64_t begin_ns) {
  head_.clear();
  AddText(kBeginLabel);
  AddText(table);
  Add('i', static_cast<uint64_t>(begin_id));
  Add('i', static_cast<uint64_t>(begin_ns));
  sha256_.Update(head_);
  return sha256_.Finish();
}

absl::StatusOr<Sha256Digest> ChainHasher::Next(const Sha256Digest& previous,
                                               const ChainedRecord& record) {
  head_.assign(BytesOf(previous));
  Add('i', static_cast<uint64_t>(record.id));
  Add('i', static_cast<uint64_t>(record.kind));
  Add('i', static_cast<uint64_t>(record.time_ns));
  if (record.uid.has_value()) {
    Add('i', static_cast<uint64_t>(*record.uid));
  } else {
    head_.push_back('n');
  }
  Add('i', static_cast<uint64_t>(record.cost));
  AddText(record.app);
  Add('t', record.json.size());
  sha256_.Update(head_);
  sha256_.Update(record.json);
  return sha256_.Finish();
}

absl::StatusOr<HistoryChain> LoadChain(SqliteDb& db, std::string_view table) {
  auto select = db.Prepare(
      "SELECT begin_id, begin_ns, anchor_id, anchor_hash, head_id, head_hash"
      " FROM chain WHERE name = ?");
  // In a file of this version it is there, unless another hand was at it.
  if (!select.ok()) return absl::DataLossError(MessageOf(select.status()));
  select->Bind(1, table);
  const absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return absl::DataLossError(
        Concat("the table 'chain' knows nothing of '", table, "'"));
  }
  HistoryChain chain;
  chain.begin_id = select->Int(0);
  chain.begin_ns = select->Int(1);
  absl::StatusOr<ChainLink> anchor = LinkOf(*select, 2);
  absl::StatusOr<ChainLink> head = LinkOf(*select, 4);
  if (!anchor.ok()) return anchor.status();
  if (!head.ok()) return head.status();
  chain.anchor = *anchor;
  chain.head = *head;
  // Ids count from 1; the highest is left alone, so that adding is safe.
  if (chain.begin_id < 0 || chain.anchor.id < chain.begin_id ||
      chain.head.id < chain.anchor.id || chain.head.id >= INT64_MAX / 2) {
    return absl::DataLossError("the table 'chain' has ids that cannot be");
  }
  return chain;
}

absl::Status BeginChain(SqliteDb& db, const std::string& table,
                        int64_t now_ns) {
  const absl::StatusOr<int64_t> last =
      db.Number(Concat("SELECT max(id) FROM ", table).c_str());
  if (!last.ok()) return last.status();
  const absl::StatusOr<Sha256Digest> begin =
      ChainHasher().Begin(table, *last, now_ns);
  if (!begin.ok()) return begin.status();
  auto insert = db.Prepare(
      "INSERT INTO chain (name, begin_id, begin_ns, anchor_id, anchor_hash,"
      " head_id, head_hash) VALUES (?1, ?2, ?3, ?2, ?4, ?2, ?4)");
  if (!insert.ok()) return insert.status();
  insert->Bind(1, std::string_view(table));
  insert->Bind(2, *last);
  insert->Bind(3, now_ns);
  insert->BindBlob(4, *begin);
  return insert->Run();
}

}  // namespace sallyport
