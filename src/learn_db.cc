#include "src/learn_db.h"

#include <utility>

#include "rules/destination_name.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr int64_t kNoUid = -1;

constexpr char kPragmas[] =
    "PRAGMA journal_mode = WAL;"
    // A commit outlives a power cut; there is at most one a second.
    "PRAGMA synchronous = FULL;"
    "PRAGMA journal_size_limit = 4194304;"
    "PRAGMA cache_size = -512;"  // KiB
    "PRAGMA temp_store = MEMORY;";

// `destination` is the name, else the address.
constexpr char kSchema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE learned (app TEXT NOT NULL, naming INTEGER NOT NULL,"
    " destination TEXT NOT NULL, protocol INTEGER NOT NULL,"
    " port INTEGER NOT NULL, uid INTEGER NOT NULL, address TEXT NOT NULL,"
    " count INTEGER NOT NULL, shared INTEGER NOT NULL,"
    " first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,"
    " PRIMARY KEY (app, naming, destination, protocol, port, uid))"
    " WITHOUT ROWID;"
    "CREATE TABLE left_out (app TEXT NOT NULL, naming INTEGER NOT NULL,"
    " flows INTEGER NOT NULL, PRIMARY KEY (app, naming)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

std::optional<AppNaming> NamingOf(int64_t number) {
  for (AppNaming naming :
       {AppNaming::kByPath, AppNaming::kNotItsPath, AppNaming::kNobody}) {
    if (number == static_cast<int64_t>(naming)) return naming;
  }
  return std::nullopt;
}

// Columns in the order of the table. Empty: not a row that we wrote.
std::optional<LearnedFlow> FlowOfRow(const SqliteStatement& row) {
  LearnedFlow flow;
  flow.app = row.Text(0);
  const std::optional<AppNaming> naming = NamingOf(row.Int(1));
  const auto address = ParseIpAddress(row.Text(6));
  const std::string_view destination = row.Text(2);
  const auto within = [&row](int column, int64_t least, int64_t most) {
    return row.Int(column) >= least && row.Int(column) <= most;
  };
  if (!naming.has_value() || !address.ok() || !within(3, 0, UINT8_MAX) ||
      !within(4, 0, UINT16_MAX) || !within(5, kNoUid, UINT32_MAX) ||
      !within(7, 0, INT64_MAX) || !within(8, 0, INT64_MAX)) {
    return std::nullopt;
  }
  flow.naming = *naming;
  const bool nobody = flow.naming == AppNaming::kNobody;
  if (nobody ? !flow.app.empty() : !flow.app.starts_with('/')) {
    return std::nullopt;
  }
  flow.address = *address;
  if (destination != address->ToString()) {
    flow.name = NormalName(destination);
    if (flow.name != destination) return std::nullopt;
  }
  flow.protocol = static_cast<uint8_t>(row.Int(3));
  flow.port = static_cast<uint16_t>(row.Int(4));
  if (row.Int(5) != kNoUid) flow.uid = static_cast<uint32_t>(row.Int(5));
  flow.count = static_cast<uint64_t>(row.Int(7));
  flow.shared = static_cast<uint64_t>(row.Int(8));
  flow.first_ns = row.Int(9);
  flow.last_ns = row.Int(10);
  return flow;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LearnDb>> LearnDb::Open(
    const std::string& path) {
  absl::StatusOr<SqliteDb> opened = SqliteDb::Open(path, false);
  if (!opened.ok()) return opened.status();
  std::unique_ptr<LearnDb> db(new LearnDb);
  db->db_ = *std::move(opened);
  const absl::StatusOr<bool> fresh = db->db_.IsFresh(kSchemaVersion);
  if (!fresh.ok()) return fresh.status();
  absl::Status status = db->db_.Exec(kPragmas);
  if (status.ok() && *fresh) status = db->db_.Exec(kSchema);
  if (!status.ok()) return status;
  auto save_flow = db->db_.Prepare(
      "INSERT OR REPLACE INTO learned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)");
  if (!save_flow.ok()) return save_flow.status();
  db->save_flow_ = *std::move(save_flow);
  auto save_left_out =
      db->db_.Prepare("INSERT OR REPLACE INTO left_out VALUES (?, ?, ?)");
  if (!save_left_out.ok()) return save_left_out.status();
  db->save_left_out_ = *std::move(save_left_out);
  return db;
}

absl::StatusOr<LearnRows> LearnDb::Load(size_t most_flows) {
  LearnRows rows;
  auto flows = db_.Prepare(
      "SELECT app, naming, destination, protocol, port, uid, address, count,"
      " shared, first_ns, last_ns FROM learned");
  if (!flows.ok()) return flows.status();
  absl::StatusOr<bool> row = flows->Step();
  for (; row.ok() && *row && rows.flows.size() < most_flows;
       row = flows->Step()) {
    if (auto flow = FlowOfRow(*flows)) rows.flows.push_back(*std::move(flow));
  }
  if (!row.ok()) return row.status();
  auto left_out = db_.Prepare("SELECT app, naming, flows FROM left_out");
  if (!left_out.ok()) return left_out.status();
  row = left_out->Step();
  for (; row.ok() && *row && rows.left_out.size() < most_flows;
       row = left_out->Step()) {
    const auto naming = NamingOf(left_out->Int(1));
    if (!naming.has_value() || left_out->Int(2) < 0) continue;
    rows.left_out.push_back({std::string(left_out->Text(0)), *naming,
                             static_cast<uint64_t>(left_out->Int(2))});
  }
  if (!row.ok()) return row.status();
  return rows;
}

absl::Status LearnDb::Save(const LearnRows& rows) {
  absl::Status status = db_.Exec("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = SaveRows(rows);
  if (status.ok()) status = db_.Exec("COMMIT");
  if (!status.ok()) db_.Exec("ROLLBACK").IgnoreError();  // may be done already
  return status;
}

absl::Status LearnDb::SaveRows(const LearnRows& rows) {
  for (const LearnedFlow& flow : rows.flows) {
    const std::string address = flow.address.ToString();
    const std::string destination = DestinationText(flow);
    SqliteStatement& save = save_flow_;
    save.Bind(1, std::string_view(flow.app));
    save.Bind(2, static_cast<int64_t>(flow.naming));
    save.Bind(3, std::string_view(destination));
    save.Bind(4, int64_t{flow.protocol});
    save.Bind(5, int64_t{flow.port});
    save.Bind(6, flow.uid.has_value() ? int64_t{*flow.uid} : kNoUid);
    save.Bind(7, std::string_view(address));
    save.Bind(8, static_cast<int64_t>(flow.count));
    save.Bind(9, static_cast<int64_t>(flow.shared));
    save.Bind(10, flow.first_ns);
    save.Bind(11, flow.last_ns);
    if (absl::Status status = save.Run(); !status.ok()) return status;
  }
  for (const LeftOut& left_out : rows.left_out) {
    save_left_out_.Bind(1, std::string_view(left_out.app));
    save_left_out_.Bind(2, static_cast<int64_t>(left_out.naming));
    save_left_out_.Bind(3, static_cast<int64_t>(left_out.flows));
    if (absl::Status status = save_left_out_.Run(); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status LearnDb::Clear(std::string_view app) {
  absl::Status status = db_.Exec("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  for (const char* table : {"learned", "left_out"}) {
    auto clear = db_.Prepare(
        Concat("DELETE FROM ", table, " WHERE ?1 = '' OR app = ?1").c_str());
    if (clear.ok()) clear->Bind(1, app);
    status.Update(clear.ok() ? clear->Run() : clear.status());
  }
  if (status.ok()) status = db_.Exec("COMMIT");
  if (!status.ok()) db_.Exec("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace sallyport
