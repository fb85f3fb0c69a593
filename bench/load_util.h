#ifndef SALLYPORT_BENCH_LOAD_UTIL_H_
#define SALLYPORT_BENCH_LOAD_UTIL_H_

// What the load programs share: the clock, the counters of the server side
// and the way to give up. The programs are processes of one thread unless
// their own comment says otherwise; times are nanoseconds of CLOCK_MONOTONIC.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sallyport::bench {

inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] inline void Die(const char* what) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
               std::strerror(errno));
  std::exit(1);
}

inline sockaddr_in Address(const char* ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) {
    errno = EINVAL;
    Die(ip);
  }
  return address;
}

inline const sockaddr* AsSockaddr(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Close with RST: no TIME_WAIT, so that a run does not use up the ports.
inline void CloseByReset(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

// Counters of the server, in a file that both sides map: the two network
// namespaces share the file system, so reading them sends no packet.
struct ServerStats {
  std::atomic<uint64_t> accepted;
  std::atomic<uint64_t> udp_packets;
  std::atomic<uint64_t> tcp_bytes;
};

inline ServerStats* MapStats(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(ServerStats)) != 0) Die(path);
  void* map = mmap(nullptr, sizeof(ServerStats), PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) Die("mmap");
  close(fd);
  return static_cast<ServerStats*>(map);
}

}  // namespace sallyport::bench

#endif  // SALLYPORT_BENCH_LOAD_UTIL_H_
