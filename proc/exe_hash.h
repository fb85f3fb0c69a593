#ifndef SALLYPORT_PROC_EXE_HASH_H_
#define SALLYPORT_PROC_EXE_HASH_H_

// SHA-256 of a process's executable, lower-case hex. The file is opened through
// the process, never by its path, and its identity is compared before and
// after reading, so the hash is of the very bytes `app` speaks of. Takes as
// long as the disk takes: slow lane only. Any thread.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "proc/proc_fs.h"
#include "rules/owner.h"

namespace sallyport::proc {

// Larger executables are not hashed: a hash rule then does not match them.
inline constexpr int64_t kMaxHashedBytes = int64_t{1} << 30;

// Errors: NotFound (the process is gone), FailedPrecondition (it runs another
// file, or the file changed meanwhile), ResourceExhausted (too large),
// Unavailable (reading failed).
absl::StatusOr<std::string> HashExe(ProcDir& dir, const App& app);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_EXE_HASH_H_
