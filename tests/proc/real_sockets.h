#ifndef SALLYPORT_TESTS_PROC_REAL_SOCKETS_H_
#define SALLYPORT_TESTS_PROC_REAL_SOCKETS_H_

// Sockets over loopback and the flows their packets would have.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <utility>

#include "proc/unique_fd.h"
#include "rules/flow.h"

namespace sallyport {

using proc::UniqueFd;

inline sockaddr_in LoopbackV4(uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline uint16_t LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

inline Flow LoopbackFlow(uint8_t protocol, uint16_t src_port,
                         uint16_t dst_port) {
  Flow flow;
  flow.protocol = protocol;
  flow.src = flow.dst = IpAddress::V4(INADDR_LOOPBACK);
  flow.src_port = src_port;
  flow.dst_port = dst_port;
  return flow;
}

inline bool Bind(int fd, const sockaddr_in& address) {
  return bind(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0;
}

inline bool Connect(int fd, const sockaddr_in& address) {
  return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0;
}

// Not close-on-exec: what a child runs has it too.
inline UniqueFd UdpSocket(uint16_t port = 0) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  Bind(fd.get(), LoopbackV4(port));
  return fd;
}

class TcpServer {
 public:
  TcpServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Bind(fd_.get(), LoopbackV4());
    listen(fd_.get(), 1024);
  }
  uint16_t port() const { return LocalPort(fd_.get()); }
  UniqueFd Connect(int flags = 0) const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | flags, 0));
    sallyport::Connect(fd.get(), LoopbackV4(port()));
    return fd;
  }
  Flow FlowOf(const UniqueFd& client) const {
    return LoopbackFlow(kProtoTcp, LocalPort(client.get()), port());
  }

 private:
  UniqueFd fd_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_REAL_SOCKETS_H_
