#include "src/history_verify.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/time.h"
#include "rules/text_util.h"
#include "src/escape.h"
#include "src/history_schema.h"
#include "src/sqlite_db.h"

namespace sallyport {
namespace {

// Of one value; the largest event is some KiB, an event with a diff some 100.
constexpr int kMaxValueBytes = 16 << 20;

constexpr const char* kChainNames[] = {"violations", "allowed"};

using Type = SqliteStatement::Type;
using What = ChainBreak::What;

// "record 5" or "3 records (5 to 7)".
std::string RecordsText(int64_t first, int64_t last) {
  if (first == last) return Concat("record ", first);
  return Concat(last - first + 1, " records (", first, " to ", last, ")");
}

// Reads one table from its oldest record to its newest.
class ChainReader {
 public:
  ChainReader(const HistoryChain& state, ChainReport* report,
              std::vector<HeadReport>* heads)
      : state_(state), report_(*report), heads_(*heads) {
    report_.anchor = state.anchor;
    report_.head = state.head;
    report_.begun_ns = report_.since_ns = state.begin_ns;
    report_.pruned = state.anchor.id - state.begin_id;
  }

  // An error is only what is not the file's fault.
  absl::Status Read(SqliteDb& db, const char* table) {
    absl::StatusOr<Sha256Digest> begin =
        hasher_.Begin(table, state_.begin_id, state_.begin_ns);
    if (!begin.ok()) return begin.status();
    last_ = state_.anchor;
    if (last_.id == state_.begin_id && last_.hash != *begin) {
      Break(What::kChanged, last_.id, last_.id, state_.begin_ns,
            "changed: the begin of the chain is not the one it had");
      return absl::OkStatus();
    }
    MatchHeads();
    auto select = db.Prepare(
        Concat("SELECT id, kind, time_ns, uid, app, json, cost, hash FROM ",
               table, " ORDER BY id")
            .c_str());
    absl::StatusOr<bool> row = false;
    if (!select.ok()) {
      row = select.status();
    } else {
      row = select->Step();
      for (; row.ok() && *row; row = select->Step()) {
        const absl::StatusOr<bool> fits = TakeRow(*select);
        if (!fits.ok()) return fits.status();
        if (!*fits) return absl::OkStatus();
      }
    }
    if (absl::IsUnavailable(row.status())) return row.status();
    if (!row.ok()) {
      Break(What::kDamaged, last_.id + 1, last_.id + 1, last_ns_,
            Concat("damaged: the file cannot be read on after ", LastText(),
                   ": ", MessageOf(row.status())));
      return absl::OkStatus();
    }
    CheckEnd();
    return absl::OkStatus();
  }

  // `link`: a record that was committed. It may have been pruned since.
  void CheckRemembered(const ChainLink& link) {
    if (report_.broken.has_value() || link.id < state_.anchor.id) return;
    if (link.id > state_.head.id) {
      Break(What::kReplaced, state_.head.id + 1, link.id, last_ns_,
            Concat("replaced: the daemon has written records up to ", link.id,
                   ", the file ends with ", LastText()));
    } else if (remembered_hash_ != link.hash) {
      Break(What::kReplaced, link.id, link.id, remembered_ns_,
            Concat("replaced: record ", link.id,
                   " is not the one that the "
                   "daemon wrote: the file was written anew"));
    }
  }
  void WatchFor(const ChainLink& link) { remembered_id_ = link.id; }

 private:
  void Break(What what, int64_t id, int64_t last_id, int64_t time_ns,
             std::string message) {
    report_.broken = ChainBreak{what, id, last_id, time_ns, Escape(message)};
  }

  static std::string RecordText(int64_t id, int64_t time_ns) {
    return time_ns == 0
               ? Concat("record ", id)
               : Concat("record ", id, " of ", RecordTimeText(time_ns));
  }
  std::string LastText() const { return RecordText(last_.id, last_ns_); }

