#ifndef SALLYPORT_SRC_API_CONNECTIONS_H_
#define SALLYPORT_SRC_API_CONNECTIONS_H_

// The clients that are connected: who they are, and until when they must have
// said or taken something. Thread-safe; keyed by fd, which is the server
// library's to close, after it said so (Remove). Bounded by ApiLimits.

#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "src/api_peer.h"

namespace sallyport {

class ApiConnections {
 public:
  using Clock = std::chrono::steady_clock;

  ApiConnections(unsigned most, unsigned most_per_uid)
      : most_(most), most_per_uid_(most_per_uid) {}

  // False: too many, of this user or in all. Root's are not counted per uid.
  bool Admit(int fd, Peer peer, Clock::time_point deadline);
  void Remove(int fd);

  std::optional<Peer> PeerOf(int fd) const;

  // time_point::max(): none (a live stream).
  void SetDeadline(int fd, Clock::time_point deadline);

  // Ends connections whose deadline is over; the next deadline, max if none.
  Clock::time_point CutOverdue(Clock::time_point now);

 private:
  struct Connection {
    Peer peer;
    Clock::time_point deadline;
  };

  const unsigned most_;
  const unsigned most_per_uid_;
  mutable std::mutex mutex_;
  std::map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_CONNECTIONS_H_
