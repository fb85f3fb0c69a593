#ifndef SALLYPORT_SRC_EVENT_WRITER_H_
#define SALLYPORT_SRC_EVENT_WRITER_H_

// EventWriter: the one thread ("sp-events", nice 10) that takes decisions from
// the ring and hands them to statistics, live feed, log, history and what mode
// learn keeps; notices (event_notice.h) go the same way but for the statistics
// and what is learned. Start and Stop belong to the control thread; Post and
// status to any. It owns none of what it is given; all of it must outlive Stop.
//
// Idle it sleeps and wakes never. Woken, it waits a batching interval before
// it reads, so that there are at most 50 wake-ups a second, and so that the
// slow lane has had time to find out what is nice to know about the process.
//
// Every record is kept; repeats are not folded (a denied connect sends about
// six SYNs in a minute). Rules with log = false: counted and shown live, but
// neither logged nor kept.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/event_feed.h"
#include "src/event_json.h"
#include "src/event_log.h"
#include "src/event_notice.h"
#include "src/event_ring.h"
#include "src/history.h"
#include "src/learn_log.h"
#include "src/stats.h"

namespace sallyport {

struct EventWriterOptions {
  bool keep_allowed = true;  // allowed flows go into the history
  bool log_allowed = true;   // ... and into the log
  absl::Duration batching = absl::Milliseconds(20);
  absl::Duration retry = absl::Seconds(5);  // after the history failed
};

// Where decisions go. Null: not there.
struct EventSinks {
  Stats* stats = nullptr;
  EventFeed* feed = nullptr;
  EventLog* log = nullptr;
  History* history = nullptr;
  LearnLog* learn = nullptr;
};

struct EventWriterStatus {
  uint64_t dropped = 0;         // records and notices there was no room for
  uint64_t written = 0;         // records taken from the ring
  uint64_t history_errors = 0;  // batches that could not be stored
  uint64_t history_lost = 0;    // events given up after that
  uint64_t log_lost = 0;
  absl::Status history;  // OK, or why it does not keep events now
  absl::Status log;
};

class EventWriter {
 public:
  // Events per transaction. So many also wait for a history that fails, and
  // are lost if it fails still when the next would come.
  static constexpr size_t kMaxBatch = 4096;
  static constexpr size_t kMaxNotices = 256;  // that wait to be taken

  EventWriter(EventRing& ring, EventSinks sinks, EventContext context,
              EventWriterOptions options = {});
  ~EventWriter();  // stops
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  absl::Status Start();
  // Writes down what is in the ring, then ends the thread. A second call does
  // nothing.
  void Stop();

  // Never waits for what becomes of it. Too many at once are dropped.
  void Post(EventNotice notice) ABSL_LOCKS_EXCLUDED(notices_mutex_);

  // Takes what is in the ring now; the body of the thread, also for tests and
  // tools that have no thread. REQUIRES: the thread is not running.
  void DrainOnce() { Drain(); }

  EventWriterStatus status() const;

 private:
  void Run();
  bool WaitFor(bool for_records, absl::Duration limit);
  absl::Duration LongestSleep() const;
  size_t Drain();
  void Handle(DecisionRecord&& record);
  void HandleNotices() ABSL_LOCKS_EXCLUDED(notices_mutex_);
  StoredEvent& NextPlace();
  void Store();

  // Constant after construction.
  EventRing& ring_;
  const EventSinks sinks_;
  const EventContext context_;
  const EventWriterOptions options_;
  const int notice_fd_;  // readable: there are notices

  // The control thread's own.
  std::thread thread_;
  int stop_fd_ = -1;

  // The writer's own.
  std::string json_;                  // reused
  std::vector<StoredEvent> pending_;  // for the history; [0, pending_count_)
  size_t pending_count_ = 0;
  std::chrono::steady_clock::time_point retry_at_{};

  std::mutex notices_mutex_;
  std::vector<EventNotice> notices_ ABSL_GUARDED_BY(notices_mutex_);

  std::atomic<uint64_t> written_{0};  // relaxed: counts
  std::atomic<uint64_t> notices_dropped_{0};
  std::atomic<uint64_t> history_errors_{0};
  std::atomic<uint64_t> history_lost_{0};
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_WRITER_H_
