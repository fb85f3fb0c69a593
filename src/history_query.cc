// History::Query and Verify: reading, apart from all that writes.

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "rules/text_util.h"
#include "src/escape.h"
#include "src/history.h"
#include "src/sqlite_db.h"

namespace sallyport {
namespace {

// Beyond it the oldest of an answer are left out.
constexpr size_t kMaxAnswerBytes = 16 << 20;

struct Row {
  int64_t time_ns;
  std::string json;
};

// Appends the newest rows of one table that match, newest first.
absl::Status Collect(SqliteDb& db, const char* table, const HistoryQuery& query,
                     std::vector<Row>* rows) {
  // A file that could not yet be brought to this version has flows only.
  const auto version = db.Number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  const bool has_kinds = *version >= 2;
  if (!has_kinds && query.kind != StoredKind::kFlow) return absl::OkStatus();
  std::string sql = std::string("SELECT time_ns, json FROM ") + table +
                    " WHERE time_ns >= ?1";
  if (query.uid.has_value()) sql += " AND uid = ?2";
  if (!query.app.empty()) sql += " AND app IN (?3, ?4)";
  if (has_kinds) sql += " AND kind = ?6";
  sql += " ORDER BY time_ns DESC, id DESC LIMIT ?5";
  absl::StatusOr<SqliteStatement> select = db.Prepare(sql.c_str());
  if (!select.ok()) return select.status();
  // Paths are stored escaped; the user may have copied one, or typed it.
  const std::string escaped = Escape(query.app);
  select->Bind(1, query.since_ns);
  if (query.uid.has_value()) select->Bind(2, int64_t{*query.uid});
  if (!query.app.empty()) {
    select->Bind(3, std::string_view(query.app));
    select->Bind(4, std::string_view(escaped));
  }
  if (has_kinds) select->Bind(6, static_cast<int64_t>(query.kind));
  select->Bind(5, static_cast<int64_t>(std::min(query.limit, kMaxHistoryRows)));

  size_t bytes = 0;
  absl::StatusOr<bool> row = select->Step();
  for (; row.ok() && *row; row = select->Step()) {
    const std::string_view json = select->Text(1);
    bytes += json.size();
    if (bytes > kMaxAnswerBytes) break;
    rows->push_back({select->Int(0), std::string(json)});
  }
  return row.status();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> History::Query(
    const HistoryQuery& query) const {
  if (absl::Status status = error(); absl::IsFailedPrecondition(status)) {
    return status;
  }
  absl::StatusOr<SqliteDb> db = SqliteDb::Open(path_, true);
  if (!db.ok()) return db.status();
  std::vector<Row> rows;
  absl::Status status = Collect(*db, "violation", query, &rows);
  if (status.ok() && !query.violations_only) {
    status = Collect(*db, "flow", query, &rows);
  }
  if (!status.ok()) return status;
  std::reverse(rows.begin(), rows.end());
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.time_ns < b.time_ns;
  });
  const size_t limit = std::min(query.limit, kMaxHistoryRows);
  if (rows.size() > limit) {
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(limit));
  }
  std::vector<std::string> events;
  events.reserve(rows.size());
  for (Row& row : rows) events.push_back(std::move(row.json));
  return events;
}

absl::StatusOr<HistoryReport> History::Verify(
    std::vector<Sha256Digest> heads) const {
  const std::unique_lock running(verifying_, std::try_to_lock);
  if (!running.owns_lock()) {
    return absl::UnavailableError("the history is being verified already");
  }
  struct stat st;
  if (stat(path_.c_str(), &st) == 0 && st.st_size > kMaxVerifiedBytes) {
    return absl::ResourceExhaustedError(
        Concat("the history is too large to verify while somebody waits (",
               st.st_size >> 20, " MiB): verify the file itself"));
  }
  VerifyOptions options;
  options.heads = std::move(heads);
  {
    std::lock_guard lock(mutex_);
    options.remembered = committed_heads_;
  }
  absl::StatusOr<HistoryReport> report = VerifyHistory(path_, options);
  if (!report.ok()) return report.status();
  report->notice = notice();
  if (!options.remembered.has_value()) return report;
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < report->chains.size(); ++i) {
    ChainReport& chain = report->chains[i];
    if (chain.broken.has_value() ||
        (chain.anchor.id <= newest_ends_.anchors[i].id &&
         chain.head.id <= newest_ends_.heads[i].id)) {
      continue;
    }
    chain.broken = ChainBreak{
        ChainBreak::What::kReplaced, chain.head.id, chain.head.id,
        chain.newest_ns,
        "replaced: it begins or ends later than the daemon has pruned or "
        "written: the file was written anew"};
  }
  return report;
}

}  // namespace sallyport
