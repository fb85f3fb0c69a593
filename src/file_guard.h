#ifndef SALLYPORT_SRC_FILE_GUARD_H_
#define SALLYPORT_SRC_FILE_GUARD_H_

// Reads files that steer the firewall, and only those that nobody but root or
// we could have written (in the manner of OpenSSH's StrictModes): a regular
// file behind no symlink, with one link, owned by root or our effective uid,
// not writable by group or others, no larger than the caller's cap. Stateless;
// any thread. FailedPrecondition: refused (the message says why and what to
// do); NotFound; ResourceExhausted: too large.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

// Rule and config files are read whole: 100,000 rules are about 20 MiB.
inline constexpr size_t kMaxRuleFileBytes = 64 << 20;
inline constexpr size_t kMaxConfigFileBytes = 1 << 20;

absl::StatusOr<std::string> ReadGuardedFile(const std::string& path,
                                            size_t max_bytes);

// A directory whose files are trusted: owned by root or us, not writable by
// group or others (sticky does not help: files could be planted).
absl::Status CheckGuardedDirectory(const std::string& path);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_FILE_GUARD_H_
