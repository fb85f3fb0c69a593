#ifndef SALLYPORT_SRC_EVENT_LOG_H_
#define SALLYPORT_SRC_EVENT_LOG_H_

// EventLog: events as NDJSON in a file, or as entries in the journal. Write
// and Flush belong to the event writer; Reopen, lost and error to any thread.
// Nothing here waits for a reader: a pipe is opened non-blocking, the journal
// is written to by its own datagram protocol with MSG_DONTWAIT (sd_journal_send
// would wait while journald is stopped), and what does not fit is dropped and
// counted (CASES F36). A line is written whole or, where the sink took a part
// of it, finished before the next.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/decision_sink.h"
#include "src/event_notice.h"

namespace sallyport {

struct EventLogOptions {
  enum class Sink : uint8_t { kNone, kFile, kJournal };
  Sink sink = Sink::kNone;
  // The file, or pipe; for kJournal the socket ("": the system's).
  std::string path;
  // A regular file that would grow beyond this becomes NAME.1 (replacing the
  // one before). 0: never.
  int64_t rotate_bytes = int64_t{64} << 20;
};

class EventLog {
 public:
  // Never fails: where the sink is not there, error() says why, events are
  // counted as lost, and every Write and Flush tries again.
  explicit EventLog(EventLogOptions options);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  bool enabled() const { return options_.sink != EventLogOptions::Sink::kNone; }

  // `json` is the record's EVENT.
  void Write(const DecisionRecord& record, std::string_view json);
  void WriteNotice(const EventNotice& notice);
  // Hands over what was written since (a batch: one system call).
  void Flush();

  // Closes the file and opens it again before the next event: after SIGHUP,
  // when logrotate has moved it.
  void Reopen() { reopen_.store(true, std::memory_order_relaxed); }

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  absl::Status error() const;

 private:
  bool EnsureOpen();
  bool OpenFile();
  bool OpenJournal();
  void Close();
  void RotateIfNeeded();
  void FlushFile();
  void DropUnwritten(size_t written);
  bool IsReady();
  void AppendLine(std::string_view json);
  void BeginEntry(std::string_view message, bool is_warning);
  void SendEntry(std::string_view json);
  void SetError(absl::Status error);

  // Constant after construction.
  const EventLogOptions options_;

  // The writer's own.
  int fd_ = -1;
  bool regular_ = false;
  int64_t size_bytes_ = 0;
  std::string buffer_;  // lines; the first may lack what was written already
  bool torn_ = false;   // it does
  std::string entry_;   // reused for the journal

  std::atomic<bool> reopen_{false};
  std::atomic<uint64_t> lost_{0};  // relaxed: a count

  mutable std::mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_LOG_H_
