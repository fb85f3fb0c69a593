#include "proc/diag_message.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sallyport::proc {
namespace {

bool IsSwapped(uint8_t protocol) {
  return protocol == kProtoUdp || protocol == kProtoUdpLite;
}

DiagRequest Request(uint8_t protocol, uint8_t family, uint16_t flags,
                    uint32_t sequence) {
  DiagRequest request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  request.header.nlmsg_seq = sequence;
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = protocol;
  request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

void PutAddress(const IpAddress& address, uint8_t family, __be32* out) {
  // An IPv4 address is kept mapped: its own four bytes are the last.
  if (family == AF_INET) {
    std::memcpy(out, address.bytes.data() + 12, 4);
  } else {
    std::memcpy(out, address.bytes.data(), 16);
  }
}

IpAddress TakeAddress(const __be32* words, uint8_t family) {
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), words, bytes.size());
  return family == AF_INET ? IpAddress::V4FromBytes(bytes.data())
                           : IpAddress::V6FromBytes(bytes.data());
}

// INET_DIAG_SKV6ONLY among the attributes behind the fixed part. Only told of
// sockets that are not connected, the only ones where it matters.
bool IsV6Only(std::span<const uint8_t> attributes) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr head;
    std::memcpy(&head, attributes.data(), sizeof(head));
    if (head.nla_len < sizeof(head) || head.nla_len > attributes.size()) break;
    if ((head.nla_type & NLA_TYPE_MASK) == INET_DIAG_SKV6ONLY &&
        head.nla_len > sizeof(head)) {
      return attributes[sizeof(head)] != 0;
    }
    attributes = attributes.subspan(std::min<size_t>(
        attributes.size(), NLMSG_ALIGN(static_cast<size_t>(head.nla_len))));
  }
  return false;
}

bool ReadSocket(std::span<const uint8_t> payload, SocketInfo* socket) {
  inet_diag_msg body;
  if (payload.size() < sizeof(body)) return false;
  std::memcpy(&body, payload.data(), sizeof(body));
  if (body.idiag_family != AF_INET && body.idiag_family != AF_INET6) {
    return false;
  }
  socket->inode = body.idiag_inode;
  socket->uid = body.idiag_uid;
  socket->state = body.idiag_state;
  socket->is_v6 = body.idiag_family == AF_INET6;
  socket->v6_only = socket->is_v6 && IsV6Only(payload.subspan(sizeof(body)));
  socket->bound_ifindex = body.id.idiag_if;
  socket->local = TakeAddress(body.id.idiag_src, body.idiag_family);
  socket->remote = TakeAddress(body.id.idiag_dst, body.idiag_family);
  socket->local_port = ntohs(body.id.idiag_sport);
  socket->remote_port = ntohs(body.id.idiag_dport);
  return true;
}

}  // namespace

DiagRequest ExactRequest(const Flow& flow, uint8_t family, uint32_t ifindex,
                         uint32_t sequence) {
  DiagRequest request = Request(flow.protocol, family, 0, sequence);
  inet_diag_sockid& id = request.body.id;
  bool swapped = IsSwapped(flow.protocol);
  request.body.idiag_states = ~0u;
  PutAddress(swapped ? flow.dst : flow.src, family, id.idiag_src);
  PutAddress(swapped ? flow.src : flow.dst, family, id.idiag_dst);
  id.idiag_sport = htons(swapped ? flow.dst_port : flow.src_port);
  id.idiag_dport = htons(swapped ? flow.src_port : flow.dst_port);
  id.idiag_if = ifindex;
  return request;
}

DiagRequest PortRequest(const Flow& flow, uint8_t family, uint32_t sequence) {
  DiagRequest request = Request(flow.protocol, family, NLM_F_DUMP, sequence);
  request.body.idiag_states = ~0u;
  request.body.id.idiag_sport = htons(flow.src_port);
  return request;
}

DiagRequest ProbeRequest(uint8_t protocol, uint8_t family, uint32_t sequence) {
  DiagRequest request = Request(protocol, family, NLM_F_DUMP, sequence);
  // A port nobody has: UDP has no states to filter by.
  request.body.id.idiag_sport = htons(1);
  request.body.id.idiag_dport = htons(1);
  return request;
}

bool DiagReader::Next(DiagMessage* message) {
  while (rest_.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, rest_.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest_.size()) {
      break;
    }
    std::span<const uint8_t> payload =
        rest_.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    rest_ = rest_.subspan(std::min<size_t>(
        rest_.size(), NLMSG_ALIGN(static_cast<size_t>(header.nlmsg_len))));
    if (header.nlmsg_seq != sequence_) continue;

    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
      message->kind = header.nlmsg_type == NLMSG_DONE
                          ? DiagMessage::Kind::kDone
                          : DiagMessage::Kind::kError;
      message->error = 0;
      // Both begin with an errno; a dump's failure comes in its NLMSG_DONE.
      int32_t error = 0;
      if (payload.size() >= sizeof(error)) {
        std::memcpy(&error, payload.data(), sizeof(error));
        message->error = error;
      }
      return true;
    }
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
    message->socket = SocketInfo();
    if (!ReadSocket(payload, &message->socket)) break;
    message->kind = DiagMessage::Kind::kSocket;
    message->error = 0;
    return true;
  }
  rest_ = {};
  return false;
}

}  // namespace sallyport::proc
