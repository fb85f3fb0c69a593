#ifndef SALLYPORT_TESTS_ENGINE_PACKET_BUILDER_H_
#define SALLYPORT_TESTS_ENGINE_PACKET_BUILDER_H_

// Packets for tests, byte by byte: independent of the parser they test.

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport {

using Bytes = std::vector<uint8_t>;

inline void Put16(Bytes* out, uint32_t value) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}

inline Bytes Concat(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// 10.0.0.1 -> 192.0.2.7, `options` a multiple of four bytes.
inline Bytes Ipv4(uint8_t protocol, const Bytes& payload,
                  const Bytes& options = {}, uint16_t fragment = 0) {
  Bytes p;
  p.push_back(static_cast<uint8_t>(0x40 | (5 + options.size() / 4)));
  p.push_back(0);
  Put16(&p, static_cast<uint32_t>(20 + options.size() + payload.size()));
  Put16(&p, 0x1234);
  Put16(&p, fragment);
  p.push_back(64);
  p.push_back(protocol);
  Put16(&p, 0);
  p = Concat(p, {10, 0, 0, 1, 192, 0, 2, 7});
  return Concat(Concat(p, options), payload);
}

// fd00::1 -> 2001:db8::7
inline Bytes Ipv6(uint8_t next_header, const Bytes& payload) {
  Bytes p = {0x60, 0, 0, 0};
  Put16(&p, static_cast<uint32_t>(payload.size()));
  p.push_back(next_header);
  p.push_back(64);
  p = Concat(p, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  p = Concat(p, {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7});
  return Concat(p, payload);
}

inline Bytes Tcp(uint16_t src, uint16_t dst, uint8_t data_offset = 5,
                 size_t bytes = 20) {
  Bytes p;
  Put16(&p, src);
  Put16(&p, dst);
  p.resize(12);
  p.push_back(static_cast<uint8_t>(data_offset << 4));
  p.push_back(2);  // SYN
  p.resize(bytes);
  return p;
}

inline Bytes Udp(uint16_t src, uint16_t dst, size_t payload = 4,
                 int length = -1) {
  Bytes p;
  Put16(&p, src);
  Put16(&p, dst);
  Put16(&p, static_cast<uint32_t>(length < 0 ? 8 + payload : length));
  p.resize(8 + payload);
  return p;
}

inline Bytes Echo(uint8_t type, uint16_t id) {
  Bytes p = {type, 0, 0, 0};
  Put16(&p, id);
  Put16(&p, 1);
  return p;
}

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_ENGINE_PACKET_BUILDER_H_
