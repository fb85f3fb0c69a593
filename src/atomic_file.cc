#include "src/atomic_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// More files than this are flushed with the whole file system, once.
constexpr size_t kMaxSingleFlushes = 8;

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
  return absl::OkStatus();
}

// A file beside its place, that is gone with the object unless it was put
// there.
class Temporary {
 public:
  Temporary() = default;
  Temporary(Temporary&& other) noexcept
      : name_(std::exchange(other.name_, "")), path_(std::move(other.path_)) {}
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() {
    if (!name_.empty()) unlink(name_.c_str());
  }

  absl::Status Make(const std::string& path, std::string_view content,
                    bool flush) {
    path_ = path;
    name_ = Concat(DirectoryOf(path), "/.", path.substr(path.rfind('/') + 1),
                   ".XXXXXX", kTemporarySuffix);
    const int fd =
        mkostemps(name_.data(), sizeof(kTemporarySuffix) - 1, O_CLOEXEC);
    if (fd < 0) {
      absl::Status status = Failed(name_, "create");
      name_.clear();
      return status;
    }
    absl::Status status = WriteAll(fd, path, content);
    if (status.ok() && flush && fsync(fd) != 0) status = Failed(path, "fsync");
    if (close(fd) != 0 && status.ok()) status = Failed(path, "close");
    return status;
  }

  absl::Status Put() {
    if (rename(name_.c_str(), path_.c_str()) != 0) {
      return Failed(path_, "rename");
    }
    name_.clear();
    return absl::OkStatus();
  }

 private:
  std::string name_;  // "": there is none
  std::string path_;
};

absl::Status Unlink(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Failed(path, "unlink");
  }
  return absl::OkStatus();
}

absl::Status SyncFileSystem(const std::string& directory) {
  int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed(directory, "open");
  absl::Cleanup closer = [fd] { close(fd); };
  if (syncfs(fd) != 0) return Failed(directory, "syncfs");
  return absl::OkStatus();
}

}  // namespace

absl::Status AtomicFileWriter::Write(const std::string& path,
                                     std::string_view content) {
  Temporary temporary;
  absl::Status status = temporary.Make(path, content, /*flush=*/true);
  if (status.ok()) status = temporary.Put();
  if (!status.ok()) return status;
  return SyncDirectory(DirectoryOf(path));
}

absl::Status AtomicFileWriter::Remove(const std::string& path) {
  if (absl::Status status = Unlink(path); !status.ok()) return status;
  return SyncDirectory(DirectoryOf(path));
}

absl::Status AtomicFileWriter::Apply(std::span<const FileChange> changes) {
  if (changes.empty()) return absl::OkStatus();
  const std::string directory = DirectoryOf(changes[0].path);
  const bool one_by_one = changes.size() <= kMaxSingleFlushes;
  std::vector<Temporary> temporaries;
  temporaries.reserve(changes.size());
  for (const FileChange& change : changes) {
    if (!change.content.has_value()) continue;
    absl::Status status = temporaries.emplace_back().Make(
        change.path, *change.content, one_by_one);
    if (!status.ok()) return status;
  }
  if (!one_by_one) {
    absl::Status status = SyncFileSystem(directory);
    if (!status.ok()) return status;
  }
  for (const FileChange& change : changes) {
    if (change.content.has_value()) continue;
    if (absl::Status status = Unlink(change.path); !status.ok()) return status;
  }
  for (Temporary& temporary : temporaries) {
    if (absl::Status status = temporary.Put(); !status.ok()) return status;
  }
  return SyncDirectory(directory);
}

}  // namespace sallyport
