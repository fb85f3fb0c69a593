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

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport {

class DirWatch {
 public:
  static constexpr absl::Duration kQuiet = absl::Milliseconds(50);
  static constexpr absl::Duration kLongest = absl::Milliseconds(500);

  static absl::StatusOr<std::unique_ptr<DirWatch>> Open(
      std::vector<std::string> directories);
  ~DirWatch();
  DirWatch(const DirWatch&) = delete;
  DirWatch& operator=(const DirWatch&) = delete;

  int fd() const { return epoll_fd_; }  // readable: call HandleReadable

  // True if a burst has ended: time to look at the files again.
  bool HandleReadable();

 private:
  DirWatch() = default;
  void WatchAll();
  bool DrainEvents();
  void ArmTimer(absl::Duration delay);

  std::vector<std::string> directories_;
  std::map<int, std::string> watches_;  // watch descriptor -> directory
  int epoll_fd_ = -1;
  int inotify_fd_ = -1;
  int timer_fd_ = -1;
  absl::Time burst_began_ = absl::InfiniteFuture();
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_DIR_WATCH_H_
