#include "src/privileges.h"

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "rules/text_util.h"
#include "src/log.h"

namespace sallyport {
namespace {

struct Needed {
  unsigned capability;
  const char* name;
  const char* what_for;
};
constexpr Needed kNeeded[] = {
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", "the packet queue and the kernel ruleset"},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "/proc/PID/exe of other users"},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "/proc/PID/fd of other users"},
};

// Keeps the capabilities that capng was told of.
absl::Status BecomeOwner(const std::string& state_dir,
                         const std::string& socket) {
  struct stat owner;
  if (geteuid() != 0 || stat(state_dir.c_str(), &owner) != 0 ||
      owner.st_uid == 0) {
    return absl::OkStatus();
  }
  // systemd makes it for the service, and takes it away when it stops.
  const std::string run_dir = socket.substr(0, socket.rfind('/'));
  if (mkdir(run_dir.c_str(), 0750) == 0 &&
      chown(run_dir.c_str(), owner.st_uid, owner.st_gid) != 0) {
    return absl::ErrnoToStatus(errno, Concat("cannot give away ", run_dir));
  }
  const auto flags =
      static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
  if (const int error = capng_change_id(static_cast<int>(owner.st_uid),
                                        static_cast<int>(owner.st_gid), flags);
      error != 0) {
    return absl::PermissionDeniedError(
        Concat("cannot become user ", owner.st_uid, ", the owner of ",
               state_dir, " (capng_change_id: ", error,
               "): start as that user, with CAP_SETUID and CAP_SETGID, or "
               "give the directory to root"));
  }
  LogInfo(
      Concat("running as user ", owner.st_uid, ", the owner of ", state_dir));
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPrivileges() {
  if (capng_get_caps_process() != 0) {
    return absl::InternalError("cannot read our own capabilities");
  }
  std::string missing;
  for (const Needed& needed : kNeeded) {
    if (capng_have_capability(CAPNG_EFFECTIVE, needed.capability)) continue;
    absl::StrAppend(&missing, missing.empty() ? "" : "; ", needed.name,
                    " (for ", needed.what_for, ")");
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat("missing privilege: ", missing,
             ". Start the daemon as root (systemctl start sallyport, or sudo "
             "sallyportd), or give its unit these in AmbientCapabilities= and "
             "CapabilityBoundingSet="));
}

absl::Status DropOtherPrivileges(const std::string& state_dir,
                                 const std::string& socket) {
  capng_clear(CAPNG_SELECT_ALL);
  for (const Needed& needed : kNeeded) {
    if (capng_update(
            CAPNG_ADD,
            static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED |
                                      CAPNG_BOUNDING_SET),
            needed.capability) != 0) {
      return absl::InternalError(Concat("capng_update ", needed.name));
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot clear ambient capabilities");
  }
  if (absl::Status status = BecomeOwner(state_dir, socket); !status.ok()) {
    return status;
  }
  // The bounding set can be cut only by who has CAP_SETPCAP. Without, the unit
  // has cut it already, and no_new_privs closes the rest.
  if (capng_apply(CAPNG_SELECT_BOUNDS) != 0) errno = 0;
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
    return absl::ErrnoToStatus(errno, "cannot drop capabilities");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot set no_new_privs");
  }
  return absl::OkStatus();
}

}  // namespace sallyport
