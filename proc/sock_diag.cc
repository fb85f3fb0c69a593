#include "proc/sock_diag.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bitset>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proc/diag_message.h"
#include "proc/unique_fd.h"

namespace sallyport {
namespace {

using proc::DiagMessage;
using proc::DiagReader;
using proc::DiagRequest;
using proc::UniqueFd;

constexpr uint8_t kTcpListen = 10;  // TCP_LISTEN of the kernel

// Bytes. The kernel fills a dump's datagram up to the size of the largest
// buffer it has seen, 32 KiB at most.
constexpr size_t kReceiveBytes = 32768;
// Datagrams of one answer: 64 sockets fit into one; late ones are skipped.
constexpr int kMaxDatagrams = 64;

class SockDiagLookup : public SocketLookup {
 public:
  explicit SockDiagLookup(UniqueFd fd)
      : fd_(std::move(fd)), buffer_(kReceiveBytes) {}

  void ProbeProtocols() {
    for (int protocol : {6, 17, 33, 132, 136}) {
      SocketSet none;
      auto result = Ask(proc::ProbeRequest(static_cast<uint8_t>(protocol),
                                           AF_INET, ++sequence_),
                        true, [](const SocketInfo&) {});
      supported_[static_cast<size_t>(protocol)] =
          result != LookupResult::kUnsupported;
    }
  }

  LookupResult FindExact(const Flow& flow, SocketInfo* socket) override {
    if (!supported_[flow.protocol]) return LookupResult::kUnsupported;
    uint8_t family = flow.is_v6 ? AF_INET6 : AF_INET;
    // A socket bound to a device is found with the device's index only, one
    // that is not with any index: so the packet's own interface comes first
    // and never finds less than 0 does (CASES A26).
    LookupResult result = AskExact(flow, family, flow.out_ifindex, socket);
    if (result != LookupResult::kNotFound) return result;
    if (!flow.is_v6) {
      result = AskExact(flow, AF_INET6, flow.out_ifindex, socket);
      if (result != LookupResult::kNotFound) return result;
    }
    // VRF: the packet leaves by a slave, the socket is bound to the master.
    if (flow.out_ifindex == 0) return LookupResult::kNotFound;
    return AskExact(flow, family, 0, socket);
  }

  LookupResult FindByPort(const Flow& flow, SocketSet* sockets) override {
    if (!supported_[flow.protocol]) return LookupResult::kUnsupported;
    size_t before = sockets->size();
    auto add = [&](const SocketInfo& found) {
      if (!CanSend(found, flow)) return;
      if (sockets->size() < kMaxSocketCandidates) sockets->push_back(found);
    };
    LookupResult result = LookupResult::kNotFound;
    if (!flow.is_v6) {
      result = Ask(proc::PortRequest(flow, AF_INET, ++sequence_), true, add);
      if (result == LookupResult::kFailed) return result;
    }
    result = Ask(proc::PortRequest(flow, AF_INET6, ++sequence_), true, add);
    // A kernel without IPv6 is no failure for an IPv4 flow.
    if (result == LookupResult::kFailed && flow.is_v6) return result;
    return sockets->size() > before ? LookupResult::kFound
                                    : LookupResult::kNotFound;
  }

 private:
  // Can a socket that has the packet's source port have sent it? Addresses
  // prove nothing for UDP: sendto and IP_PKTINFO override both.
  static bool CanSend(const SocketInfo& socket, const Flow& flow) {
    if (socket.local_port != flow.src_port) return false;
    if (socket.is_v6 && !flow.is_v6) {
      bool bound_to_v6 = socket.local != IpAddress() && !socket.local.IsV4();
      return !socket.v6_only && !bound_to_v6;
    }
    return true;
  }

  LookupResult AskExact(const Flow& flow, uint8_t family, uint32_t ifindex,
                        SocketInfo* socket) {
    bool found = false;
    LookupResult result =
        Ask(proc::ExactRequest(flow, family, ifindex, ++sequence_), false,
            [&](const SocketInfo& answer) {
              *socket = answer;
              found = true;
            });
    if (result != LookupResult::kFound) return result;
    // The kernel falls back to a listener on the source port. A listener
    // sends nothing by itself: such a packet is somebody's forgery.
    bool is_listener =
        flow.protocol == kProtoTcp && socket->state == kTcpListen;
    return found && !is_listener && CanSend(*socket, flow)
               ? LookupResult::kFound
               : LookupResult::kNotFound;
  }

  template <typename Visitor>
  LookupResult Ask(const DiagRequest& request, bool is_dump,
                   const Visitor& visit) {
    if (send(fd_.get(), &request, sizeof(request), 0) < 0) {
      return LookupResult::kFailed;
    }
    bool found = false;
    for (int i = 0; i < kMaxDatagrams; ++i) {
      ssize_t got =
          recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return LookupResult::kFailed;
      DiagReader reader({buffer_.data(), static_cast<size_t>(got)},
                        request.header.nlmsg_seq);
      DiagMessage message;
      while (reader.Next(&message)) {
        if (message.kind == DiagMessage::Kind::kSocket) {
          visit(message.socket);
          found = true;
          if (!is_dump) return LookupResult::kFound;
          continue;
        }
        if (message.error == -ENOENT) {
          // To an exact request: no such socket. To a dump: no such module.
          return is_dump ? LookupResult::kUnsupported : LookupResult::kNotFound;
        }
        if (message.error != 0) return LookupResult::kFailed;
        return found ? LookupResult::kFound : LookupResult::kNotFound;
      }
    }
    return LookupResult::kFailed;
  }

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::bitset<256> supported_;
  std::vector<uint8_t> buffer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SocketLookup>> OpenSockDiag() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (!fd.ok() || connect(fd.get(), reinterpret_cast<sockaddr*>(&kernel),
                          sizeof(kernel)) != 0) {
    return absl::UnavailableError(
        absl::StrCat("sock_diag: ", std::strerror(errno),
                     " (kernel option CONFIG_INET_DIAG)"));
  }
  auto lookup = std::make_unique<SockDiagLookup>(std::move(fd));
  lookup->ProbeProtocols();
  return lookup;
}

}  // namespace sallyport
