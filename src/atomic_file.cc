#include "src/atomic_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

absl::Status Failed(const std::string& path, std::string_view step) {
  return absl::ErrnoToStatus(errno, Concat(path, ": ", step));
}

std::string DirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Without it a power cut may undo the rename.
absl::Status SyncDirectory(const std::string& directory) {
  int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed(directory, "open");
  absl::Cleanup closer = [fd] { close(fd); };
  if (fsync(fd) != 0) return Failed(directory, "fsync");
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, const std::string& path,
                      std::string_view content) {
  while (!content.empty()) {
    ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(path, "write");
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (fsync(fd) != 0) return Failed(path, "fsync");
  return absl::OkStatus();
}

}  // namespace

absl::Status AtomicFileWriter::Write(const std::string& path,
                                     std::string_view content) {
  const std::string directory = DirectoryOf(path);
  std::string temporary =
      Concat(directory, "/.", path.substr(path.rfind('/') + 1), ".XXXXXX",
             kTemporarySuffix);
  int fd = mkostemps(temporary.data(), sizeof(kTemporarySuffix) - 1, O_CLOEXEC);
  if (fd < 0) return Failed(temporary, "create");
  absl::Cleanup remover = [&temporary] { unlink(temporary.c_str()); };
  absl::Status status = WriteAll(fd, path, content);
  if (close(fd) != 0 && status.ok()) status = Failed(path, "close");
  if (!status.ok()) return status;
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return Failed(path, "rename");
  }
  std::move(remover).Cancel();
  return SyncDirectory(directory);
}

absl::Status AtomicFileWriter::Remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return Failed(path, "unlink");
  }
  return SyncDirectory(DirectoryOf(path));
}

}  // namespace sallyport
