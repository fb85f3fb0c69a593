#include "engine/packet.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/engine/packet_builder.h"

namespace sallyport {
namespace {

// One packet, what it is, what must be read from it (katran's habit).
struct PacketCase {
  const char* description;
  Bytes bytes;
  ParseStatus status;
  uint8_t protocol;
  uint16_t src_port;
  uint16_t dst_port;
};

// A destination-options or hop-by-hop header of `words` * 8 bytes.
Bytes Extension(uint8_t next, const Bytes& rest, uint8_t words = 1) {
  Bytes p(words * 8u);
  p[0] = next;
  p[1] = static_cast<uint8_t>(words - 1);
  return Concat(p, rest);
}

Bytes FragmentHeader(uint8_t next, uint16_t offset_and_flags,
                     const Bytes& rest) {
  Bytes p = {next, 0};
  Put16(&p, offset_and_flags);
  p.resize(8);
  return Concat(p, rest);
}

Bytes Truncate(Bytes bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

Bytes WithByte(Bytes bytes, size_t at, uint8_t value) {
  bytes[at] = value;
  return bytes;
}

Bytes DeepChain(int headers) {
  Bytes p = Udp(7, 9);
  uint8_t next = 17;
  for (int i = 0; i < headers; ++i) {
    p = Extension(next, p);
    next = 60;
  }
  return Ipv6(next, p);
}

void Check(const std::vector<PacketCase>& cases) {
  for (const PacketCase& c : cases) {
    SCOPED_TRACE(c.description);
    Flow flow;
    EXPECT_EQ(
        ParsePacket(c.bytes, static_cast<uint32_t>(c.bytes.size()), &flow),
        c.status);
    if (c.status != ParseStatus::kOk) continue;
    EXPECT_EQ(flow.protocol, c.protocol);
    EXPECT_EQ(flow.src_port, c.src_port);
    EXPECT_EQ(flow.dst_port, c.dst_port);
  }
}

TEST(ParsePacket, ReadsTheTransportsOfBothFamilies) {
  Check({
      {"tcp4", Ipv4(6, Tcp(1000, 443)), ParseStatus::kOk, 6, 1000, 443},
      {"tcp6", Ipv6(6, Tcp(1000, 443)), ParseStatus::kOk, 6, 1000, 443},
      {"udp4", Ipv4(17, Udp(5353, 53)), ParseStatus::kOk, 17, 5353, 53},
      {"udp6", Ipv6(17, Udp(5353, 53)), ParseStatus::kOk, 17, 5353, 53},
      {"echo4", Ipv4(1, Echo(8, 77)), ParseStatus::kOk, 1, 77, 0},
      {"echo6", Ipv6(58, Echo(128, 77)), ParseStatus::kOk, 58, 77, 0},
      {"icmp4 unreachable", Ipv4(1, Echo(3, 77)), ParseStatus::kOk, 1, 0, 0},
      {"sctp", Ipv4(132, Tcp(9, 10, 0, 12)), ParseStatus::kOk, 132, 9, 10},
  });
}

TEST(ParsePacket, AddressesAndFamily) {
  Flow flow;
  const Bytes v4 = Ipv4(6, Tcp(1, 2));
  ASSERT_EQ(ParsePacket(v4, 40, &flow), ParseStatus::kOk);
  EXPECT_EQ(flow.src.ToString(), "10.0.0.1");
  EXPECT_EQ(flow.dst.ToString(), "192.0.2.7");
  EXPECT_FALSE(flow.is_v6);
  const Bytes v6 = Ipv6(6, Tcp(1, 2));
  ASSERT_EQ(ParsePacket(v6, 60, &flow), ParseStatus::kOk);
  EXPECT_EQ(flow.dst.ToString(), "2001:db8::7");
  EXPECT_TRUE(flow.is_v6);
}

TEST(ParsePacket, B14_OtherProtocolsAreKnownByTheirNumber) {
  for (uint8_t protocol : {2, 47, 50, 103, 253, 255}) {
    Flow flow;
    const Bytes p = Ipv4(protocol, {1, 2, 3, 4});
    EXPECT_EQ(ParsePacket(p, 24, &flow), ParseStatus::kOk);
    EXPECT_EQ(flow.protocol, protocol);
    EXPECT_EQ(flow.dst_port, 0);
  }
  Check({
      {"udp-lite, coverage 8", Ipv4(136, Udp(1, 2, 4, 8)), ParseStatus::kOk,
       136, 1, 2},
      {"dccp", Ipv4(33, Tcp(3, 4, 0, 16)), ParseStatus::kOk, 33, 3, 4},
      {"no next header", Ipv6(59, {}), ParseStatus::kOk, 59, 0, 0},
  });
}

TEST(ParsePacket, B15_OnlyTheBeginningIsCaptured) {
  // A 60,028-byte datagram of which 256 bytes were copied.
  Bytes p = Ipv4(17, Udp(1, 2, 60'000));
  Flow flow;
  EXPECT_EQ(ParsePacket(std::span(p).first(256), 60'028, &flow),
            ParseStatus::kOk);
  EXPECT_EQ(flow.dst_port, 2);
}

TEST(ParsePacket, B12_SuperPacketsLongerThanTheirLengthField) {
  Bytes p = WithByte(WithByte(Ipv4(6, Tcp(1, 2)), 2, 0), 3, 0);
  Flow flow;
  EXPECT_EQ(ParsePacket(p, 180'000, &flow), ParseStatus::kOk);
  EXPECT_EQ(ParsePacket(p, 40, &flow), ParseStatus::kMalformed);
}

TEST(ParsePacket, B16_IpOptionsAndExtensionHeadersAreSkipped) {
  // A parser that ignores IHL reads port 260 from {1, 4, ...}.
  Check({
      {"router alert", Ipv4(17, Udp(5, 6), {0x94, 4, 0, 0}), ParseStatus::kOk,
       17, 5, 6},
      {"40 bytes of options", Ipv4(6, Tcp(5, 6), Bytes(40, 1)),
       ParseStatus::kOk, 6, 5, 6},
      {"destination options", Ipv6(60, Extension(17, Udp(5, 6))),
       ParseStatus::kOk, 17, 5, 6},
      {"hop by hop, then routing",
       Ipv6(0, Extension(43, Extension(6, Tcp(5, 6), 2))), ParseStatus::kOk, 6,
       5, 6},
      {"authentication header",
       Ipv6(51, Concat({6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Tcp(5, 6))),
       ParseStatus::kOk, 6, 5, 6},
      {"eight headers", DeepChain(8), ParseStatus::kOk, 17, 7, 9},
      {"nine headers", DeepChain(9), ParseStatus::kMalformed, 0, 0, 0},
      {"chain ends early", Ipv6(60, {17, 9, 0, 0, 0, 0, 0, 0}),
       ParseStatus::kMalformed, 0, 0, 0},
      {"unknown next header", Ipv6(200, {0, 0}), ParseStatus::kOk, 200, 0, 0},
  });
}

TEST(ParsePacket, B17_LaterFragmentsHaveNoPorts) {
  Check({
      {"first fragment", Ipv4(17, Udp(5, 6, 24, 2000), {}, 0x2000),
       ParseStatus::kOk, 17, 5, 6},
      {"later fragment", Ipv4(17, Bytes(16), {}, 0x0004),
       ParseStatus::kFragment, 0, 0, 0},
      {"v6 first", Ipv6(44, FragmentHeader(17, 0x0001, Udp(5, 6, 24, 2000))),
       ParseStatus::kOk, 17, 5, 6},
      {"v6 later", Ipv6(44, FragmentHeader(17, 0x0008, Udp(5, 6))),
       ParseStatus::kFragment, 0, 0, 0},
  });
}

TEST(ParsePacket, B18_ContradictionsAreMalformed) {
  const Bytes tcp = Ipv4(6, Tcp(1, 2));
  Check({
      {"nothing", {}, ParseStatus::kMalformed, 0, 0, 0},
      {"version 5", WithByte(tcp, 0, 0x55), ParseStatus::kMalformed, 0, 0, 0},
      {"IHL 4", WithByte(tcp, 0, 0x44), ParseStatus::kMalformed, 0, 0, 0},
      {"IHL beyond the packet", WithByte(tcp, 0, 0x4f), ParseStatus::kMalformed,
       0, 0, 0},
      {"total length beyond the packet", WithByte(tcp, 3, 41),
       ParseStatus::kMalformed, 0, 0, 0},
      {"total length below the header", WithByte(tcp, 3, 19),
       ParseStatus::kMalformed, 0, 0, 0},
      {"tcp cut off", Truncate(WithByte(tcp, 3, 39), 39),
       ParseStatus::kMalformed, 0, 0, 0},
      {"data offset 4", Ipv4(6, Tcp(1, 2, 4)), ParseStatus::kMalformed, 0, 0,
       0},
      {"data offset beyond", Ipv4(6, Tcp(1, 2, 15)), ParseStatus::kMalformed, 0,
       0, 0},
      {"udp length 7", Ipv4(17, Udp(1, 2, 4, 7)), ParseStatus::kMalformed, 0, 0,
       0},
      {"udp length beyond", Ipv4(17, Udp(1, 2, 4, 13)), ParseStatus::kMalformed,
       0, 0, 0},
      {"udp length 0", Ipv4(17, Udp(1, 2, 4, 0)), ParseStatus::kMalformed, 0, 0,
       0},
      {"v6 payload beyond", WithByte(Ipv6(6, Tcp(1, 2)), 5, 99),
       ParseStatus::kMalformed, 0, 0, 0},
      {"v6 header cut", Truncate(Ipv6(6, Tcp(1, 2)), 39),
       ParseStatus::kMalformed, 0, 0, 0},
      {"echo without id", Ipv4(1, {8, 0, 0, 0}), ParseStatus::kMalformed, 0, 0,
       0},
  });
}

TEST(ParsePacket, B18_EveryPrefixOfEveryPacketIsSafe) {
  // ASan is the judge: each prefix lies in a buffer of exactly its size.
  for (const Bytes& whole :
       {Ipv4(6, Tcp(1, 2), Bytes(8, 1)), DeepChain(5), Ipv4(1, Echo(8, 1)),
        Ipv6(44, FragmentHeader(17, 1, Udp(5, 6)))}) {
    for (size_t size = 0; size <= whole.size(); ++size) {
      const Bytes prefix(whole.begin(),
                         whole.begin() + static_cast<ptrdiff_t>(size));
      Flow flow;
      ParsePacket(prefix, static_cast<uint32_t>(whole.size()), &flow);
      ParsePacket(prefix, static_cast<uint32_t>(size), &flow);
    }
  }
}

TEST(ParsePacket, B18_RandomBytesAreSafe) {
  std::mt19937 random(20261121);
  for (int i = 0; i < 200'000; ++i) {
    Bytes p(random() % 120);
    for (uint8_t& byte : p) byte = static_cast<uint8_t>(random());
    if (!p.empty()) p[0] = (random() & 1) ? 0x45 : 0x60;
    Flow flow;
    ParsePacket(p, static_cast<uint32_t>(p.size() + random() % 70), &flow);
  }
}

}  // namespace
}  // namespace sallyport
