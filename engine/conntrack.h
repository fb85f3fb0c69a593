#ifndef SALLYPORT_ENGINE_CONNTRACK_H_
#define SALLYPORT_ENGINE_CONNTRACK_H_

// Conntrack: the kernel's table of flows, as far as our mark in it goes. For
// one thread at a time; works in the network namespace of the thread that
// opened it. Kernel surface: the real one is NetlinkConntrack
// (engine/netlink_conntrack.h), the fake is in tests/engine.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/divert.h"
#include "rules/flow.h"

namespace sallyport {

// Entries of one walk. The kernel's table has a default limit of 65,536 to
// 262,144 by memory; a walk that ends here says so.
inline constexpr size_t kMaxConntrackEntries = 65'536;

struct ConntrackEntry {
  Flow flow;  // of the original direction, before any NAT
  uint32_t mark = 0;
  uint32_t id = 0;  // the kernel's; tells most new entries of a tuple from old
  uint16_t zone = 0;  // as the kernel gives it, for naming the entry again
  bool operator==(const ConntrackEntry&) const = default;
};

struct ConntrackDump {
  std::vector<ConntrackEntry> entries;
  bool truncated = false;  // there are more than kMaxConntrackEntries
};

class Conntrack {
 public:
  virtual ~Conntrack() = default;
  // Entries with (mark & mask) == value; mask 0 gives all.
  virtual absl::StatusOr<ConntrackDump> Dump(uint32_t mask, uint32_t value) = 0;
  // NotFound if this very entry (by id) is gone.
  virtual absl::Status Delete(const ConntrackEntry& entry) = 0;
  // Writes the bits of `mask` in each entry's mark, others stay. Entries that
  // are gone are passed over; returns how many were changed.
  virtual absl::StatusOr<size_t> SetMark(
      std::span<const ConntrackEntry> entries, uint32_t mask,
      uint32_t value) = 0;
};

// For existing_flows = "accept": puts our allowed bit on every entry whose
// originator `is_local` and that has none of our bits. Call it before the
// divert is installed: what comes later is to be judged. Returns their number.
absl::StatusOr<size_t> MarkExisting(
    Conntrack& conntrack, const MarkBits& marks,
    const std::function<bool(const IpAddress&)>& is_local);

// Says whether an address was one of this network namespace's when called.
absl::StatusOr<std::function<bool(const IpAddress&)>> LocalAddresses();

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_CONNTRACK_H_
