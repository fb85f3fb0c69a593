#ifndef SALLYPORT_PROC_REAL_PROC_FS_H_
#define SALLYPORT_PROC_REAL_PROC_FS_H_

// ProcFs over the mounted /proc. Keeps one descriptor (/proc/loadavg) open for
// its lifetime, and one per ProcDir that is alive.

#include <memory>

#include "absl/status/statusor.h"
#include "proc/proc_fs.h"

namespace sallyport {

// Error: Unavailable if there is no /proc that we can read.
absl::StatusOr<std::shared_ptr<ProcFs>> OpenProcFs();

}  // namespace sallyport

#endif  // SALLYPORT_PROC_REAL_PROC_FS_H_
