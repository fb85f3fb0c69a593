#ifndef SALLYPORT_SRC_API_LIVE_H_
#define SALLYPORT_SRC_API_LIVE_H_

// Live answers (SSE) on libmicrohttpd: a connection whose stream has nothing to
// say is suspended, and resumed when the stream wakes it, when a keep-alive is
// due, or when the server stops. Thread-safe.
//
// Lock order: the event feed's lock, then Stream::mutex_, then the library's.
// Stream::Read calls the feed without holding mutex_.

#include <microhttpd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "src/api_router.h"

namespace sallyport {

class LiveStreams {
 public:
  // The library's response object, which owns the stream; null: stopping.
  MHD_Response* Open(MHD_Connection* connection,
                     std::unique_ptr<ApiStream> source);

  // A comment to every silent client: finds out who is gone.
  void KeepAlive();
  bool empty() const;

  // Ends all streams; returns when none is suspended any more (the library
  // must not be stopped before).
  void Stop();

 private:
  class Stream;

  static ssize_t ReadCallback(void* stream, uint64_t position, char* buffer,
                              size_t size);
  static void FreeCallback(void* stream);

  mutable std::mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_LIVE_H_
