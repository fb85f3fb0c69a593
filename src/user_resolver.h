#ifndef SALLYPORT_SRC_USER_RESOLVER_H_
#define SALLYPORT_SRC_USER_RESOLVER_H_

// The users that rules write as names get their ids. One for each batch of
// rules: it asks NSS (which may block) once for a name, and what it heard is
// true for as long as the batch takes. Not thread-safe.

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rules/rule.h"

namespace sallyport {

class UserResolver {
 public:
  // InvalidArgument: "FIELD: no such user ...".
  absl::Status Resolve(Rule* rule);

 private:
  const absl::StatusOr<uint32_t>& Find(const std::string& name);

  absl::flat_hash_map<std::string, absl::StatusOr<uint32_t>> known_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_USER_RESOLVER_H_
