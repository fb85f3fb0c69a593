#include "engine/socket_destroy.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport {
namespace {

// One answer: header and inet_diag_msg with a few attributes.
constexpr size_t kAnswerBytes = 8192;

uint8_t FamilyOf(const Flow& flow) { return flow.is_v6 ? AF_INET6 : AF_INET; }

void CopyAddress(const IpAddress& address, bool is_v6, uint32_t* to) {
  if (is_v6) {
    memcpy(to, address.bytes.data(), 16);
  } else {
    memcpy(to, address.bytes.data() + 12, 4);
  }
}

inet_diag_req_v2 MakeRequest(const Flow& flow) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = FamilyOf(flow);
  request.sdiag_protocol = flow.protocol;
  request.idiag_states = ~0u;
  request.id.idiag_sport = htons(flow.src_port);
  request.id.idiag_dport = htons(flow.dst_port);
  CopyAddress(flow.src, flow.is_v6, request.id.idiag_src);
  CopyAddress(flow.dst, flow.is_v6, request.id.idiag_dst);
  request.id.idiag_if = flow.out_ifindex;
  request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

// Sends one request; `found` gets the answer if there is one. Returns errno.
int Ask(mnl_socket* socket, uint32_t sequence, uint16_t type, uint16_t flags,
        const inet_diag_req_v2& request, inet_diag_msg* found) {
  alignas(nlmsghdr) std::array<char, kAnswerBytes> buffer;
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header->nlmsg_seq = sequence;
  memcpy(mnl_nlmsg_put_extra_header(header, sizeof(request)), &request,
         sizeof(request));
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) return errno;
  for (;;) {
    // The answer is there: the kernel made it inside our send.
    const ssize_t received = recv(mnl_socket_get_fd(socket), buffer.data(),
                                  buffer.size(), MSG_DONTWAIT);
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    int left = static_cast<int>(received);
    header = reinterpret_cast<nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence) continue;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error =
            static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
        return -error->error;
      }
      if (found == nullptr ||
          mnl_nlmsg_get_payload_len(header) < sizeof(*found)) {
        continue;
      }
      memcpy(found, mnl_nlmsg_get_payload(header), sizeof(*found));
      return 0;
    }
  }
}

// An IPv4 peer of an AF_INET6 socket is shown in its mapped form.
IpAddress PeerOf(const inet_diag_msg& message) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(message.id.idiag_dst);
  return message.idiag_family == AF_INET ? IpAddress::V4FromBytes(bytes)
                                         : IpAddress::V6FromBytes(bytes);
}

bool IsConnectedTo(const inet_diag_msg& message, const Flow& flow) {
  return ntohs(message.id.idiag_dport) == flow.dst_port &&
         ntohs(message.id.idiag_sport) == flow.src_port &&
         PeerOf(message) == flow.dst && message.idiag_state != TCP_LISTEN;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiagSocketDestroyer>>
DiagSocketDestroyer::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return absl::ErrnoToStatus(errno, "cannot open a sock_diag socket");
  }
  std::unique_ptr<DiagSocketDestroyer> opened(new DiagSocketDestroyer(socket));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    return absl::ErrnoToStatus(errno, "cannot bind a sock_diag socket");
  }
  return opened;
}

DiagSocketDestroyer::~DiagSocketDestroyer() { mnl_socket_close(socket_); }

DestroyResult DiagSocketDestroyer::Destroy(const Flow& flow) {
  if (flow.protocol != kProtoTcp && flow.protocol != kProtoUdp) {
    return DestroyResult::kUnsupported;
  }
  inet_diag_req_v2 lookup = MakeRequest(flow);
  if (flow.protocol == kProtoUdp) {
    // The kernel's UDP lookup takes the tuple as the peer sees it (CASES A24),
    // its destroy as we see it.
    std::swap(lookup.id.idiag_sport, lookup.id.idiag_dport);
    std::swap(lookup.id.idiag_src, lookup.id.idiag_dst);
  }
  inet_diag_msg found = {};
  last_errno_ =
      Ask(socket_, ++sequence_, SOCK_DIAG_BY_FAMILY, 0, lookup, &found);
  if (last_errno_ == ENOENT) return DestroyResult::kNoSocket;
  if (last_errno_ != 0) return DestroyResult::kFailed;
  if (!IsConnectedTo(found, flow)) return DestroyResult::kNotConnected;

  inet_diag_req_v2 destroy = MakeRequest(flow);
  destroy.id.idiag_if = found.id.idiag_if;
  memcpy(destroy.id.idiag_cookie, found.id.idiag_cookie,
         sizeof(destroy.id.idiag_cookie));
  last_errno_ =
      Ask(socket_, ++sequence_, SOCK_DESTROY, NLM_F_ACK, destroy, nullptr);
  switch (last_errno_) {
    case 0:
      return DestroyResult::kDestroyed;
    case ENOENT:
    case ESTALE:  // another socket has the tuple now
      return DestroyResult::kNoSocket;
    case EOPNOTSUPP:
      return DestroyResult::kUnsupported;
    default:
      return DestroyResult::kFailed;
  }
}

}  // namespace sallyport
