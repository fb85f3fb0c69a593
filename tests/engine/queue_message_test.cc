#include "engine/queue_message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <array>
#include <vector>

namespace sallyport {
namespace {

// Written attribute by attribute, as nfqnl_build_packet_message does.
class Message {
 public:
  Message() : bytes_(1024) {
    header_ = mnl_nlmsg_put_header(bytes_.data());
    header_->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
    mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg));
  }
  Message& Id(uint32_t id) {
    nfqnl_msg_packet_hdr packet{htonl(id), htons(0x0800), 3};
    mnl_attr_put(header_, NFQA_PACKET_HDR, sizeof(packet), &packet);
    return *this;
  }
  Message& U32(uint16_t type, uint32_t value) {
    mnl_attr_put_u32(header_, type, htonl(value));
    return *this;
  }
  Message& Payload(const std::vector<uint8_t>& payload) {
    mnl_attr_put(header_, NFQA_PAYLOAD, payload.size(), payload.data());
    return *this;
  }
  nlmsghdr* header() { return header_; }

 private:
  std::vector<char> bytes_;
  nlmsghdr* header_;
};

TEST(QueueMessage, EveryAttributeFindsItsField) {
  Message message;
  message.Id(42)
      .U32(NFQA_MARK, 0x00100000)
      .U32(NFQA_IFINDEX_OUTDEV, 7)
      .U32(NFQA_UID, 1000)
      .U32(NFQA_CAP_LEN, 1500)
      .Payload({1, 2, 3});
  QueuedPacket packet;
  ASSERT_TRUE(ParseQueuedPacket(message.header(), &packet));
  EXPECT_EQ(packet.id, 42u);
  EXPECT_EQ(packet.mark, 0x00100000u);
  EXPECT_EQ(packet.out_ifindex, 7u);
  EXPECT_EQ(packet.uid, 1000u);
  EXPECT_EQ(packet.length, 1500u);
  EXPECT_EQ(std::vector<uint8_t>(packet.bytes.begin(), packet.bytes.end()),
            (std::vector<uint8_t>{1, 2, 3}));
}

TEST(QueueMessage, AnIdAloneIsAPacketThatWantsAnAnswer) {
  Message message;
  message.Id(42);
  QueuedPacket packet;
  packet.mark = 5;  // of the packet before
  ASSERT_TRUE(ParseQueuedPacket(message.header(), &packet));
  EXPECT_EQ(packet.id, 42u);
  EXPECT_EQ(packet.mark, 0u);
  EXPECT_FALSE(packet.uid.has_value());
  EXPECT_TRUE(packet.bytes.empty());
}

TEST(QueueMessage, WithoutAnIdItIsNone) {
  Message message;
  message.U32(NFQA_MARK, 1);
  QueuedPacket packet;
  EXPECT_FALSE(ParseQueuedPacket(message.header(), &packet));
  Message other;
  other.Id(1).header()->nlmsg_type = NLMSG_DONE;
  EXPECT_FALSE(ParseQueuedPacket(other.header(), &packet));
}

TEST(QueueMessage, AnAttributeTooShortCountsAsMissing) {
  Message message;
  message.Id(1);
  mnl_attr_put_u16(message.header(), NFQA_MARK, 0xffff);
  QueuedPacket packet;
  ASSERT_TRUE(ParseQueuedPacket(message.header(), &packet));
  EXPECT_EQ(packet.mark, 0u);
}

}  // namespace
}  // namespace sallyport
