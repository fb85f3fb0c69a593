#ifndef SALLYPORT_SRC_NAMESPACE_LOCK_H_
#define SALLYPORT_SRC_NAMESPACE_LOCK_H_

// NamespaceLock: one daemon per network namespace, whatever its queues and
// sockets are called (CASES F11): two would fight over the one table. Held as
// an abstract unix socket, because those belong to the network namespace and
// go with the process. Called by main at start.
//
// Any user can take an abstract name. One that is held by neither root nor our
// own user is not believed: `is_held` is false then, and the daemon goes on
// without the lock rather than be kept from starting.

#include <sys/types.h>

#include <memory>

#include "absl/status/statusor.h"

namespace sallyport {

class NamespaceLock {
 public:
  // AlreadyExists names the pid of the daemon that holds it.
  static absl::StatusOr<std::unique_ptr<NamespaceLock>> Take();
  ~NamespaceLock();
  NamespaceLock(const NamespaceLock&) = delete;
  NamespaceLock& operator=(const NamespaceLock&) = delete;

  bool is_held() const { return is_held_; }

 private:
  NamespaceLock() = default;

  int fd_ = -1;
  bool is_held_ = false;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_NAMESPACE_LOCK_H_
