#ifndef SALLYPORT_SRC_FILE_GUARD_H_
#define SALLYPORT_SRC_FILE_GUARD_H_

// Reads files that steer the firewall, and only those that nobody but root or
// we could have written (in the manner of OpenSSH's StrictModes): a regular
// file behind no symlink, with one link, owned by root, our effective uid or
// `trusted_uid`, not writable by group or others, no larger than the caller's
// cap. Stateless; any thread. FailedPrecondition: refused (the message says why
// and what to do); NotFound; ResourceExhausted: too large.

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport {

// Rule and config files are read whole: 100,000 rules are about 20 MiB.
inline constexpr size_t kMaxRuleFileBytes = 64 << 20;
inline constexpr size_t kMaxConfigFileBytes = 1 << 20;

// The user the unit runs us as. What is in the state directory may be his,
// also when root runs `sallyportd --check-config`. Unset: no such user.
std::optional<uid_t> ServiceUid();

struct GuardedFile {
  std::string text;
  uid_t owner = 0;
  absl::Time modified;
};
absl::StatusOr<GuardedFile> ReadGuarded(
    const std::string& path, size_t max_bytes,
    std::optional<uid_t> trusted_uid = std::nullopt);
// Its text alone.
absl::StatusOr<std::string> ReadGuardedFile(
    const std::string& path, size_t max_bytes,
    std::optional<uid_t> trusted_uid = std::nullopt);

// A directory whose files are trusted: owned by root or us, not writable by
// group or others (sticky does not help: files could be planted).
absl::Status CheckGuardedDirectory(
    const std::string& path, std::optional<uid_t> trusted_uid = std::nullopt);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_FILE_GUARD_H_
