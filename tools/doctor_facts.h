#ifndef SALLYPORT_TOOLS_DOCTOR_FACTS_H_
#define SALLYPORT_TOOLS_DOCTOR_FACTS_H_

// Collects what doctor judges: from the daemon, systemd, /proc and nftables.
// Changes nothing but the network namespace of this process, which becomes the
// daemon's if we are root. One thread.

#include <string>

#include "tools/doctor_checks.h"

namespace sallyport::cli {

DoctorFacts CollectFacts(const std::string& socket_path);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_DOCTOR_FACTS_H_
