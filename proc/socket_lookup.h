#ifndef SALLYPORT_PROC_SOCKET_LOOKUP_H_
#define SALLYPORT_PROC_SOCKET_LOOKUP_H_

// SocketLookup: from the tuple of a packet to the kernel's sockets. The real
// one is SockDiagLookup (proc/sock_diag.h); the interface exists for tests. Not
// thread-safe: one per thread. No call waits for anything but the kernel's own
// work, and none allocates while the answer fits SocketSet's inline room.

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "rules/flow.h"

namespace sallyport {

struct SocketInfo {
  uint64_t inode = 0;  // 0: nobody holds it (orphaned, time-wait)
  uint32_t uid = 0;    // of its creator (CASES A28)
  uint8_t state = 0;   // TCP_ESTABLISHED... of the kernel
  bool is_v6 = false;  // family of the socket, not of the packet
  bool v6_only = false;
  uint32_t bound_ifindex = 0;
  IpAddress local;
  IpAddress remote;
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
};

// More twins than this on one port are cut: they would only repeat.
inline constexpr size_t kMaxSocketCandidates = 64;
using SocketSet = absl::InlinedVector<SocketInfo, 4>;

enum class LookupResult : uint8_t {
  kFound,
  kNotFound,
  kUnsupported,  // the kernel cannot answer for this protocol
  kFailed,       // no answer this time (memory, a lost message)
};

class SocketLookup {
 public:
  virtual ~SocketLookup() = default;
  // The socket the kernel's own lookup gives for the tuple. TCP: the sender.
  // UDP: one of those that could have sent it.
  virtual LookupResult FindExact(const Flow& flow, SocketInfo* socket) = 0;
  // Every socket with the flow's source port that can speak the packet's
  // family. Appends to `sockets`. Walks the kernel's whole table.
  virtual LookupResult FindByPort(const Flow& flow, SocketSet* sockets) = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_SOCKET_LOOKUP_H_
