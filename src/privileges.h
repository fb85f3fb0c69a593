#ifndef SALLYPORT_SRC_PRIVILEGES_H_
#define SALLYPORT_SRC_PRIVILEGES_H_

// The few capabilities the daemon lives with. Called by main before threads
// are started (capabilities are per thread).

#include <string>

#include "absl/status/status.h"

namespace sallyport {

// PermissionDenied names each capability that is missing, what it is for and
// how to get it. Exit code 4.
absl::Status CheckPrivileges();

// Keeps CAP_NET_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, and sets
// no_new_privs. Everything else leaves the permitted, effective, inheritable,
// ambient and, where we may, the bounding set. Started as root over a state
// directory of somebody else's (the service's user), becomes that user: without
// CAP_DAC_OVERRIDE root could not write there. The directory of the socket is
// made for it if it is not there. There is no way back.
absl::Status DropOtherPrivileges(const std::string& state_dir,
                                 const std::string& socket);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_PRIVILEGES_H_
