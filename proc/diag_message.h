#ifndef SALLYPORT_PROC_DIAG_MESSAGE_H_
#define SALLYPORT_PROC_DIAG_MESSAGE_H_

// The sock_diag messages we send and read, as bytes. Pure; the reader accepts
// any bytes (fuzzed by tests/fuzz/netlink_diag_fuzz.cc). No allocation.

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "proc/socket_lookup.h"

namespace sallyport::proc {

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

// UDP is asked for with the ends swapped, "for historical reasons" (CASES
// A24); everything else in natural order. `family` may be AF_INET6 for an IPv4
// flow: the addresses are then IPv4-mapped (CASES A25).
DiagRequest ExactRequest(const Flow& flow, uint8_t family, uint32_t ifindex,
                         uint32_t sequence);
// Every socket of `family` with the flow's source port, in any state.
DiagRequest PortRequest(const Flow& flow, uint8_t family, uint32_t sequence);
// Asks for no state at all: answers whether the kernel knows `protocol`.
DiagRequest ProbeRequest(uint8_t protocol, uint8_t family, uint32_t sequence);

struct DiagMessage {
  enum class Kind : uint8_t { kSocket, kDone, kError };
  Kind kind = Kind::kError;
  int error = 0;  // negative errno; 0 in a kDone that went well
  SocketInfo socket;
};

// Reads the messages of one datagram that answer request `sequence`; others (a
// late answer to an earlier request) are passed over, broken ones end it.
class DiagReader {
 public:
  DiagReader(std::span<const uint8_t> datagram, uint32_t sequence)
      : rest_(datagram), sequence_(sequence) {}
  bool Next(DiagMessage* message);

 private:
  std::span<const uint8_t> rest_;
  uint32_t sequence_;
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_DIAG_MESSAGE_H_
