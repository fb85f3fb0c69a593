#include "engine/netlink_conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace sallyport {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;
// One request: header, tuple, id, zone, mark: under 150 bytes.
constexpr size_t kMaxRequestBytes = 256;
// Requests in one send; their errors (60 bytes each and more) must fit the
// default receive buffer.
constexpr size_t kRequestsPerSend = 64;

absl::Status CtErrorToStatus(int error, const char* what) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          "conntrack: reading and changing it needs CAP_NET_ADMIN");
    case EINVAL:      // what nfnetlink says to a subsystem it does not have
    case EOPNOTSUPP:  // the same, for some kernels
    case EPROTONOSUPPORT:
      return absl::UnimplementedError(
          "conntrack: the kernel has no ctnetlink; load module "
          "nf_conntrack_netlink (CONFIG_NF_CT_NETLINK)");
    default:
      return absl::ErrnoToStatus(error, what);
  }
}

using AttributeTable = std::array<const nlattr*, 32>;

int CollectAttribute(const nlattr* attribute, void* data) {
  auto& table = *static_cast<AttributeTable*>(data);
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type < table.size()) table[type] = attribute;
  return MNL_CB_OK;
}

AttributeTable Nested(const nlattr* attribute) {
  AttributeTable table{};
  mnl_attr_parse_nested(attribute, CollectAttribute, &table);
  return table;
}

// Null unless the attribute is there and long enough for `length`.
const uint8_t* Bytes(const nlattr* attribute, size_t length) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < length) {
    return nullptr;
  }
  return static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
}