  void MatchHeads() {
    if (last_.id == remembered_id_) {
      remembered_hash_ = last_.hash;
      remembered_ns_ = last_ns_;
    }
    for (HeadReport& head : heads_) {
      if (head.found || head.hash != last_.hash) continue;
      head.found = true;
      head.chain = report_.name;
      head.id = last_.id;
    }
  }

  // The record of `row`; unset if its columns are not of the types we write.
  static std::optional<ChainedRecord> RecordOf(const SqliteStatement& row) {
    for (const int column : {0, 1, 2, 6}) {
      if (row.TypeOf(column) != Type::kInteger) return std::nullopt;
    }
    ChainedRecord record;
    if (row.TypeOf(3) == Type::kInteger) {
      record.uid = row.Int(3);
    } else if (row.TypeOf(3) != Type::kNull) {
      return std::nullopt;
    }
    if (row.TypeOf(4) != Type::kText || row.TypeOf(5) != Type::kText) {
      return std::nullopt;
    }
    record.id = row.Int(0);
    record.kind = row.Int(1);
    record.time_ns = row.Int(2);
    record.app = row.Text(4);
    record.json = row.Text(5);
    record.cost = row.Int(6);
    return record;
  }

  // False: it does not fit, and `broken` says why.
  absl::StatusOr<bool> TakeRow(const SqliteStatement& row) {
    const int64_t id = row.Int(0);  // the row's number: of no other type
    if (id <= state_.begin_id) {
      ++report_.unchained;
      return true;
    }
    const std::optional<ChainedRecord> record = RecordOf(row);
    const int64_t time_ns = record.has_value() ? record->time_ns : 0;
    if (id <= last_.id || id > state_.head.id) {
      Break(What::kInserted, id, id, time_ns,
            Concat("inserted: ", RecordText(id, time_ns), " stands ",
                   id > last_.id ? "after the newest that was written"
                                 : "where all were pruned"));
      return false;
    }
    if (id != last_.id + 1) {
      Break(What::kMissing, last_.id + 1, id - 1, time_ns,
            Concat("missing: ", RecordsText(last_.id + 1, id - 1), " before ",
                   RecordText(id, time_ns)));
      return false;
    }
    const std::string_view stored = row.Blob(7);
    bool fits = record.has_value();
    if (fits) {
      absl::StatusOr<Sha256Digest> hash = hasher_.Next(last_.hash, *record);
      if (!hash.ok()) return hash.status();
      fits = std::equal(
          stored.begin(), stored.end(), hash->begin(), hash->end(),
          [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
      if (fits) last_ = {id, *hash};
    }
    if (!fits) {
      Break(What::kChanged, id, id, time_ns,
            Concat("changed: ", RecordText(id, time_ns),
                   " does not give the hash it should: "
                   "its content, its hash or the one before was changed"));
      return false;
    }
    if (report_.records++ == 0) report_.since_ns = time_ns;
    report_.newest_ns = last_ns_ = time_ns;
    MatchHeads();
    return true;
  }

  void CheckEnd() {
    if (last_.id < state_.head.id) {
      Break(
          What::kCut, last_.id + 1, state_.head.id, last_ns_,
          Concat("cut at the end: ", RecordsText(last_.id + 1, state_.head.id),
                 " missing after ", LastText()));
    } else if (last_.hash != state_.head.hash) {
      Break(What::kChanged, last_.id, last_.id, last_ns_,
            Concat("changed: the newest, ", LastText(),
                   ", is not the one that was written last"));
    }
  }

  const HistoryChain state_;
  ChainReport& report_;
  std::vector<HeadReport>& heads_;
  ChainHasher hasher_;
  ChainLink last_;       // the last that fits
  int64_t last_ns_ = 0;  // its time
  int64_t remembered_id_ = -1;
  Sha256Digest remembered_hash_{};  // that the file has for it
  int64_t remembered_ns_ = 0;
};

// FailedPrecondition: not a history that this version can verify.
absl::Status CheckIsHistory(SqliteDb& db) {
  const auto version = db.Number("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kHistorySchemaVersion) {
    return absl::FailedPreconditionError(
        Concat("written by a newer version (schema ", *version,
               ", this one knows ", kHistorySchemaVersion, ")"));
  }
  if (*version == 1) {
    return absl::FailedPreconditionError(
        "has no chain yet; the daemon begins one when it opens the file");
  }
  if (*version < 1) return absl::FailedPreconditionError("is no history");
  // A view in a table's place could show anything.
  const auto tables = db.Number(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
      "('violation', 'flow', 'chain')");
  if (!tables.ok()) return tables.status();
  if (*tables != 3) return absl::DataLossError("one of its tables is gone");
  return absl::OkStatus();
}

absl::StatusOr<SqliteDb> OpenToRead(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return absl::NotFoundError("there is no such file");
    return absl::ErrnoToStatus(errno, "cannot open");
  }
  if (!S_ISREG(st.st_mode)) return absl::NotFoundError("not a file");
  // Whoever has it open has this log, too.
  const bool in_use = access((path + "-wal").c_str(), F_OK) == 0;
  absl::StatusOr<SqliteDb> db =
      in_use ? SqliteDb::Open(path, true) : SqliteDb::OpenUnused(path);
  if (!db.ok()) return db.status();
  db->Distrust(kMaxValueBytes);
  // All that follows is of one moment.
  if (absl::Status status = db->Exec("BEGIN"); !status.ok()) return status;
  if (absl::Status status = CheckIsHistory(*db); !status.ok()) return status;
  return db;
}

// Both chains as damaged: what is wrong is wrong with the file.
void SetDamaged(const absl::Status& status, HistoryReport* report) {
  for (ChainReport& chain : report->chains) {
    if (chain.broken.has_value()) continue;
    chain.broken =
        ChainBreak{What::kDamaged, 0, 0, 0,
                   Escape(Concat("damaged: the file cannot be read: ",
                                 MessageOf(status)))};
  }
}

absl::Status VerifyInto(SqliteDb& db, const VerifyOptions& options,
                        HistoryReport* report) {
  for (size_t i = 0; i < report->chains.size(); ++i) {
    const absl::StatusOr<HistoryChain> state = LoadChain(db, kHistoryTables[i]);
    if (!state.ok()) return state.status();
    ChainReader reader(*state, &report->chains[i], &report->heads);
    if (options.remembered.has_value()) {
      reader.WatchFor((*options.remembered)[i]);
    }
    if (absl::Status status = reader.Read(db, kHistoryTables[i]);
        !status.ok()) {
      return status;
    }
    if (options.remembered.has_value()) {
      reader.CheckRemembered((*options.remembered)[i]);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string RecordTimeText(int64_t time_ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixNanos(time_ns),
                          absl::UTCTimeZone());
}

bool HistoryReport::IsIntact() const {
  return std::ranges::none_of(
             chains,
             [](const ChainReport& c) { return c.broken.has_value(); }) &&
         std::ranges::all_of(heads, &HeadReport::found);
}

absl::StatusOr<HistoryReport> VerifyHistory(const std::string& path,
                                            const VerifyOptions& options) {
  HistoryReport report;
  for (size_t i = 0; i < report.chains.size(); ++i) {
    report.chains[i].name = kChainNames[i];
  }
  for (const Sha256Digest& hash : options.heads) {
    report.heads.push_back({.hash = hash});
  }
  absl::StatusOr<SqliteDb> db = OpenToRead(path);
  const absl::Status status =
      db.ok() ? VerifyInto(*db, options, &report) : db.status();
  if (absl::IsDataLoss(status) || absl::IsInternal(status)) {
    SetDamaged(status, &report);
  } else if (!status.ok()) {
    return absl::Status(status.code(),
                        Concat("history ", path, ": ", MessageOf(status)));
  }
  return report;
}

}  // namespace sallyport
