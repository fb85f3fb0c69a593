#ifndef SALLYPORT_ENGINE_TABLE_STATE_H_
#define SALLYPORT_ENGINE_TABLE_STATE_H_

// What the kernel holds of table `inet sallyport`: read by Verify, by `doctor`
// and by tests. Needs CAP_NET_ADMIN, like every look into nf_tables.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/nft_socket.h"

namespace sallyport {

struct ChainState {
  std::string name;
  bool is_base = false;
  uint32_t hook = 0;
  int32_t priority = 0;
  uint32_t policy = 0;
  std::string type;
  // The kernel never gives a handle twice in the life of a table, so equal
  // handles mean that no rule was added, removed or replaced.
  std::vector<uint64_t> rule_handles;
  bool operator==(const ChainState&) const = default;
};

struct TableState {
  bool present = false;
  uint32_t flags = 0;  // dormant is one of them
  uint64_t handle = 0;
  std::vector<ChainState> chains;  // in order of name
  bool operator==(const TableState&) const = default;

  const ChainState* Find(std::string_view name) const;
};

absl::StatusOr<TableState> ReadTable(NftSocket& socket);
absl::StatusOr<TableState> ReadTable();  // with a socket of its own

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_TABLE_STATE_H_
