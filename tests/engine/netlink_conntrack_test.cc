#include "engine/netlink_conntrack.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <vector>

#include "tests/engine/flow_fakes.h"
#include "tests/engine/netlink_message.h"

namespace sallyport {
namespace {

// As ctnetlink_fill_info writes it.
class Message : public NetlinkMessage {
 public:
  Message& Tuple(uint16_t which, const IpAddress& src, const IpAddress& dst,
                 uint8_t protocol, uint16_t src_port, uint16_t dst_port) {
    Nest(which, [&] {
      Nest(CTA_TUPLE_IP, [&] { Addresses(src, dst); });
      Nest(CTA_TUPLE_PROTO, [&] {
        U8(CTA_PROTO_NUM, protocol);
        if (protocol == kProtoIcmp) {
          U16(CTA_PROTO_ICMP_ID, src_port);
          U8(CTA_PROTO_ICMP_TYPE, 8).U8(CTA_PROTO_ICMP_CODE, 0);
        } else {
          U16(CTA_PROTO_SRC_PORT, src_port).U16(CTA_PROTO_DST_PORT, dst_port);
        }
      });
    });
    return *this;
  }

 private:
  void Addresses(const IpAddress& src, const IpAddress& dst) {
    if (src.IsV4()) {
      U32(CTA_IP_V4_SRC, src.v4_host_order());
      U32(CTA_IP_V4_DST, dst.v4_host_order());
    } else {
      Put(CTA_IP_V6_SRC, src.bytes).Put(CTA_IP_V6_DST, dst.bytes);
    }
  }
};

const IpAddress kA4 = IpAddress::V4(0x0a000001);
const IpAddress kB4 = IpAddress::V4(0xc0000207);

TEST(ParseConntrackEntry, TakesTheOriginalDirection) {
  Message message;
  message.Tuple(CTA_TUPLE_REPLY, kB4, kA4, kProtoTcp, 80, 4711)
      .Tuple(CTA_TUPLE_ORIG, kA4, kB4, kProtoTcp, 4711, 80)
      .U32(CTA_MARK, 0x00100007)
      .U32(CTA_ID, 99)
      .U16(CTA_ZONE, 5);
  const auto entry = ParseConntrackEntry(message.header());
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->flow.src, kA4);
  EXPECT_EQ(entry->flow.dst, kB4);
  EXPECT_EQ(entry->flow.src_port, 4711);
  EXPECT_EQ(entry->flow.dst_port, 80);
  EXPECT_EQ(entry->flow.protocol, kProtoTcp);
  EXPECT_FALSE(entry->flow.is_v6);
  EXPECT_EQ(entry->mark, 0x00100007u);
  EXPECT_EQ(entry->id, 99u);
  EXPECT_EQ(entry->zone, 5);
}

TEST(ParseConntrackEntry, V6) {
  const IpAddress a = *ParseIpAddress("2001:db8::1");
  const IpAddress b = *ParseIpAddress("2001:db8::2");
  Message message;
  message.Tuple(CTA_TUPLE_ORIG, a, b, kProtoUdp, 1000, 53);
  const auto entry = ParseConntrackEntry(message.header());
  ASSERT_TRUE(entry.has_value());
  EXPECT_TRUE(entry->flow.is_v6);
  EXPECT_EQ(entry->flow.dst, b);
  EXPECT_EQ(entry->mark, 0u);
}

TEST(ParseConntrackEntry, IcmpIdIsTheSourcePortAsInFlow) {
  Message message;
  message.Tuple(CTA_TUPLE_ORIG, kA4, kB4, kProtoIcmp, 77, 0);
  const auto entry = ParseConntrackEntry(message.header());
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->flow.src_port, 77);
  EXPECT_EQ(entry->flow.dst_port, 0);
  EXPECT_EQ(entry->flow.icmp_type, 8);
}

TEST(ParseConntrackEntry, NothingIsMadeOfAMessageWithoutItsTuple) {
  Message empty;
  EXPECT_FALSE(ParseConntrackEntry(empty.header()).has_value());
  Message reply_only;
  reply_only.Tuple(CTA_TUPLE_REPLY, kB4, kA4, kProtoTcp, 80, 4711);
  EXPECT_FALSE(ParseConntrackEntry(reply_only.header()).has_value());
}

TEST(ParseConntrackEntry, CutOffMessagesAreHarmless) {
  Message message;
  message.Tuple(CTA_TUPLE_ORIG, kA4, kB4, kProtoTcp, 4711, 80);
  const std::vector<char> whole = message.bytes();
  for (uint32_t length = sizeof(nlmsghdr); length < whole.size(); ++length) {
    // Its own allocation, so that a read behind its end is seen by ASan; as
    // long as messages are in a receive buffer, whose padding libmnl reads.
    std::vector<char> part(whole.begin(), whole.begin() + length);
    part.resize(NLMSG_ALIGN(length));
    auto* header = reinterpret_cast<nlmsghdr*>(part.data());
    header->nlmsg_len = length;
    ParseConntrackEntry(header);
  }
}

ConntrackEntry Entry(uint32_t id, const char* src, uint32_t mark) {
  ConntrackEntry entry;
  entry.id = id;
  entry.mark = mark;
  entry.flow.src = *ParseIpAddress(src);
  return entry;
}

TEST(MarkExisting, MarksLocalOriginsThatHaveNoneOfOurBits) {
  CallLog log;
  FakeConntrack conntrack(log);
  conntrack.entries = {
      Entry(1, "10.0.0.1", 0x7),         // ours, with the bits of others
      Entry(2, "10.0.0.9", 0),           // came from elsewhere
      Entry(3, "10.0.0.1", 0x00200000),  // already has one of our bits
  };
  const auto is_local = [](const IpAddress& address) {
    return address == *ParseIpAddress("10.0.0.1");
  };
  EXPECT_EQ(*MarkExisting(conntrack, MarkBits{}, is_local), 1u);
  EXPECT_EQ(conntrack.entries[0].mark, 0x00100007u);
  EXPECT_EQ(conntrack.entries[1].mark, 0u);
  EXPECT_EQ(conntrack.entries[2].mark, 0x00200000u);
}

}  // namespace
}  // namespace sallyport
