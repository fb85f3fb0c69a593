#include "src/dir_watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace sallyport {
namespace {

// Attributes count: a file may become writable for others.
constexpr uint32_t kDirectoryMask = IN_CLOSE_WRITE | IN_MOVED_TO |
                                    IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |
                                    IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kParentMask =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

bool IsRuleFileName(std::string_view name) {
  return !name.starts_with('.') && name.ends_with(".toml");
}

bool IsDirectory(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// "/a/b" -> "/a"; "/a" -> "/".
std::string ParentOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirWatch>> DirWatch::Open(
    std::vector<std::string> directories) {
  std::unique_ptr<DirWatch> watch(new DirWatch);
  for (std::string& directory : directories) {
    directory = WithoutTrailingSlash(std::move(directory));
  }
  watch->directories_ = std::move(directories);
  watch->inotify_fd_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  watch->timer_fd_ =
      timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  watch->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (watch->inotify_fd_ < 0 || watch->timer_fd_ < 0 || watch->epoll_fd_ < 0) {
    return absl::ErrnoToStatus(errno, "cannot watch the rule directories");
  }
  for (int fd : {watch->inotify_fd_, watch->timer_fd_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(watch->epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll_ctl");
    }
  }
  watch->WatchAll();
  return watch;
}

DirWatch::~DirWatch() {
  for (int fd : {epoll_fd_, inotify_fd_, timer_fd_}) {
    if (fd >= 0) close(fd);
  }
}

// Adding a watch that is there changes nothing, so this may be called again
// whenever a directory came or went.
void DirWatch::WatchAll() {
  for (const std::string& directory : directories_) {
    int wd = inotify_add_watch(inotify_fd_, directory.c_str(),
                               kDirectoryMask | IN_ONLYDIR | IN_MASK_ADD);
    if (wd >= 0) watches_[wd].is_directory = true;
    // The parent says when the directory is made or another takes its place;
    // if there is no parent yet, the nearest one above it.
    std::string child = directory;
    std::string parent = ParentOf(child);
    while (!IsDirectory(parent) && parent != "/" && parent != ".") {
      child = parent;
      parent = ParentOf(child);
    }
    wd = inotify_add_watch(inotify_fd_, parent.c_str(),
                           kParentMask | IN_ONLYDIR | IN_MASK_ADD);
    if (wd >= 0) {
      watches_[wd].children.insert(child.substr(child.rfind('/') + 1));
    }
  }
}

bool DirWatch::IsOfInterest(int wd, uint32_t mask, std::string_view name) {
  if ((mask & IN_Q_OVERFLOW) != 0) return true;
  auto found = watches_.find(wd);
  if (found == watches_.end()) return false;
  const Watch& watch = found->second;
  if (watch.is_directory && ((mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0 ||
                             name.empty() || IsRuleFileName(name))) {
    return true;
  }
  return watch.children.contains(std::string(name));
}

bool DirWatch::DrainEvents() {
  bool changed = false;
  bool watch_again = false;
  alignas(inotify_event) char buffer[16384];
  for (;;) {
    ssize_t length = read(inotify_fd_, buffer, sizeof(buffer));
    if (length <= 0) break;
    for (ssize_t at = 0; at < length;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof(event));
      const char* name = buffer + at + sizeof(event);
      std::string_view name_view(name, strnlen(name, event.len));
      if (IsOfInterest(event.wd, event.mask, name_view)) {
        changed = true;
        watch_again |= (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF |
                                      IN_Q_OVERFLOW | IN_ISDIR)) != 0;
      }
      if ((event.mask & IN_IGNORED) != 0) watches_.erase(event.wd);
      if ((event.mask & IN_MOVE_SELF) != 0) {
        inotify_rm_watch(inotify_fd_, event.wd);  // it is somewhere else now
      }
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
  if (watch_again) WatchAll();
  return changed;
}

void DirWatch::ArmTimer(std::chrono::nanoseconds delay) {
  itimerspec spec{};
  int64_t ns = std::max<int64_t>(delay.count(), 1);  // 0 would disarm it
  spec.it_value.tv_sec = ns / 1'000'000'000;
  spec.it_value.tv_nsec = ns % 1'000'000'000;
  timerfd_settime(timer_fd_, 0, &spec, nullptr);
}

bool DirWatch::HandleReadable() {
  const auto now = std::chrono::steady_clock::now();
  if (DrainEvents()) {
    if (!burst_began_.has_value()) burst_began_ = now;
    const auto left = *burst_began_ + kLongest - now;
    ArmTimer(std::min<std::chrono::nanoseconds>(kQuiet, left));
  }
  uint64_t expirations = 0;
  if (read(timer_fd_, &expirations, sizeof(expirations)) !=
      sizeof(expirations)) {
    return false;
  }
  burst_began_.reset();
  return true;
}

}  // namespace sallyport
