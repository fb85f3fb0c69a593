#include "src/service.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_replace.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// One field per line: a newline in the text would start another.
std::string StatusLine(std::string_view status) {
  return Concat("STATUS=", absl::StrReplaceAll(ToAbsl(status), {{"\n", " "}}));
}

}  // namespace

void NotifyReady(std::string_view status) {
  sd_notify(0, Concat("READY=1\n", StatusLine(status)).c_str());
}

void NotifyStatus(std::string_view status) {
  sd_notify(0, StatusLine(status).c_str());
}

void NotifyStopping() { sd_notify(0, "STOPPING=1"); }

void NotifyWatchdog() { sd_notify(0, "WATCHDOG=1"); }

absl::Duration WatchdogInterval() {
  uint64_t usec = 0;
  if (sd_watchdog_enabled(0, &usec) <= 0) return absl::InfiniteDuration();
  return absl::Microseconds(usec) / 2;
}

}  // namespace sallyport
