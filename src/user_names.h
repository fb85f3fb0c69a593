#ifndef SALLYPORT_SRC_USER_NAMES_H_
#define SALLYPORT_SRC_USER_NAMES_H_

// User names to ids and back. Blocks (NSS may ask a server): never on the
// packet path. Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sallyport {

// A name, or a decimal id (which need not exist). NotFound names the user.
absl::StatusOr<uint32_t> UserIdOf(std::string_view name_or_id);

std::string UserNameOf(uint32_t uid);  // "" if it has none

std::optional<uint32_t> GroupIdOf(const std::string& name);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_USER_NAMES_H_
