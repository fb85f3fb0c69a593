#ifndef SALLYPORT_PROC_PREREQUISITES_H_
#define SALLYPORT_PROC_PREREQUISITES_H_

// What attribution needs of the machine, for start-up and `doctor`.

#include "absl/status/status.h"
#include "proc/proc_fs.h"

namespace sallyport {

// Tries to read executable and descriptors of a process of another user.
// Errors name the remedy: PermissionDenied (which capability is missing; CASES
// F32), FailedPrecondition (/proc hides processes; CASES F31), Unavailable (no
// /proc).
absl::Status CanReadProcesses();
absl::Status CanReadProcesses(ProcFs& fs);

// Whether sock_diag answers for TCP and UDP; if not, what to load. Attribution
// works without it, slower (CASES F33).
absl::Status HasSockDiag();

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PREREQUISITES_H_
