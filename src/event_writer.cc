#include "src/event_writer.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

namespace sallyport {
namespace {

// Of the writer, against the threads that judge.
constexpr int kNice = 10;
// While records keep coming: how many to take before the log is flushed.
constexpr size_t kRoundRecords = 1024;
// After so many at once the next batch may be larger: the threads that judge
// need the CPU.
constexpr size_t kBusyRecords = 64;
constexpr int kBusyFactor = 5;
// Places for events whose memory is kept from one batch to the next.
constexpr size_t kKeptPlaces = 256;

using SteadyClock = std::chrono::steady_clock;

void LowerPriority() {
  pthread_setname_np(pthread_self(), "sp-events");
  // On Linux nice is a thread's own. Where it fails, we run as we are.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
}

}  // namespace

EventWriter::EventWriter(EventRing& ring, EventSinks sinks,
                         EventContext context, EventWriterOptions options)
    : ring_(ring),
      sinks_(sinks),
      context_(std::move(context)),
      options_(options),
      notice_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

EventWriter::~EventWriter() {
  Stop();
  if (notice_fd_ >= 0) close(notice_fd_);
}

absl::Status EventWriter::Start() {
  assert(!thread_.joinable());
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return absl::ErrnoToStatus(errno, "eventfd");
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void EventWriter::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof(one));
  thread_.join();
  close(stop_fd_);
  stop_fd_ = -1;
}

void EventWriter::Run() {
  LowerPriority();
  bool stopping = false;
  size_t taken = 0;
  while (!stopping) {
    // While records keep coming the judges need not wake us at all.
    if (taken == 0 && ring_.ArmWake()) {
      stopping = WaitFor(true, LongestSleep());
    }
    if (!stopping) {
      stopping =
          WaitFor(false, taken >= kBusyRecords ? kBusyFactor * options_.batching
                                               : options_.batching);
    }
    taken = Drain();
  }
  // What came in while the last batch was written; and a history that failed
  // gets its last chance.
  retry_at_ = {};
  Drain();
  history_lost_.fetch_add(pending_count_, std::memory_order_relaxed);
  pending_count_ = 0;
  if (sinks_.learn != nullptr) sinks_.learn->Save().IgnoreError();  // logged
}

// A batch that the history refused is offered again even if nothing else
// happens, and what was learned is saved.
absl::Duration EventWriter::LongestSleep() const {
  absl::Duration longest = absl::InfiniteDuration();
  if (pending_count_ > 0) longest = options_.retry;
  if (sinks_.learn != nullptr && sinks_.learn->unsaved()) {
    longest = std::min(longest, absl::FromChrono(LearnLog::kSaveInterval));
  }
  return longest;
}

// Waits until the ring or a notice is there (if asked), `limit` has passed, or
// the thread is to stop. True: stop.
bool EventWriter::WaitFor(bool for_records, absl::Duration limit) {
  pollfd fds[] = {{stop_fd_, POLLIN, 0},
                  {ring_.wake_fd(), POLLIN, 0},
                  {notice_fd_, POLLIN, 0}};
  const int timeout_ms =
      limit == absl::InfiniteDuration()
          ? -1
          : static_cast<int>(absl::ToInt64Milliseconds(limit));
  // A signal ends the wait early; that costs one empty round.
  poll(fds, for_records ? 3 : 1, timeout_ms);
  return (fds[0].revents & POLLIN) != 0;
}

size_t EventWriter::Drain() {
  HandleNotices();
  size_t taken = 0;
  DecisionRecord record;
  while (ring_.Pop(&record)) {
    Handle(std::move(record));
    ++taken;
    if (pending_count_ >= kMaxBatch) Store();
    if (taken % kRoundRecords == 0 && sinks_.log != nullptr) {
      sinks_.log->Flush();
    }
  }
  if (sinks_.log != nullptr) sinks_.log->Flush();
  if (pending_count_ > 0) Store();
  if (sinks_.learn != nullptr) sinks_.learn->SaveIfDue(SteadyClock::now());
  return taken;
}

