#ifndef SALLYPORT_SRC_DIR_WATCH_H_
#define SALLYPORT_SRC_DIR_WATCH_H_

// DirWatch: says, once per burst, that something in a few directories changed
// (inotify). For one thread, which polls fd() and calls HandleReadable; a
// directory that does not exist yet, or is replaced, is watched through its
// parent. A burst ends when it was quiet for kQuiet, at the latest after
// kLongest. Never blocks and owns one epoll fd that holds inotify and timer.
//
//   auto watch = DirWatch::Open({"/etc/sallyport/rules.d"});
//   poll(watch->fd()) ... if (watch->HandleReadable()) store.Reload();

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport {

class DirWatch {
 public:
  static constexpr std::chrono::milliseconds kQuiet{50};
  static constexpr std::chrono::milliseconds kLongest{500};

  static absl::StatusOr<std::unique_ptr<DirWatch>> Open(
      std::vector<std::string> directories);
  ~DirWatch();
  DirWatch(const DirWatch&) = delete;
  DirWatch& operator=(const DirWatch&) = delete;

  int fd() const { return epoll_fd_; }  // readable: call HandleReadable

  // True if a burst has ended: time to look at the files again.
  bool HandleReadable();

 private:
  // A directory of ours, or one above it, of which only some entries matter;
  // or both.
  struct Watch {
    bool is_directory = false;
    std::set<std::string> children;
  };

  DirWatch() = default;
  void WatchAll();
  bool IsOfInterest(int wd, uint32_t mask, std::string_view name);
  bool DrainEvents();
  void ArmTimer(std::chrono::nanoseconds delay);

  std::vector<std::string> directories_;
  std::map<int, Watch> watches_;  // by watch descriptor
  int epoll_fd_ = -1;
  int inotify_fd_ = -1;
  int timer_fd_ = -1;
  std::optional<std::chrono::steady_clock::time_point> burst_began_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_DIR_WATCH_H_
