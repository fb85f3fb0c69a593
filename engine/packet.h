#ifndef SALLYPORT_ENGINE_PACKET_H_
#define SALLYPORT_ENGINE_PACKET_H_

// ParsePacket: from the bytes the queue hands over to a Flow. Pure, bounds-
// checked, no allocation; any thread. Sources: RFC 791, 8200, 9293, 768, 3828,
// 9260, 792, 4443; extension headers as net/ipv6/exthdrs_core.c walks them.

#include <cstdint>
#include <span>

#include "rules/flow.h"

namespace sallyport {

enum class ParseStatus : uint8_t {
  kOk,
  // Headers that contradict themselves or end too early (CASES B18), or more
  // than kMaxExtensionHeaders of them.
  kMalformed,
  // A later fragment that conntrack did not reassemble: it has no ports, so
  // nobody can say what flow it belongs to (CASES B17).
  kFragment,
};

// IPv6 extension headers walked before a packet counts as malformed. Real
// stacks send two or three; RFC 8200, 4.1 names at most seven.
inline constexpr int kMaxExtensionHeaders = 8;

// What is asked of the kernel per packet: the longest IPv4 header (60) and TCP
// header (60), or IPv6 with a few extension headers, fit well.
inline constexpr uint32_t kCopyRangeBytes = 256;

// `bytes` is what was captured, from the network header on; `length` the
// packet's real length (>= bytes.size()). On kOk fills protocol, addresses,
// ports, ICMP type and family of `flow`; on other results whatever was read up
// to there, for the log.
ParseStatus ParsePacket(std::span<const uint8_t> bytes, uint32_t length,
                        Flow* flow);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_PACKET_H_
