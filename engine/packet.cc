#include "engine/packet.h"

namespace sallyport {
namespace {

constexpr uint8_t kIpv6HopByHop = 0;
constexpr uint8_t kIpv6Routing = 43;
constexpr uint8_t kIpv6Fragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kIpv6DestinationOptions = 60;
constexpr uint8_t kProtoDccp = 33;

constexpr uint32_t kIpv4HeaderBytes = 20;
constexpr uint32_t kIpv6HeaderBytes = 40;

uint16_t Read16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] << 8 | p[1]);
}

// The part of a packet from some header on: what was captured of it and how
// long it really is. Invariant: captured <= length.
struct Tail {
  const uint8_t* data;
  uint32_t captured;
  uint32_t length;
  bool more_fragments = false;  // the datagram goes on in other packets

  bool Has(uint32_t bytes) const { return captured >= bytes; }
  // REQUIRES: Has(bytes)
  Tail After(uint32_t bytes) const {
    return {data + bytes, captured - bytes, length - bytes, more_fragments};
  }
  void Trim(uint32_t real_length) {
    length = real_length;
    if (captured > length) captured = length;
  }
};

ParseStatus ParsePorts(const Tail& l4, uint32_t header_bytes, Flow* flow) {
  if (!l4.Has(header_bytes)) return ParseStatus::kMalformed;
  flow->src_port = Read16(l4.data);
  flow->dst_port = Read16(l4.data + 2);
  return ParseStatus::kOk;
}

ParseStatus ParseTcp(const Tail& l4, Flow* flow) {
  if (ParsePorts(l4, 20, flow) != ParseStatus::kOk) {
    return ParseStatus::kMalformed;
  }
  const uint32_t header_bytes = (l4.data[12] >> 4) * 4u;
  if (header_bytes < 20 || header_bytes > l4.length) {
    return ParseStatus::kMalformed;
  }
  return ParseStatus::kOk;
}

ParseStatus ParseUdp(const Tail& l4, Flow* flow) {
  if (ParsePorts(l4, 8, flow) != ParseStatus::kOk) {
    return ParseStatus::kMalformed;
  }
  const uint32_t udp_length = Read16(l4.data + 4);
  // Zero stands for "longer than 16 bits can say" (RFC 2675); only then.
  if (udp_length == 0 && l4.length > UINT16_MAX) return ParseStatus::kOk;
  if (udp_length < 8) return ParseStatus::kMalformed;
  if (udp_length > l4.length && !l4.more_fragments) {
    return ParseStatus::kMalformed;
  }
  return ParseStatus::kOk;
}

ParseStatus ParseIcmp(const Tail& l4, Flow* flow) {
  if (!l4.Has(4)) return ParseStatus::kMalformed;
  flow->icmp_type = l4.data[0];
  flow->icmp_code = l4.data[1];
  const bool v6 = flow->protocol == kProtoIcmpV6;
  const bool echo = v6 ? (flow->icmp_type == 128 || flow->icmp_type == 129)
                       : (flow->icmp_type == 8 || flow->icmp_type == 0);
  if (echo) {
    if (!l4.Has(8)) return ParseStatus::kMalformed;
    flow->src_port = Read16(l4.data + 4);
  }
  return ParseStatus::kOk;
}

ParseStatus ParseTransport(const Tail& l4, Flow* flow) {
  switch (flow->protocol) {
    case kProtoTcp:
      return ParseTcp(l4, flow);
    case kProtoUdp:
      return ParseUdp(l4, flow);
    case kProtoUdpLite:
      return ParsePorts(l4, 8, flow);
    case kProtoSctp:
    case kProtoDccp:
      return ParsePorts(l4, 12, flow);
    case kProtoIcmp:
    case kProtoIcmpV6:
      return ParseIcmp(l4, flow);
    default:
      return ParseStatus::kOk;  // known by its number alone (CASES B14)
  }
}

