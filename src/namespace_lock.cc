#include "src/namespace_lock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

constexpr char kName[] = "\0sallyport-divert";  // with its leading NUL

// Who listens under the name; false if nobody can be asked.
bool HolderOf(const sockaddr_un& address, socklen_t length, ucred* holder) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  socklen_t size = sizeof(*holder);
  const bool known =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, holder, &size) == 0;
  close(fd);
  return known;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NamespaceLock>> NamespaceLock::Take() {
  auto lock = std::unique_ptr<NamespaceLock>(new NamespaceLock());
  lock->fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (lock->fd_ < 0) return absl::ErrnoToStatus(errno, "unix socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr size_t kNameBytes = sizeof(kName) - 1;
  memcpy(address.sun_path, kName, kNameBytes);
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kNameBytes);
  if (bind(lock->fd_, reinterpret_cast<const sockaddr*>(&address), length) ==
      0) {
    // Listening, so that a second daemon can ask who we are.
    lock->is_held_ = listen(lock->fd_, 1) == 0;
    return lock;
  }
  if (errno != EADDRINUSE) return absl::ErrnoToStatus(errno, "namespace lock");
  ucred holder{};
  if (!HolderOf(address, length, &holder) ||
      (holder.uid != 0 && holder.uid != geteuid())) {
    return lock;
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "sallyportd runs already in this network namespace, with pid ",
      holder.pid));
}

NamespaceLock::~NamespaceLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace sallyport