uint16_t Port(const nlattr* attribute) {
  const uint8_t* bytes = Bytes(attribute, 2);
  return bytes == nullptr ? uint16_t{0}
                          : static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

uint8_t Byte(const nlattr* attribute) {
  const uint8_t* bytes = Bytes(attribute, 1);
  return bytes == nullptr ? uint8_t{0} : *bytes;
}

uint32_t Word(const nlattr* attribute) {
  const uint8_t* bytes = Bytes(attribute, 4);
  if (bytes == nullptr) return 0;
  uint32_t value;
  memcpy(&value, bytes, sizeof(value));
  return ntohl(value);
}

bool ParseTuple(const nlattr* tuple, Flow* flow) {
  const AttributeTable parts = Nested(tuple);
  if (parts[CTA_TUPLE_IP] == nullptr || parts[CTA_TUPLE_PROTO] == nullptr) {
    return false;
  }
  const AttributeTable ip = Nested(parts[CTA_TUPLE_IP]);
  const uint8_t* src4 = Bytes(ip[CTA_IP_V4_SRC], 4);
  const uint8_t* dst4 = Bytes(ip[CTA_IP_V4_DST], 4);
  const uint8_t* src6 = Bytes(ip[CTA_IP_V6_SRC], 16);
  const uint8_t* dst6 = Bytes(ip[CTA_IP_V6_DST], 16);
  if (src4 != nullptr && dst4 != nullptr) {
    flow->src = IpAddress::V4FromBytes(src4);
    flow->dst = IpAddress::V4FromBytes(dst4);
  } else if (src6 != nullptr && dst6 != nullptr) {
    flow->is_v6 = true;
    flow->src = IpAddress::V6FromBytes(src6);
    flow->dst = IpAddress::V6FromBytes(dst6);
  } else {
    return false;
  }
  const AttributeTable proto = Nested(parts[CTA_TUPLE_PROTO]);
  flow->protocol = Byte(proto[CTA_PROTO_NUM]);
  if (flow->protocol == kProtoIcmp) {
    flow->icmp_type = Byte(proto[CTA_PROTO_ICMP_TYPE]);
    flow->icmp_code = Byte(proto[CTA_PROTO_ICMP_CODE]);
    flow->src_port = Port(proto[CTA_PROTO_ICMP_ID]);
  } else if (flow->protocol == kProtoIcmpV6) {
    flow->icmp_type = Byte(proto[CTA_PROTO_ICMPV6_TYPE]);
    flow->icmp_code = Byte(proto[CTA_PROTO_ICMPV6_CODE]);
    flow->src_port = Port(proto[CTA_PROTO_ICMPV6_ID]);
  } else {
    flow->src_port = Port(proto[CTA_PROTO_SRC_PORT]);
    flow->dst_port = Port(proto[CTA_PROTO_DST_PORT]);
  }
  return true;
}

void PutAddress(nlmsghdr* header, uint16_t type, const IpAddress& address,
                bool is_v6) {
  if (is_v6) {
    mnl_attr_put(header, type, 16, address.bytes.data());
  } else {
    mnl_attr_put(header, type, 4, address.bytes.data() + 12);
  }
}

void PutTuple(nlmsghdr* header, const Flow& flow) {
  nlattr* tuple = mnl_attr_nest_start(header, CTA_TUPLE_ORIG);
  nlattr* ip = mnl_attr_nest_start(header, CTA_TUPLE_IP);
  PutAddress(header, flow.is_v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, flow.src,
             flow.is_v6);
  PutAddress(header, flow.is_v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, flow.dst,
             flow.is_v6);
  mnl_attr_nest_end(header, ip);
  nlattr* proto = mnl_attr_nest_start(header, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(header, CTA_PROTO_NUM, flow.protocol);
  if (flow.protocol == kProtoIcmp) {
    mnl_attr_put_u8(header, CTA_PROTO_ICMP_TYPE, flow.icmp_type);
    mnl_attr_put_u8(header, CTA_PROTO_ICMP_CODE, flow.icmp_code);
    mnl_attr_put_u16(header, CTA_PROTO_ICMP_ID, htons(flow.src_port));
  } else if (flow.protocol == kProtoIcmpV6) {
    mnl_attr_put_u8(header, CTA_PROTO_ICMPV6_TYPE, flow.icmp_type);
    mnl_attr_put_u8(header, CTA_PROTO_ICMPV6_CODE, flow.icmp_code);
    mnl_attr_put_u16(header, CTA_PROTO_ICMPV6_ID, htons(flow.src_port));
  } else {
    mnl_attr_put_u16(header, CTA_PROTO_SRC_PORT, htons(flow.src_port));
    mnl_attr_put_u16(header, CTA_PROTO_DST_PORT, htons(flow.dst_port));
  }
  mnl_attr_nest_end(header, proto);
  mnl_attr_nest_end(header, tuple);
}

nlmsghdr* StartRequest(char* buffer, uint16_t type, uint16_t flags,
                       uint32_t sequence, uint8_t family) {
  nlmsghdr* header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header->nlmsg_seq = sequence;
  auto* generic = static_cast<nfgenmsg*>(
      mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  generic->nfgen_family = family;
  generic->version = NFNETLINK_V0;
  return header;
}

uint8_t FamilyOf(const Flow& flow) { return flow.is_v6 ? AF_INET6 : AF_INET; }

void PutEntryName(nlmsghdr* header, const ConntrackEntry& entry) {
  PutTuple(header, entry.flow);
  if (entry.zone != 0) {
    mnl_attr_put_u16(header, CTA_ZONE, htons(entry.zone));
  }
}

// Calls `each` with every message that is in the socket now, until a done or
// an error; the kernel has answered before our send returned. Returns errno.
template <typename Each>
int Drain(mnl_socket* socket, uint32_t sequence, const Each& each) {
  std::vector<char> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t received = recv(mnl_socket_get_fd(socket), buffer.data(),
                                  buffer.size(), MSG_DONTWAIT);
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    int left = static_cast<int>(received);
    auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence) continue;
      if (header->nlmsg_type == NLMSG_DONE) return 0;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error =
            static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
        return -error->error;
      }
      each(header);
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetlinkConntrack>> NetlinkConntrack::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return CtErrorToStatus(errno, "cannot open a conntrack socket");
  }
  std::unique_ptr<NetlinkConntrack> opened(new NetlinkConntrack(socket));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    return CtErrorToStatus(errno, "cannot bind a conntrack socket");
  }
  return opened;
}

NetlinkConntrack::~NetlinkConntrack() { mnl_socket_close(socket_); }

