#ifndef SALLYPORT_RULES_FLOW_H_
#define SALLYPORT_RULES_FLOW_H_

// A flow: what a packet's headers say, as far as rules and owner lookup need
// it. A plain value; made by engine/packet from a packet, by the CLI and API
// from text (`explain`).

#include <cstdint>
#include <string>

#include "rules/address.h"

namespace sallyport {

enum class Direction : uint8_t { kOut, kIn, kForward };

// IANA protocol numbers that have a meaning here beyond their number.
inline constexpr uint8_t kProtoIcmp = 1;
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint8_t kProtoIcmpV6 = 58;
inline constexpr uint8_t kProtoSctp = 132;
inline constexpr uint8_t kProtoUdpLite = 136;

// A network device as rules name it. Values live as long as the process.
struct NetInterface {
  std::string name;
  bool is_vpn = false;  // tun, tap or WireGuard
  bool operator==(const NetInterface&) const = default;
};

struct Flow {
  IpAddress src;
  IpAddress dst;
  uint16_t src_port = 0;  // host order; 0 where the protocol has no ports.
  uint16_t dst_port = 0;  // ICMP echo: src_port is the id, dst_port 0
  uint8_t protocol = 0;
  uint8_t icmp_type = 0;  // ICMP and ICMPv6 only
  uint8_t icmp_code = 0;
  Direction direction = Direction::kOut;
  bool is_v6 = false;        // the packet on the wire, not the socket
  uint32_t out_ifindex = 0;  // 0: not known
  // The device of out_ifindex; null until somebody has looked it up.
  const NetInterface* out_interface = nullptr;

  bool HasPorts() const {
    return protocol == kProtoTcp || protocol == kProtoUdp ||
           protocol == kProtoUdpLite || protocol == kProtoSctp ||
           protocol == 33 /* DCCP */;
  }
  bool operator==(const Flow&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_FLOW_H_
