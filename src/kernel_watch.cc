#include "src/kernel_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/log.h"

namespace sallyport {
namespace {

constexpr int kRetryMs = 100;  // after a repair that failed

}  // namespace

absl::StatusOr<std::unique_ptr<KernelWatch>> KernelWatch::Start(
    Divert& divert, std::shared_ptr<ProcessEventFeed> events,
    std::function<void()> on_repaired) {
  auto watch = std::unique_ptr<KernelWatch>(
      new KernelWatch(divert, std::move(on_repaired)));
  auto guard = RulesetGuard::Open();
  if (!guard.ok()) return guard.status();
  watch->guard_ = *std::move(guard);
  if (events != nullptr) {
    watch->events_ = std::move(events);
    watch->has_process_events_ = true;
  }
  watch->stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (watch->stop_fd_ < 0) return absl::ErrnoToStatus(errno, "eventfd");
  watch->thread_ = std::thread([raw = watch.get()] {
    pthread_setname_np(pthread_self(), "sp-kernel");
    raw->Run();
  });
  return watch;
}

KernelWatch::~KernelWatch() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(stop_fd_, &one, sizeof(one));
    thread_.join();
  }
  if (stop_fd_ >= 0) close(stop_fd_);
}

void KernelWatch::Run() {
  bool needs_repair = false;
  for (;;) {
    // poll passes over a negative descriptor.
    std::array<pollfd, 3> fds = {
        {{stop_fd_, POLLIN, 0},
         {guard_->fd(), POLLIN, 0},
         {events_ == nullptr ? -1 : events_->fd(), POLLIN, 0}}};
    const int timeout_ms = needs_repair ? kRetryMs : -1;
    if (poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    // The ruleset first: while it is gone, packets leave unjudged.
    if (fds[1].revents != 0 &&
        guard_->HandleReadable() != RulesetGuard::Seen::kNothing) {
      needs_repair = true;
    }
    if (needs_repair) needs_repair = !Repair();
    if (fds[2].revents != 0) ReadProcessEvents();
  }
}

bool KernelWatch::Repair() {
  const absl::StatusOr<bool> repaired = RepairIfDamaged(divert_);
  if (!repaired.ok()) {
    if (!std::exchange(is_damaged_, true)) {
      LogError(absl::StrCat(
          "the ruleset was damaged and can't be put back, we go on trying: ",
          repaired.status().message()));
    }
    return false;
  }
  if (std::exchange(is_damaged_, false) || *repaired) {
    LogWarning(
        "the ruleset was changed by somebody else and has been put back; what "
        "left in between was not judged");
    on_repaired_();
  }
  return true;
}

void KernelWatch::ReadProcessEvents() {
  absl::Status status = events_->HandleReadable();
  if (status.ok()) return;
  LogWarning(absl::StrCat("no more process events: ", status.message()));
  has_process_events_.store(false, std::memory_order_relaxed);
  events_.reset();
}

}  // namespace sallyport
