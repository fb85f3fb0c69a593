#include "src/api_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "rules/text_util.h"
#include "src/file_guard.h"

namespace sallyport {
namespace {

constexpr int kBacklog = 128;  // connects that wait for accept

absl::Status Failed(const std::string& path, std::string_view step) {
  return absl::ErrnoToStatus(errno, Concat(path, ": ", step));
}

absl::Status AlreadyRunning(const std::string& path, pid_t holder) {
  return absl::AlreadyExistsError(
      Concat("a daemon is already running on ", path,
             holder > 0 ? Concat(", process ", holder) : std::string(),
             "; stop it first, or give this one another --socket"));
}

std::string DirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status PrepareDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) {
    // Others may pass through (whatever our umask says): the socket's own mode
    // says who may connect.
    if (chmod(directory.c_str(), 0755) != 0) return Failed(directory, "chmod");
  } else if (errno != EEXIST) {
    return Failed(directory, "cannot make the socket's directory");
  }
  return CheckGuardedDirectory(directory, ServiceUid());
}

// Pid of who listens on `address`; 0 if nobody answers.
pid_t AskHolder(const sockaddr_un& address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return 0;
  absl::Cleanup closer = [fd] { close(fd); };
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0 &&
      errno != EAGAIN) {  // EAGAIN: its backlog is full, so it listens
    return 0;
  }
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 ||
      credentials.pid <= 0) {
    return -1;  // somebody, of another pid namespace
  }
  return credentials.pid;
}

// The pid that the holder of the lock wrote into it; 0 if not to be had.
pid_t ReadLockPid(int fd) {
  char text[16] = {};
  pid_t pid = 0;
  if (pread(fd, text, sizeof(text) - 1, 0) <= 0) return 0;
  return absl::SimpleAtoi(text, &pid) ? pid : 0;
}

absl::StatusOr<int> TakeLock(const std::string& path,
                             const sockaddr_un& address) {
  const std::string lock_path = path + ".lock";
  int fd =
      open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failed(lock_path, "cannot open");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    pid_t holder = AskHolder(address);
    if (holder <= 0) holder = ReadLockPid(fd);
    close(fd);
    return AlreadyRunning(path, holder);
  }
  const std::string pid = Concat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) !=
                                   static_cast<ssize_t>(pid.size())) {
    // Only a courtesy for the message of a second daemon.
    errno = 0;
  }
  return fd;
}

// What is at `path` may go if it is a socket nobody listens on.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return Failed(path, "lstat");
  }
  if (!S_ISSOCK(st.st_mode)) {
    return absl::FailedPreconditionError(
        Concat(path, ": there is something that is not a socket"));
  }
  if (pid_t holder = AskHolder(address); holder != 0) {
    return AlreadyRunning(path, holder);
  }
  if (unlink(path.c_str()) != 0) return Failed(path, "unlink");
  return absl::OkStatus();
}

// Mode 0600 from the first moment (umask), widened once the group is right.
absl::Status BindAndOpenUp(int fd, const std::string& path,
                           const sockaddr_un& address,
                           std::optional<gid_t> control_gid,
                           bool for_everyone) {
  const mode_t old_umask = umask(0177);
  const int bound =
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_errno = errno;
  umask(old_umask);
  if (bound != 0) {
    errno = bind_errno;
    return Failed(path, "bind");
  }
  // We may lack CAP_CHOWN: then the unit's Group= has made it right, or root
  // and we alone can use it.
  bool has_group = false;
  if (control_gid.has_value()) {
    has_group = lchown(path.c_str(), static_cast<uid_t>(-1), *control_gid) == 0;
  }
  const mode_t mode = for_everyone ? 0666 : has_group ? 0660 : 0600;
  if (chmod(path.c_str(), mode) != 0) return Failed(path, "chmod");
  if (listen(fd, kBacklog) != 0) return Failed(path, "listen");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ListeningSocket>> ListeningSocket::Open(
    const std::string& path, std::optional<gid_t> control_gid,
    bool for_everyone) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path[0] != '/' ||
      path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        Concat("socket: must be an absolute path of at most ",
               sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (absl::Status status = PrepareDirectory(DirectoryOf(path)); !status.ok()) {
    return status;
  }
  std::unique_ptr<ListeningSocket> listening(new ListeningSocket);
  absl::StatusOr<int> lock = TakeLock(path, address);
  if (!lock.ok()) return lock.status();
  listening->lock_fd_ = *lock;
  if (absl::Status status = RemoveStale(path, address); !status.ok()) {
    return status;
  }
  listening->fd_ =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listening->fd_ < 0) return Failed(path, "socket");
  absl::Status status =
      BindAndOpenUp(listening->fd_, path, address, control_gid, for_everyone);
  if (!status.ok()) return status;
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return Failed(path, "lstat");
  listening->path_ = path;
  listening->device_ = st.st_dev;
  listening->inode_ = st.st_ino;
  return listening;
}

ListeningSocket::~ListeningSocket() {
  struct stat st;
  if (!path_.empty() && lstat(path_.c_str(), &st) == 0 &&
      st.st_dev == device_ && st.st_ino == inode_) {
    unlink(path_.c_str());
  }
  if (fd_ >= 0) close(fd_);
  // The lock file stays: removing it would let two daemons lock two files.
  if (lock_fd_ >= 0) close(lock_fd_);
}

}  // namespace sallyport
