#include "engine/queue_message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <vector>

#include "tests/engine/netlink_message.h"

namespace sallyport {
namespace {

// As nfqnl_build_packet_message writes it.
class Message : public NetlinkMessage {
 public:
  Message() : NetlinkMessage(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) {}
  explicit Message(uint32_t id) : Message() {
    PutStruct(NFQA_PACKET_HDR,
              nfqnl_msg_packet_hdr{htonl(id), htons(0x0800), 3});
  }
};

TEST(QueueMessage, EveryAttributeFindsItsField) {
  const std::vector<uint8_t> payload = {1, 2, 3};
  Message message(42);
  message.U32(NFQA_MARK, 0x00100000)
      .U32(NFQA_IFINDEX_OUTDEV, 7)
      .U32(NFQA_UID, 1000)
      .U32(NFQA_CAP_LEN, 1500)
      .Put(NFQA_PAYLOAD, payload);
  QueuedPacket packet;
  ASSERT_TRUE(ParseQueuedPacket(message.header(), &packet));
  EXPECT_EQ(packet.id, 42u);
  EXPECT_EQ(packet.mark, 0x00100000u);
  EXPECT_EQ(packet.out_ifindex, 7u);
  EXPECT_EQ(packet.uid, 1000u);
  EXPECT_EQ(packet.length, 1500u);
  EXPECT_EQ(std::vector<uint8_t>(packet.bytes.begin(), packet.bytes.end()),
            payload);
}

TEST(QueueMessage, AnIdAloneIsAPacketThatWantsAnAnswer) {
  Message message(42);
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
  Message other(1);
  other.header()->nlmsg_type = NLMSG_DONE;
  EXPECT_FALSE(ParseQueuedPacket(other.header(), &packet));
}

TEST(QueueMessage, AnAttributeTooShortCountsAsMissing) {
  Message message(1);
  message.U16(NFQA_MARK, 0xffff);
  QueuedPacket packet;
  ASSERT_TRUE(ParseQueuedPacket(message.header(), &packet));
  EXPECT_EQ(packet.mark, 0u);
}

}  // namespace
}  // namespace sallyport
