#ifndef SALLYPORT_SRC_EVENT_FEED_H_
#define SALLYPORT_SRC_EVENT_FEED_H_

// EventFeed: the newest decisions and notices in memory, and whoever watches
// them live. Publish belongs to the event writer; all else may be called from
// any thread. The newest kRecent records are kept as records: their JSON is
// made when somebody asks. A subscriber has a bounded queue; a reader that is
// too slow loses the oldest and is told how many (CASES F27); the writer never
// waits.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/decision_sink.h"
#include "src/event_json.h"
#include "src/event_notice.h"

namespace sallyport {

struct FeedFilter {
  std::optional<uint32_t> uid;  // empty: everybody's
  bool violations_only = false;
  std::string app;  // "": any
  bool Matches(const DecisionRecord& record) const;
  // Notices are for those who ask for everything and may see it.
  bool TakesNotices() const;
};

class EventFeed {
 public:
  static constexpr size_t kRecent = 1000;  // records
  static constexpr size_t kRecentNotices = 64;
  static constexpr size_t kRecentNoticeBytes = 1 << 20;
  static constexpr size_t kMaxSubscribers = 64;
  static constexpr size_t kQueueEvents = 1024;    // per subscriber
  static constexpr size_t kQueueBytes = 1 << 20;  // per subscriber

  // `context.interface_name` must be callable from any thread.
  explicit EventFeed(EventContext context);

  // `on_ready` is called when Next has something again after it had nothing,
  // and for the first event after Subscribe. It runs on the writer's thread
  // with the feed locked: it must not call the feed, nor take a lock that
  // somebody holds while calling the feed. It is not called any more once
  // Unsubscribe has returned. Errors: ResourceExhausted (kMaxSubscribers).
  absl::StatusOr<uint64_t> Subscribe(FeedFilter filter,
                                     std::function<void()> on_ready);
  void Unsubscribe(uint64_t id);  // an unknown id is no error

  // The next server-sent event, complete and ready to send:
  //   "event: flow\ndata: EVENT\n\n" (or the type of a notice), or, where
  //   events were lost,
  //   "event: dropped\ndata: {\"event_type\":\"dropped\",\"count\":N}\n\n".
  // Empty: nothing now (or the id is unknown); on_ready will be called.
  std::optional<std::string> Next(uint64_t id);

  // EVENT JSON of the newest `limit` events that match, newest last.
  std::vector<std::string> Recent(const FeedFilter& filter,
                                  size_t limit = kRecent) const;

  // True if some subscriber wants `record`: then Publish needs its JSON.
  bool Wants(const DecisionRecord& record) const;
  // `json` may be empty if Wants() is false.
  void Publish(DecisionRecord&& record, std::string_view json);
  void PublishNotice(const EventNotice& notice);

 private:
  struct RecentNotice {
    uint64_t after = 0;  // so many records were published before it
    std::string json;
  };
  struct Subscriber {
    FeedFilter filter;
    std::function<void()> on_ready;
    std::deque<std::shared_ptr<const std::string>> queue;
    size_t queue_bytes = 0;
    uint64_t dropped = 0;  // since the last notice
    bool idle = true;      // Next had nothing: call on_ready
  };
  static void Enqueue(Subscriber& subscriber,
                      const std::shared_ptr<const std::string>& frame);

  const EventContext context_;

  mutable std::mutex mutex_;
  std::vector<DecisionRecord> recent_ ABSL_GUARDED_BY(mutex_);  // a ring
  size_t recent_next_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t published_ ABSL_GUARDED_BY(mutex_) = 0;  // records, ever
  std::deque<RecentNotice> notices_ ABSL_GUARDED_BY(mutex_);
  size_t notice_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Subscriber> subscribers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_FEED_H_