ParseStatus ParseIpv4(Tail packet, Flow* flow) {
  if (!packet.Has(kIpv4HeaderBytes)) return ParseStatus::kMalformed;
  const uint8_t* ip = packet.data;
  flow->src = IpAddress::V4FromBytes(ip + 12);
  flow->dst = IpAddress::V4FromBytes(ip + 16);
  flow->protocol = ip[9];
  const uint32_t header_bytes = (ip[0] & 0x0f) * 4u;
  if (header_bytes < kIpv4HeaderBytes || !packet.Has(header_bytes)) {
    return ParseStatus::kMalformed;
  }
  uint32_t total_bytes = Read16(ip + 2);
  // A super-packet longer than 16 bits can say carries zero ("BIG TCP",
  // include/net/ip.h, iph_totlen).
  if (total_bytes == 0 && packet.length > UINT16_MAX) {
    total_bytes = packet.length;
  }
  if (total_bytes < header_bytes || total_bytes > packet.length) {
    return ParseStatus::kMalformed;
  }
  packet.Trim(total_bytes);
  const uint16_t fragment = Read16(ip + 6);
  if ((fragment & 0x1fff) != 0) return ParseStatus::kFragment;
  packet.more_fragments = (fragment & 0x2000) != 0;
  if (!packet.Has(header_bytes)) return ParseStatus::kMalformed;
  return ParseTransport(packet.After(header_bytes), flow);
}

ParseStatus WalkExtensionHeaders(Tail tail, uint8_t next, Flow* flow) {
  for (int i = 0; i <= kMaxExtensionHeaders; ++i) {
    flow->protocol = next;
    uint32_t header_bytes;
    switch (next) {
      case kIpv6HopByHop:
      case kIpv6Routing:
      case kIpv6DestinationOptions:
        if (!tail.Has(8)) return ParseStatus::kMalformed;
        header_bytes = (tail.data[1] + 1u) * 8;
        break;
      case kAuthentication:
        if (!tail.Has(8)) return ParseStatus::kMalformed;
        header_bytes = (tail.data[1] + 2u) * 4;
        break;
      case kIpv6Fragment:
        if (!tail.Has(8)) return ParseStatus::kMalformed;
        if ((Read16(tail.data + 2) & 0xfff8) != 0) {
          return ParseStatus::kFragment;
        }
        tail.more_fragments = (Read16(tail.data + 2) & 0x0001) != 0;
        header_bytes = 8;
        break;
      default:
        return ParseTransport(tail, flow);
    }
    if (!tail.Has(header_bytes)) return ParseStatus::kMalformed;
    next = tail.data[0];
    tail = tail.After(header_bytes);
  }
  return ParseStatus::kMalformed;
}

ParseStatus ParseIpv6(Tail packet, Flow* flow) {
  flow->is_v6 = true;
  if (!packet.Has(kIpv6HeaderBytes)) return ParseStatus::kMalformed;
  const uint8_t* ip = packet.data;
  flow->src = IpAddress::V6FromBytes(ip + 8);
  flow->dst = IpAddress::V6FromBytes(ip + 24);
  flow->protocol = ip[6];
  const uint32_t payload_bytes = Read16(ip + 4);
  if (payload_bytes == 0) {
    // A jumbogram (RFC 2675), or nothing at all behind the header.
    if (packet.length <= UINT16_MAX && packet.length != kIpv6HeaderBytes) {
      return ParseStatus::kMalformed;
    }
  } else if (payload_bytes + kIpv6HeaderBytes > packet.length) {
    return ParseStatus::kMalformed;
  } else {
    packet.Trim(payload_bytes + kIpv6HeaderBytes);
  }
  return WalkExtensionHeaders(packet.After(kIpv6HeaderBytes), ip[6], flow);
}

}  // namespace

ParseStatus ParsePacket(std::span<const uint8_t> bytes, uint32_t length,
                        Flow* flow) {
  const uint32_t captured = static_cast<uint32_t>(bytes.size());
  const Tail packet{bytes.data(), captured,
                    length < captured ? captured : length};
  if (captured == 0) return ParseStatus::kMalformed;
  switch (bytes[0] >> 4) {
    case 4:
      return ParseIpv4(packet, flow);
    case 6:
      return ParseIpv6(packet, flow);
    default:
      return ParseStatus::kMalformed;
  }
}

}  // namespace sallyport
