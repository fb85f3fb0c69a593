// Handlers: violations, events (also live), statistics.

#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/event_feed.h"
#include "src/history.h"

namespace sallyport {
namespace {

std::string Parameter(const ApiRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

absl::StatusOr<size_t> LimitOf(const ApiRequest& request, size_t most) {
  const std::string text = Parameter(request, "limit");
  if (text.empty()) return std::min<size_t>(most, 1000);
  uint64_t limit = 0;
  if (!absl::SimpleAtoi(text, &limit) || limit < 1 || limit > most) {
    return FieldError("limit", Concat("must be a number from 1 to ", most));
  }
  return static_cast<size_t>(limit);
}

// The events are JSON already.
ApiResponse ListResponse(const char* key,
                         const std::vector<std::string>& events) {
  ApiResponse response;
  response.body = Concat("{\"", key, "\":[", absl::StrJoin(events, ","), "]}");
  return response;
}

// Live events. `wake` is what the feed's thread calls; it is set after the
// feed may already have called, which does no harm: the server asks Next once
// after Start.
class EventStream : public ApiStream {
 public:
  static absl::StatusOr<std::unique_ptr<EventStream>> Open(EventFeed* feed,
                                                           FeedFilter filter) {
    std::unique_ptr<EventStream> stream(new EventStream(feed));
    EventStream* const raw = stream.get();
    absl::StatusOr<uint64_t> id =
        feed->Subscribe(std::move(filter), [raw] { raw->Wake(); });
    if (!id.ok()) return id.status();
    stream->id_ = *id;
    return stream;
  }
  ~EventStream() override {
    if (id_.has_value()) feed_->Unsubscribe(*id_);
  }

  void Start(std::function<void()> wake) override {
    std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }

  std::optional<std::string> Next() override {
    // At once, so that the client knows it is connected before anything
    // happens.
    if (!greeted_) {
      greeted_ = true;
      return ": sallyport events\n\n";
    }
    std::optional<std::string> next = feed_->Next(*id_);
    return next.has_value() ? *std::move(next) : "";
  }

 private:
  explicit EventStream(EventFeed* feed) : feed_(feed) {}

  void Wake() {
    std::lock_guard lock(mutex_);
    if (wake_) wake_();
  }

  EventFeed* const feed_;
  std::optional<uint64_t> id_;
  bool greeted_ = false;  // server's thread

  std::mutex mutex_;
  std::function<void()> wake_ ABSL_GUARDED_BY(mutex_);
};

// What the history has since `since`, the newest `limit` of it.
ApiResponse AnswerQuery(const ApiContext& context, const ApiRequest& request,
                        const char* key, HistoryQuery query) {
  if (const std::string since = Parameter(request, "since"); !since.empty()) {
    absl::StatusOr<absl::Time> time = ParseSince(since, context.now());
    if (!time.ok()) return ErrorResponse(time.status());
    query.since_ns = absl::ToUnixNanos(*time);
  }
  absl::StatusOr<size_t> limit = LimitOf(request, kMaxHistoryRows);
  if (!limit.ok()) return ErrorResponse(limit.status());
  query.limit = *limit;
  if (context.history == nullptr) {
    return ErrorResponse(503, "unavailable", "there is no history");
  }
  absl::StatusOr<std::vector<std::string>> events =
      context.history->Query(query);
  if (!events.ok()) {
    return ErrorResponse(
        503, "unavailable",
        Concat("the history cannot be read: ", MessageOf(events.status())));
  }
  return ListResponse(key, *events);
}

}  // namespace

absl::StatusOr<absl::Time> ParseSince(std::string_view text, absl::Time now) {
  if (text.empty()) return FieldError("since", "is empty");
  if (const auto moment = ParseRfc3339(text); moment.ok()) return *moment;
  if (const auto ago = ParseDuration(text); ago.ok()) return now - *ago;
  return FieldError("since", Concat(QuoteForMessage(text),
                                    " is no time; write 30s, 5m, 1h30m, 7d or "
                                    "2026-01-31T12:00:00Z"));
}

ApiResponse HandleViolations(const ApiContext& context,
                             const ApiRequest& request) {
  HistoryQuery query;
  query.app = Parameter(request, "app");
  query.uid = request.peer.only_uid();
  return AnswerQuery(context, request, "violations", std::move(query));
}

ApiResponse HandleRuleChanges(const ApiContext& context,
                              const ApiRequest& request) {
  HistoryQuery query;
  query.kind = StoredKind::kRulesChanged;
  return AnswerQuery(context, request, "events", std::move(query));
}

ApiResponse HandleEvents(const ApiContext& context, const ApiRequest& request) {
  FeedFilter filter;
  filter.uid = request.peer.only_uid();
  filter.app = Parameter(request, "app");
  const std::string type = Parameter(request, "type");
  if (!type.empty() && type != "all" && type != "violations") {
    return ErrorResponse(
        FieldError("type", "must be \"all\" or \"violations\""));
  }
  filter.violations_only = type == "violations";
  absl::StatusOr<size_t> limit = LimitOf(request, EventFeed::kRecent);
  if (!limit.ok()) return ErrorResponse(limit.status());
  const std::string follow = Parameter(request, "follow");
  if (!follow.empty() && follow != "0" && follow != "1") {
    return ErrorResponse(FieldError("follow", "must be 0 or 1"));
  }
  if (follow != "1") {
    return ListResponse("events", context.events->Recent(filter, *limit));
  }
  auto stream = EventStream::Open(context.events, std::move(filter));
  if (!stream.ok()) return ErrorResponse(stream.status());
  ApiResponse response;
  response.content_type = "text/event-stream";
  response.stream = *std::move(stream);
  return response;
}

ApiResponse HandleStats(const ApiContext& context, const ApiRequest& request) {
  ApiResponse response;
  response.body = StatsToJson(
      context.stats(),
      {.app = Parameter(request, "app"), .uid = request.peer.only_uid()});
  return response;
}

}  // namespace sallyport
