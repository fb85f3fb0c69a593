// The peer of the load client, run in the peer namespace:
//   connect_server ADDRESS PORT THREADS STATS_FILE
// accepts TCP on PORT with THREADS listeners (SO_REUSEPORT), counts UDP
// datagrams on PORT + 1 and swallows TCP bytes on PORT + 2. Prints "ready" when
// all are bound; ends when its standard input does.

#include <array>
#include <thread>
#include <vector>

#include "bench/load_util.h"

namespace sallyport::bench {
namespace {

constexpr int kBacklog = 4096;
constexpr int kUdpBufferBytes = 64 << 20;
constexpr size_t kSinkBufferBytes = 256 << 10;

int Bind(const sockaddr_in& address, int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0) Die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (bind(fd, AsSockaddr(address), sizeof(address)) != 0) Die("bind");
  if (type == SOCK_STREAM && listen(fd, kBacklog) != 0) Die("listen");
  return fd;
}

// A connection is closed only when many younger ones have come: the client
// has reset it by then, so this side never sends a packet of its own into the
// measurement and never resets a client that is still in connect().
void AcceptLoop(int listener, ServerStats* stats) {
  std::array<int, 1024> open_fds;
  open_fds.fill(-1);
  for (size_t next = 0;; next = (next + 1) % open_fds.size()) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    stats->accepted.fetch_add(1, std::memory_order_relaxed);
    if (open_fds[next] >= 0) close(open_fds[next]);
    open_fds[next] = fd;
  }
}

void CountUdp(int fd, ServerStats* stats) {
  constexpr size_t kBatch = 256;
  static std::array<std::array<char, 16>, kBatch> bytes;
  std::array<iovec, kBatch> vectors;
  std::array<mmsghdr, kBatch> messages{};
  for (size_t i = 0; i < kBatch; ++i) {
    vectors[i] = {bytes[i].data(), bytes[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    const int got =
        recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (got > 0) {
      stats->udp_packets.fetch_add(static_cast<uint64_t>(got),
                                   std::memory_order_relaxed);
    }
  }
}

void SwallowTcp(int listener, ServerStats* stats) {
  std::vector<char> buffer(kSinkBufferBytes);
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ssize_t got;
    while ((got = recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      stats->tcp_bytes.fetch_add(static_cast<uint64_t>(got),
                                 std::memory_order_relaxed);
    }
    close(fd);
  }
}

int Run(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s ADDRESS PORT THREADS STATS_FILE\n",
                 argv[0]);
    return 2;
  }
  const int port = std::atoi(argv[2]);
  ServerStats* stats = MapStats(argv[4]);
  for (int i = std::atoi(argv[3]); i > 0; --i) {
    const int fd = Bind(Address(argv[1], port), SOCK_STREAM);
    std::thread(AcceptLoop, fd, stats).detach();
  }
  const int udp = Bind(Address(argv[1], port + 1), SOCK_DGRAM);
  setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &kUdpBufferBytes,
             sizeof(kUdpBufferBytes));
  std::thread(CountUdp, udp, stats).detach();
  const int sink = Bind(Address(argv[1], port + 2), SOCK_STREAM);
  std::thread(SwallowTcp, sink, stats).detach();
  std::puts("ready");
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  _exit(0);  // the threads above have no end of their own
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) { return sallyport::bench::Run(argc, argv); }
