#ifndef SALLYPORT_PROC_SOCK_DIAG_H_
#define SALLYPORT_PROC_SOCK_DIAG_H_

// SocketLookup over NETLINK_SOCK_DIAG, in the network namespace of the thread
// that opens it. The kernel works in the sender's context, so the answer is
// there when send(2) returns: no call blocks.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "proc/socket_lookup.h"

namespace sallyport {

// Error: Unavailable if the kernel has no sock_diag at all. Protocols whose
// module is missing (tcp_diag, udp_diag) answer kUnsupported (CASES F33).
absl::StatusOr<std::unique_ptr<SocketLookup>> OpenSockDiag();

}  // namespace sallyport

#endif  // SALLYPORT_PROC_SOCK_DIAG_H_