void EventWriter::Handle(DecisionRecord&& record) {
  written_.fetch_add(1, std::memory_order_relaxed);
  if (sinks_.stats != nullptr) sinks_.stats->Count(record);
  if (sinks_.learn != nullptr) sinks_.learn->Record(record);

  const bool violation = IsViolation(record);
  const bool quiet = !record.decision.log;  // the rule says so
  const bool to_log = sinks_.log != nullptr && sinks_.log->enabled() &&
                      !quiet && (violation || options_.log_allowed);
  const bool to_history = sinks_.history != nullptr && !quiet &&
                          (violation || options_.keep_allowed);
  const bool to_feed = sinks_.feed != nullptr && sinks_.feed->Wants(record);

  json_.clear();
  if (to_log || to_history || to_feed) {
    AppendEventJson(record, context_, &json_);
  }
  if (to_log) sinks_.log->Write(record, json_);
  if (to_history) {
    StoredEvent& event = NextPlace();
    event.time_ns = record.time_ns;
    event.violation = violation;
    event.uid = UidOf(record);
    event.app.assign(AppPathOf(record));
    event.json.assign(json_);
    event.kind = StoredKind::kFlow;
  }
  if (sinks_.feed != nullptr) sinks_.feed->Publish(std::move(record), json_);
}

void EventWriter::Post(EventNotice notice) {
  {
    std::lock_guard lock(notices_mutex_);
    if (notices_.size() >= kMaxNotices) {
      notices_dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    notices_.push_back(std::move(notice));
  }
  const uint64_t one = 1;
  (void)!write(notice_fd_, &one, sizeof(one));
}

void EventWriter::HandleNotices() {
  std::vector<EventNotice> notices;
  {
    std::lock_guard lock(notices_mutex_);
    if (notices_.empty()) return;
    uint64_t posted = 0;
    (void)!read(notice_fd_, &posted, sizeof(posted));
    notices.swap(notices_);
  }
  for (EventNotice& notice : notices) {
    if (sinks_.log != nullptr && sinks_.log->enabled()) {
      sinks_.log->WriteNotice(notice);
    }
    if (sinks_.feed != nullptr) sinks_.feed->PublishNotice(notice);
    if (sinks_.history == nullptr) continue;
    StoredEvent& event = NextPlace();
    event.time_ns = notice.time_ns;
    // Beside them a flood of allowed flows does not push it out.
    event.violation = true;
    event.uid.reset();
    event.app.clear();
    event.json = std::move(notice.json);
    event.kind = notice.kind;
    if (pending_count_ >= kMaxBatch) Store();
  }
}

// The next place in pending_, whose strings are reused.
StoredEvent& EventWriter::NextPlace() {
  if (pending_count_ == pending_.size()) pending_.emplace_back();
  return pending_[pending_count_++];
}

void EventWriter::Store() {
  const bool full = pending_count_ >= kMaxBatch;
  if (SteadyClock::now() < retry_at_ && !full) return;
  const absl::Status status = sinks_.history->Append(
      std::span<const StoredEvent>(pending_.data(), pending_count_));
  if (status.ok()) {
    retry_at_ = {};
    pending_count_ = 0;
    // A burst should not stay in memory.
    if (pending_.size() > kKeptPlaces) {
      pending_.resize(kKeptPlaces);
      pending_.shrink_to_fit();
    }
    return;
  }
  history_errors_.fetch_add(1, std::memory_order_relaxed);
  retry_at_ = SteadyClock::now() + absl::ToChronoNanoseconds(options_.retry);
  if (!full) return;
  history_lost_.fetch_add(pending_count_, std::memory_order_relaxed);
  pending_count_ = 0;
}

EventWriterStatus EventWriter::status() const {
  EventWriterStatus status;
  status.dropped =
      ring_.dropped() + notices_dropped_.load(std::memory_order_relaxed);
  status.written = written_.load(std::memory_order_relaxed);
  status.history_errors = history_errors_.load(std::memory_order_relaxed);
  status.history_lost = history_lost_.load(std::memory_order_relaxed);
  if (sinks_.history != nullptr) status.history = sinks_.history->error();
  if (sinks_.log != nullptr) {
    status.log_lost = sinks_.log->lost();
    status.log = sinks_.log->error();
  }
  return status;
}

}  // namespace sallyport
