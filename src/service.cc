#include "src/service.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_replace.h"
#include "proc/unique_fd.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// What must not get lost waits so long for a manager that is busy.
constexpr int kPatienceMs = 2000;

// sd_notify waits for as long as the manager does not read, and our main thread
// with it, which then hears no SIGTERM. So this is sd_notify's protocol
// (sd_notify(3), Notes) without waiting, or with a bound.
void Notify(const std::string& text, int patience_ms) {
  const char* const path = getenv("NOTIFY_SOCKET");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t length = path == nullptr ? 0 : strlen(path);
  if (length == 0 || length > sizeof(address.sun_path)) return;
  memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const proc::UniqueFd fd(
      socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (fd.get() < 0 ||
      connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) < 0) {
    return;
  }
  pollfd writable = {fd.get(), POLLOUT, 0};
  if (patience_ms > 0) poll(&writable, 1, patience_ms);
  send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

// One field per line: a newline in the text would start another.
std::string StatusLine(std::string_view status) {
  return Concat("STATUS=", absl::StrReplaceAll(ToAbsl(status), {{"\n", " "}}));
}

}  // namespace

void NotifyReady(std::string_view status) {
  Notify(Concat("READY=1\n", StatusLine(status)), kPatienceMs);
}

void NotifyStatus(std::string_view status) { Notify(StatusLine(status), 0); }

void NotifyStopping() { Notify("STOPPING=1", 0); }

// One that is lost is made good by the next.
void NotifyWatchdog() { Notify("WATCHDOG=1", 0); }

absl::Duration WatchdogInterval() {
  uint64_t usec = 0;
  if (sd_watchdog_enabled(0, &usec) <= 0) return absl::InfiniteDuration();
  return absl::Microseconds(usec) / 2;
}

}  // namespace sallyport
