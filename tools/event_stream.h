#ifndef SALLYPORT_TOOLS_EVENT_STREAM_H_
#define SALLYPORT_TOOLS_EVENT_STREAM_H_

// Server-sent events from the daemon (WHATWG HTML, 9.2), read without blocking
// longer than asked. One thread. At most kMaxPending events are kept between
// two Take calls; older ones are forgotten and counted, so that a slow terminal
// costs memory neither here nor in the daemon.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace sallyport::cli {

// Splits a byte stream into the `data` of its events. Bounded: a line longer
// than kMaxLineBytes is thrown away up to its end.
class SseParser {
 public:
  static constexpr size_t kMaxLineBytes = 1 << 20;  // an event is some KiB

  void Feed(std::string_view bytes, std::deque<std::string>* events);

 private:
  void Line(std::string_view line, std::deque<std::string>* events);

  std::string line_;
  bool skipping_ = false;
  std::string data_;
};

class EventStream {
 public:
  static constexpr size_t kMaxPending = 65'536;  // the daemon's ring

  explicit EventStream(std::string socket_path);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // Starts GET `path`; a stream that is open is closed first.
  absl::Status Open(const std::string& path);

  // Waits until bytes come, one of `fds` is readable, or `timeout` is over.
  // Once, after all events before it were taken: Unavailable when the daemon
  // has closed the connection, or what the API answered instead of a stream.
  absl::Status Wait(absl::Duration timeout, std::span<const int> fds = {});

  // The daemon has answered 200: what happened from then on is seen.
  bool connected() const;

  // Events since the last call, oldest first.
  std::deque<std::string> Take();
  uint64_t forgotten() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_EVENT_STREAM_H_
