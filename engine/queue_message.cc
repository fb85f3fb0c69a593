#include "engine/queue_message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <array>
#include <cstring>
#include <optional>

namespace sallyport {
namespace {

using Attributes = std::array<const nlattr*, NFQA_MAX + 1>;

int CollectAttribute(const nlattr* attr, void* into) {
  const uint16_t type = mnl_attr_get_type(attr);
  if (type <= NFQA_MAX) (*static_cast<Attributes*>(into))[type] = attr;
  return MNL_CB_OK;
}

std::optional<uint32_t> Number(const nlattr* attr) {
  if (attr == nullptr || mnl_attr_get_payload_len(attr) < 4) {
    return std::nullopt;
  }
  return ntohl(mnl_attr_get_u32(attr));
}

}  // namespace

bool ParseQueuedPacket(const nlmsghdr* message, QueuedPacket* packet) {
  if (message->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET) ||
      mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) {
    return false;
  }
  Attributes attrs{};
  mnl_attr_parse(message, sizeof(nfgenmsg), CollectAttribute, &attrs);
  const nlattr* header = attrs[NFQA_PACKET_HDR];
  if (header == nullptr ||
      mnl_attr_get_payload_len(header) < sizeof(nfqnl_msg_packet_hdr)) {
    return false;
  }
  // packet_id is not aligned for uint32_t in every kernel's layout.
  uint32_t id;
  std::memcpy(&id, mnl_attr_get_payload(header), sizeof(id));
  *packet = QueuedPacket{};
  packet->id = ntohl(id);
  packet->mark = Number(attrs[NFQA_MARK]).value_or(0);
  packet->out_ifindex = Number(attrs[NFQA_IFINDEX_OUTDEV]).value_or(0);
  packet->uid = Number(attrs[NFQA_UID]);
  if (const nlattr* payload = attrs[NFQA_PAYLOAD]; payload != nullptr) {
    packet->bytes = {static_cast<const uint8_t*>(mnl_attr_get_payload(payload)),
                     mnl_attr_get_payload_len(payload)};
  }
  packet->length = Number(attrs[NFQA_CAP_LEN])
                       .value_or(static_cast<uint32_t>(packet->bytes.size()));
  return true;
}

}  // namespace sallyport
