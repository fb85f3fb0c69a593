#ifndef SALLYPORT_SRC_FILE_HASH_H_
#define SALLYPORT_SRC_FILE_HASH_H_

// SHA-256 of a file by its path, for `explain`. What packets are judged by is
// proc/exe_hash. Reads the whole file: control threads only.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sallyport {

inline constexpr int64_t kMaxExplainedBytes = int64_t{1} << 30;

absl::StatusOr<std::string> FileSha256(const std::string& path);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_FILE_HASH_H_
