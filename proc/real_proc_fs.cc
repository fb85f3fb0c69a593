#include "proc/real_proc_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "proc/proc_text.h"
#include "proc/unique_fd.h"

namespace sallyport {
namespace {

using proc::UniqueFd;

// Bytes; 200,000 sockets in the fall-back tables. More is cut.
constexpr size_t kMaxNetTableBytes = 32u << 20;
constexpr size_t kMaxProcesses = 1u << 22;  // PID_MAX_LIMIT of the kernel

void FillStat(const struct stat& from, FileStat* to) {
  to->id = {from.st_dev, from.st_ino};
  to->link_count = static_cast<uint32_t>(from.st_nlink);
  to->uid = from.st_uid;
  to->ctime_ns = from.st_ctim.tv_sec * 1'000'000'000 + from.st_ctim.tv_nsec;
  to->size_bytes = from.st_size;
}

int ReadAll(int fd, std::span<char> out) {
  size_t length = 0;
  while (length < out.size()) {
    ssize_t got = read(fd, out.data() + length, out.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  return static_cast<int>(length);
}

// The layout of what getdents64(2) gives: inode (8 bytes), offset (8), length
// of the entry (2), type (1), name with a NUL. Glibc does not export it.
constexpr long kEntryLengthAt = 16;
constexpr long kEntryNameAt = 19;

// Numbers among the names of an open directory. getdents64 by hand: opendir
// would allocate 32 KiB for each of the many small directories we read.
int ListNumbers(int fd, size_t limit, std::vector<int32_t>* out) {
  out->clear();
  std::array<char, 8192> buffer;
  while (true) {
    long got = syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (got < 0) return -errno;
    if (got == 0) break;
    for (long at = 0; at < got;) {
      const char* raw = buffer.data() + at;
      uint16_t length;
      std::memcpy(&length, raw + kEntryLengthAt, sizeof(length));
      const char* name = raw + kEntryNameAt;
      const char* end = name + strnlen(name, length);
      int32_t number = 0;
      auto [last, error] = std::from_chars(name, end, number);
      if (error == std::errc() && last == end) out->push_back(number);
      at += length;
    }
    if (out->size() >= limit) break;
  }
  std::sort(out->begin(), out->end());
  if (out->size() > limit) out->resize(limit);
  return 0;
}

class RealProcFile : public ProcFile {
 public:
  explicit RealProcFile(UniqueFd fd) : fd_(std::move(fd)) {}

  int Stat(FileStat* out) override {
    struct stat st;
    if (fstat(fd_.get(), &st) != 0) return -errno;
    FillStat(st, out);
    return 0;
  }

 private:
  UniqueFd fd_;
};

class RealProcDir : public ProcDir {
 public:
  explicit RealProcDir(UniqueFd fd) : fd_(std::move(fd)) {}

  int ReadLink(const char* path, std::span<char> out) override {
    ssize_t length = readlinkat(fd_.get(), path, out.data(), out.size());
    return length < 0 ? -errno : static_cast<int>(length);
  }

  int Read(const char* path, std::span<char> out) override {
    UniqueFd file(openat(fd_.get(), path, O_RDONLY | O_CLOEXEC));
    return file.ok() ? ReadAll(file.get(), out) : -errno;
  }

  int Stat(const char* path, FileStat* out) override {
    struct stat st;
    if (fstatat(fd_.get(), path, &st, 0) != 0) return -errno;
    FillStat(st, out);
    return 0;
  }

  int List(const char* path, size_t limit, std::vector<int32_t>* out) override {
    UniqueFd dir(openat(fd_.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return dir.ok() ? ListNumbers(dir.get(), limit, out) : -errno;
  }

  int Open(const char* path) override {
    int fd = openat(fd_.get(), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
  }

  int OpenTask(int32_t task, std::unique_ptr<ProcDir>* out) override {
    std::array<char, 32> path{"task/"};
    std::to_chars(path.data() + 5, path.data() + path.size() - 1, task);
    UniqueFd fd(
        openat(fd_.get(), path.data(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.ok()) return -errno;
    *out = std::make_unique<RealProcDir>(std::move(fd));
    return 0;
  }

  int HoldExe(std::unique_ptr<ProcFile>* out) override {
    UniqueFd fd(openat(fd_.get(), "exe", O_PATH | O_CLOEXEC));
    if (!fd.ok()) return -errno;
    *out = std::make_unique<RealProcFile>(std::move(fd));
    return 0;
  }

 private:
  UniqueFd fd_;
};

class RealProcFs : public ProcFs {
 public:
  explicit RealProcFs(UniqueFd loadavg) : loadavg_(std::move(loadavg)) {}

  int OpenProcess(int32_t pid, std::unique_ptr<ProcDir>* out) override {
    std::array<char, 32> path{"/proc/"};
    std::to_chars(path.data() + 6, path.data() + path.size() - 1, pid);
    UniqueFd fd(open(path.data(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.ok()) return -errno;
    *out = std::make_unique<RealProcDir>(std::move(fd));
    return 0;
  }

  int ListProcesses(std::vector<int32_t>* out) override {
    UniqueFd fd(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd.ok() ? ListNumbers(fd.get(), kMaxProcesses, out) : -errno;
  }

  int NewestPid() override {
    std::array<char, 128> text;
    ssize_t length = pread(loadavg_.get(), text.data(), text.size(), 0);
    if (length < 0) return -errno;
    return proc::ParseNewestPid({text.data(), static_cast<size_t>(length)})
        .value_or(-EPROTO);
  }

  int StatPath(const char* path, FileStat* out) override {
    struct stat st;
    if (stat(path, &st) != 0) return -errno;
    FillStat(st, out);
    return 0;
  }

  int ReadNet(const char* name, std::string* out) override {
    out->clear();
    // thread-self: /proc/net is a link to self/net, the main thread's view.
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/thread-self/net/%s", name);
    UniqueFd fd(open(path.data(), O_RDONLY | O_CLOEXEC));
    if (!fd.ok()) return -errno;
    size_t length = 0;
    while (length < kMaxNetTableBytes) {
      out->resize(length + 65536);
      int got = ReadAll(fd.get(), {out->data() + length, 65536});
      if (got < 0) return got;
      length += static_cast<size_t>(got);
      if (got < 65536) break;
    }
    out->resize(length);
    return static_cast<int>(length);
  }

 private:
  UniqueFd loadavg_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<ProcFs>> OpenProcFs() {
  UniqueFd loadavg(open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
  if (!loadavg.ok()) {
    return absl::UnavailableError(
        "cannot read /proc/loadavg: is /proc mounted, and not with "
        "subset=pid (ProcSubset=pid)?");
  }
  auto fs = std::make_shared<RealProcFs>(std::move(loadavg));
  if (fs->NewestPid() <= 0) {
    return absl::UnavailableError("/proc/loadavg tells no newest pid");
  }
  return fs;
}

}  // namespace sallyport
