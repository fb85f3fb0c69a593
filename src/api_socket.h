#ifndef SALLYPORT_SRC_API_SOCKET_H_
#define SALLYPORT_SRC_API_SOCKET_H_

// The listening unix socket: made so that at no moment anybody else could
// connect to it or have put his own in its place. Called by main. Errors:
// AlreadyExists (a daemon answers there; the message names its pid; exit code
// 6), FailedPrecondition (the directory is not safe), others as errno says.
// Root and the control group may connect, or everyone if told so
// (`socket_access` in the config); what a client may do is then the tiers'
// business (api_peer.h).

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace sallyport {

class ListeningSocket {
 public:
  // Holds a lock file `PATH.lock` as long as it lives, so that of two daemons
  // that start at once only one finds the stale socket stale.
  static absl::StatusOr<std::unique_ptr<ListeningSocket>> Open(
      const std::string& path, std::optional<gid_t> control_gid,
      bool for_everyone);
  ~ListeningSocket();  // removes the socket, if it is still ours
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  ListeningSocket() = default;
  int fd_ = -1;
  int lock_fd_ = -1;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_SOCKET_H_
