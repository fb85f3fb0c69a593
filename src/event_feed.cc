#include "src/event_feed.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "src/escape.h"

namespace sallyport {
namespace {

std::string DroppedFrame(uint64_t count) {
  return "event: dropped\ndata: {\"event_type\":\"dropped\",\"count\":" +
         std::to_string(count) + "}\n\n";
}

}  // namespace

bool FeedFilter::Matches(const DecisionRecord& record) const {
  if (violations_only && !IsViolation(record)) return false;
  if (uid.has_value() && UidOf(record) != uid) return false;
  if (app.empty()) return true;
  const std::string_view path = AppPathOf(record);
  return path == app || Escape(path) == app;
}

bool FeedFilter::TakesNotices() const {
  return !uid.has_value() && !violations_only && app.empty();
}

EventFeed::EventFeed(EventContext context) : context_(std::move(context)) {}

absl::StatusOr<uint64_t> EventFeed::Subscribe(FeedFilter filter,
                                              std::function<void()> on_ready) {
  std::lock_guard lock(mutex_);
  if (subscribers_.size() >= kMaxSubscribers) {
    return absl::ResourceExhaustedError(
        "too many clients follow events already (" +
        std::to_string(kMaxSubscribers) + ")");
  }
  Subscriber subscriber;
  subscriber.filter = std::move(filter);
  subscriber.on_ready = std::move(on_ready);
  const uint64_t id = next_id_++;
  subscribers_.emplace(id, std::move(subscriber));
  return id;
}

void EventFeed::Unsubscribe(uint64_t id) {
  std::lock_guard lock(mutex_);
  subscribers_.erase(id);
}

std::optional<std::string> EventFeed::Next(uint64_t id) {
  std::lock_guard lock(mutex_);
  const auto it = subscribers_.find(id);
  if (it == subscribers_.end()) return std::nullopt;
  Subscriber& subscriber = it->second;
  if (subscriber.dropped > 0) {
    return DroppedFrame(std::exchange(subscriber.dropped, 0));
  }
  if (subscriber.queue.empty()) {
    subscriber.idle = true;
    return std::nullopt;
  }
  const std::shared_ptr<const std::string> frame =
      std::move(subscriber.queue.front());
  subscriber.queue.pop_front();
  subscriber.queue_bytes -= frame->size();
  return *frame;
}

std::vector<std::string> EventFeed::Recent(const FeedFilter& filter,
                                           size_t limit) const {
  // Copies of the records (cheap: their owners are shared), so that the writer
  // does not wait while JSON is made. Newest first.
  std::vector<std::variant<DecisionRecord, std::string>> found;
  {
    std::lock_guard lock(mutex_);
    auto notice = filter.TakesNotices() ? notices_.rbegin() : notices_.rend();
    const auto take_notices_after = [&](uint64_t number) {
      for (; notice != notices_.rend() && notice->after > number &&
             found.size() < limit;
           ++notice) {
        found.emplace_back(notice->json);
      }
    };
    const size_t count = recent_.size();
    for (size_t back = 1; back <= count && found.size() < limit; ++back) {
      take_notices_after(published_ - back);
      const size_t newest = recent_next_ + count - back;
      const DecisionRecord& record = recent_[newest % count];
      if (found.size() < limit && filter.Matches(record)) {
        found.emplace_back(record);
      }
    }
    for (; notice != notices_.rend() && found.size() < limit; ++notice) {
      found.emplace_back(notice->json);
    }
  }
  std::vector<std::string> events;
  events.reserve(found.size());
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    if (auto* json = std::get_if<std::string>(&*it)) {
      events.push_back(std::move(*json));
    } else {
      events.push_back(EventToJson(std::get<DecisionRecord>(*it), context_));
    }
  }
  return events;
}

bool EventFeed::Wants(const DecisionRecord& record) const {
  std::lock_guard lock(mutex_);
  return std::any_of(subscribers_.begin(), subscribers_.end(),
                     [&record](const auto& subscriber) {
                       return subscriber.second.filter.Matches(record);
                     });
}

void EventFeed::Publish(DecisionRecord&& record, std::string_view json) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<const std::string> frame;  // shared by all who want it
  for (auto& [id, subscriber] : subscribers_) {
    if (!subscriber.filter.Matches(record)) continue;
    if (frame == nullptr) {
      // Somebody who subscribed after Wants() was asked: make it now.
      std::string text = "event: flow\ndata: ";
      if (json.empty()) {
        AppendEventJson(record, context_, &text);
      } else {
        text.append(json);
      }
      text.append("\n\n");
      frame = std::make_shared<const std::string>(std::move(text));
    }
    Enqueue(subscriber, frame);
  }
  ++published_;
  if (recent_.size() < kRecent) {
    recent_.push_back(std::move(record));
    return;
  }
  recent_[recent_next_] = std::move(record);
  recent_next_ = (recent_next_ + 1) % kRecent;
}

void EventFeed::PublishNotice(const EventNotice& notice) {
  std::lock_guard lock(mutex_);
  const auto frame = std::make_shared<const std::string>(
      "event: " + notice.type + "\ndata: " + notice.json + "\n\n");
  for (auto& [id, subscriber] : subscribers_) {
    if (subscriber.filter.TakesNotices()) Enqueue(subscriber, frame);
  }
  notices_.push_back({published_, notice.json});
  notice_bytes_ += notice.json.size();
  while (notices_.size() > kRecentNotices ||
         (notice_bytes_ > kRecentNoticeBytes && notices_.size() > 1)) {
    notice_bytes_ -= notices_.front().json.size();
    notices_.pop_front();
  }
}

void EventFeed::Enqueue(Subscriber& subscriber,
                        const std::shared_ptr<const std::string>& frame) {
  subscriber.queue.push_back(frame);
  subscriber.queue_bytes += frame->size();
  while (
      subscriber.queue.size() > kQueueEvents ||
      (subscriber.queue_bytes > kQueueBytes && subscriber.queue.size() > 1)) {
    subscriber.queue_bytes -= subscriber.queue.front()->size();
    subscriber.queue.pop_front();
    ++subscriber.dropped;
  }
  if (std::exchange(subscriber.idle, false) && subscriber.on_ready) {
    subscriber.on_ready();
  }
}

}  // namespace sallyport
