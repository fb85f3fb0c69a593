#include "src/api_connections.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace sallyport {

bool ApiConnections::Admit(int fd, Peer peer, Clock::time_point deadline) {
  std::lock_guard lock(mutex_);
  // The number was closed before the kernel could give it out again.
  connections_.erase(fd);
  if (connections_.size() >= most_) return false;
  if (peer.uid != 0) {
    const auto of_uid =
        std::ranges::count_if(connections_, [&peer](const auto& entry) {
          return entry.second.peer.uid == peer.uid;
        });
    if (of_uid >= most_per_uid_) return false;
  }
  connections_.emplace(fd, Connection{std::move(peer), deadline});
  return true;
}

void ApiConnections::Remove(int fd) {
  std::lock_guard lock(mutex_);
  connections_.erase(fd);
}

std::optional<Peer> ApiConnections::PeerOf(int fd) const {
  std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return std::nullopt;
  return found->second.peer;
}

void ApiConnections::SetDeadline(int fd, Clock::time_point deadline) {
  std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found != connections_.end()) found->second.deadline = deadline;
}

ApiConnections::Clock::time_point ApiConnections::CutOverdue(
    Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Clock::time_point next = Clock::time_point::max();
  for (auto& [fd, connection] : connections_) {
    if (connection.deadline <= now) {
      // Under the lock, so the number cannot be another connection's yet. The
      // library sees the end, and closes.
      shutdown(fd, SHUT_RDWR);
      connection.deadline = Clock::time_point::max();
    }
    next = std::min(next, connection.deadline);
  }
  return next;
}

}  // namespace sallyport
