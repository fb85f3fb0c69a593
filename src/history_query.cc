// History::Query: reading, apart from all that writes.

#include <algorithm>
#include <utility>

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
  std::string sql = std::string("SELECT time_ns, json FROM ") + table +
                    " WHERE time_ns >= ?1";
  if (query.uid.has_value()) sql += " AND uid = ?2";
  if (!query.app.empty()) sql += " AND app IN (?3, ?4)";
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

}  // namespace sallyport
