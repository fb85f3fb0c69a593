#ifndef SALLYPORT_SRC_SERVICE_H_
#define SALLYPORT_SRC_SERVICE_H_

// What systemd is told (the protocol of sd_notify). For a manager that does not
// read only NotifyReady waits, two seconds at most. All calls are no-ops when we
// were not started by it. Any thread.

#include <string_view>

#include "absl/time/time.h"

namespace sallyport {

void NotifyReady(std::string_view status);
void NotifyStatus(std::string_view status);
void NotifyStopping();

// Feeds the watchdog. Only to be called when the canary came back (F12).
void NotifyWatchdog();

// How often to feed it: half of WATCHDOG_USEC; InfiniteDuration if there is no
// watchdog for this process.
absl::Duration WatchdogInterval();

}  // namespace sallyport

#endif  // SALLYPORT_SRC_SERVICE_H_
