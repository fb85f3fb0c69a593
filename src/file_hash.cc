#include "src/file_hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "proc/sha256.h"
#include "rules/text_util.h"

namespace sallyport {

absl::StatusOr<std::string> FileSha256(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  absl::Cleanup closer = [fd] { close(fd); };
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(Concat(path, ": not a file"));
  }
  if (st.st_size > kMaxExplainedBytes) {
    return absl::ResourceExhaustedError(Concat(path, ": too large to hash"));
  }
  absl::StatusOr<std::string> hash = Sha256OfFd(fd, kMaxExplainedBytes);
  if (hash.ok()) return hash;
  return absl::Status(hash.status().code(),
                      Concat(path, ": ", MessageOf(hash.status())));
}

}  // namespace sallyport