absl::StatusOr<ConntrackDump> NetlinkConntrack::Dump(uint32_t mask,
                                                     uint32_t value) {
  std::array<char, kMaxRequestBytes> request;
  nlmsghdr* header = StartRequest(request.data(), IPCTNL_MSG_CT_GET, NLM_F_DUMP,
                                  ++sequence_, AF_UNSPEC);
  // A mask of zero matches everything, with or without the kernel's filter.
  mnl_attr_put_u32(header, CTA_MARK, htonl(value));
  mnl_attr_put_u32(header, CTA_MARK_MASK, htonl(mask));
  if (mnl_socket_sendto(socket_, header, header->nlmsg_len) < 0) {
    return CtErrorToStatus(errno, "cannot ask for conntrack entries");
  }
  ConntrackDump dump;
  const int error = Drain(socket_, sequence_, [&](const nlmsghdr* message) {
    const std::optional<ConntrackEntry> entry = ParseConntrackEntry(message);
    if (!entry.has_value() || (entry->mark & mask) != value) return;
    if (dump.entries.size() >= kMaxConntrackEntries) {
      dump.truncated = true;
      return;
    }
    dump.entries.push_back(*entry);
  });
  if (error != 0) {
    return CtErrorToStatus(error, "cannot read conntrack entries");
  }
  return dump;
}

absl::Status NetlinkConntrack::Delete(const ConntrackEntry& entry) {
  std::array<char, kMaxRequestBytes> request;
  nlmsghdr* header = StartRequest(request.data(), IPCTNL_MSG_CT_DELETE,
                                  NLM_F_ACK, ++sequence_, FamilyOf(entry.flow));
  PutEntryName(header, entry);
  mnl_attr_put_u32(header, CTA_ID, htonl(entry.id));
  if (mnl_socket_sendto(socket_, header, header->nlmsg_len) < 0) {
    return CtErrorToStatus(errno, "cannot delete a conntrack entry");
  }
  return CtErrorToStatus(Drain(socket_, sequence_, [](const nlmsghdr*) {}),
                         "cannot delete a conntrack entry");
}

absl::StatusOr<size_t> NetlinkConntrack::SetMark(
    std::span<const ConntrackEntry> entries, uint32_t mask, uint32_t value) {
  std::vector<char> requests(kRequestsPerSend * kMaxRequestBytes);
  size_t changed = 0;
  while (!entries.empty()) {
    const auto part = entries.first(std::min(entries.size(), kRequestsPerSend));
    entries = entries.subspan(part.size());
    size_t length = 0;
    for (const ConntrackEntry& entry : part) {
      // No NLM_F_CREATE: an entry that is gone stays gone.
      nlmsghdr* header =
          StartRequest(requests.data() + length, IPCTNL_MSG_CT_NEW, NLM_F_ACK,
                       ++sequence_, FamilyOf(entry.flow));
      PutEntryName(header, entry);
      mnl_attr_put_u32(header, CTA_MARK, htonl(value));
      mnl_attr_put_u32(header, CTA_MARK_MASK, htonl(mask));
      length += MNL_ALIGN(header->nlmsg_len);
    }
    if (mnl_socket_sendto(socket_, requests.data(), length) < 0) {
      return CtErrorToStatus(errno, "cannot mark conntrack entries");
    }
    const uint32_t first = sequence_ - static_cast<uint32_t>(part.size()) + 1;
    for (uint32_t sequence = first; sequence <= sequence_; ++sequence) {
      // Acknowledgements come in order, one datagram each.
      const int error = Drain(socket_, sequence, [](const nlmsghdr*) {});
      if (error == 0) {
        ++changed;
      } else if (error != ENOENT) {
        return CtErrorToStatus(error, "cannot mark a conntrack entry");
      }
    }
  }
  return changed;
}

std::optional<ConntrackEntry> ParseConntrackEntry(const nlmsghdr* header) {
  if (mnl_nlmsg_get_payload_len(header) < sizeof(nfgenmsg)) {
    return std::nullopt;
  }
  AttributeTable attributes{};
  mnl_attr_parse(header, sizeof(nfgenmsg), CollectAttribute, &attributes);
  ConntrackEntry entry;
  if (attributes[CTA_TUPLE_ORIG] == nullptr ||
      !ParseTuple(attributes[CTA_TUPLE_ORIG], &entry.flow)) {
    return std::nullopt;
  }
  entry.mark = Word(attributes[CTA_MARK]);
  entry.id = Word(attributes[CTA_ID]);
  entry.zone = Port(attributes[CTA_ZONE]);
  return entry;
}

}  // namespace sallyport
