#ifndef SALLYPORT_SRC_HISTORY_H_
#define SALLYPORT_SRC_HISTORY_H_

// History: events kept on disk in SQLite, bounded by age and size. Violations
// and allowed flows have a table and half of the size each, so that a flood of
// one never pushes out the other. What is too old goes when new events come.
// Append belongs to one thread (the event writer); Query and error may be
// called from any thread and do not hold it up: each query reads through a
// connection of its own.
//
// The file is never a reason to stop: where it cannot be opened or written
// (disk full, read-only: CASES F16, F17), Append returns the error, nothing of
// the batch is kept, and the next Append tries again, opening anew if need be.
// A damaged file is moved aside to NAME.corrupt-TIME and a new one begun. A
// file of a newer version (CASES F22) or of another program is left as it is.
//
// The records of each table are chained by hashes (history_chain.h), so that
// Verify finds what another hand changed, took out or put in.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/event_notice.h"
#include "src/history_verify.h"

namespace sallyport {

struct HistoryLimits {
  absl::Duration max_age = absl::Hours(24 * 30);
  int64_t max_bytes = int64_t{256} << 20;  // of the file, both tables
};

struct StoredEvent {
  int64_t time_ns = 0;     // CLOCK_REALTIME
  bool violation = false;  // else it is kept among the allowed flows
  std::optional<uint32_t> uid;
  std::string app;  // path, as the kernel gives it
  std::string json;
  StoredKind kind = StoredKind::kFlow;
};

struct HistoryQuery {
  bool violations_only = true;  // false: allowed flows too
  int64_t since_ns = 0;         // not older than this
  std::string app;              // "": any
  std::optional<uint32_t> uid;
  size_t limit = 1000;  // the newest so many; at most kMaxHistoryRows
  StoredKind kind = StoredKind::kFlow;
};

inline constexpr size_t kMaxHistoryRows = 10'000;  // of one answer

// Where both chains begin and end.
struct HistoryEnds {
  HistoryHeads anchors;
  HistoryHeads heads;
};

class History {
 public:
  // Error: InvalidArgument (a limit is not positive). Everything else is in
  // error() and tried again by Append.
  static absl::StatusOr<std::unique_ptr<History>> Open(
      const std::string& path, const HistoryLimits& limits);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Writes all of `events` in one transaction, or none. Prunes a bounded
  // number of old rows on the way.
  absl::Status Append(std::span<const StoredEvent> events);

  // The JSON of the events that match, newest last. FailedPrecondition: the
  // file is not ours to read.
  absl::StatusOr<std::vector<std::string>> Query(
      const HistoryQuery& query) const;

  // Whether the chains are whole and `heads` are of them, and whether the file
  // holds what this object wrote last: so somebody who writes the file anew
  // while the daemon runs is found. Errors: as VerifyHistory; Unavailable (one
  // is running already); ResourceExhausted (larger than kMaxVerifiedBytes: it
  // would take too long while somebody waits).
  absl::StatusOr<HistoryReport> Verify(
      std::vector<Sha256Digest> heads = {}) const;
  static constexpr int64_t kMaxVerifiedBytes = int64_t{2} << 30;

  // The newest records that are on disk, from memory: what somebody does to
  // the file does not change the answer. Unavailable: it was never open.
  absl::StatusOr<HistoryHeads> Heads() const;

  // The last failure that has not been made good by a success; OK if none.
  absl::Status error() const;
  // What the user should know though all is well again: a damaged file was
  // moved aside. "" if nothing.
  std::string notice() const;

 private:
  class Db;

  History(std::string path, HistoryLimits limits);
  absl::Status Connect();
  absl::Status ConnectOnce();
  absl::Status AppendTo(Db& db, std::span<const StoredEvent> events);
  absl::Status MoveAside(const absl::Status& why);
  absl::Status Named(const absl::Status& status) const;
  absl::Status Remember(absl::Status status);
  void RememberCommitted();

  // Constant after construction.
  const std::string path_;
  const HistoryLimits limits_;

  // The writer's own; null while the file could not be opened.
  std::unique_ptr<Db> db_;
  int moved_aside_ = 0;

  mutable std::mutex verifying_;  // held while Verify reads

  mutable std::mutex mutex_;
  // Where the chains end, for Verify; unset until the file was open. What a
  // reader finds lies between the two.
  std::optional<HistoryHeads> committed_heads_ ABSL_GUARDED_BY(mutex_);
  HistoryEnds newest_ends_ ABSL_GUARDED_BY(mutex_);  // being committed
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::string notice_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HISTORY_H_
