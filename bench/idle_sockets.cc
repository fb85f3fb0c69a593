// A busy machine's background: PROCESSES processes that hold SOCKETS bound
// sockets each (half UDP, half listening TCP) and do nothing.
//   idle_sockets PROCESSES SOCKETS
// Prints "ready" when all sockets are there; ends, with all its processes, when
// its standard input does. Ports 2000 upwards on 127.0.0.1, below the range
// that bench/run leaves to the clients.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <vector>

#include "bench/load_util.h"

namespace sallyport::bench {
namespace {

constexpr int kFirstPort = 2000;

[[noreturn]] void HoldSockets(int index, int sockets, int ready_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < sockets; ++i) {
    const int type = i % 2 == 0 ? SOCK_DGRAM : SOCK_STREAM;
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const int port = kFirstPort + (index * sockets + i) / 2;
    const sockaddr_in address = Address("127.0.0.1", port);
    if (fd < 0 || bind(fd, AsSockaddr(address), sizeof(address)) != 0 ||
        (type == SOCK_STREAM && listen(fd, 1) != 0)) {
      Die("idle socket");
    }
  }
  if (write(ready_fd, "r", 1) != 1) Die("ready pipe");
  close(ready_fd);
  for (;;) pause();
}

int Run(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s PROCESSES SOCKETS\n", argv[0]);
    return 2;
  }
  const int processes = std::atoi(argv[1]);
  const int sockets = std::atoi(argv[2]);
  int ready[2];
  if (pipe(ready) != 0) Die("pipe");
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) Die("fork");
    if (child == 0) HoldSockets(i, sockets, ready[1]);
    children.push_back(child);
  }
  close(ready[1]);
  int left = processes;
  char byte;
  while (left > 0 && read(ready[0], &byte, 1) == 1) --left;
  std::puts(left == 0 ? "ready" : "failed");
  std::fflush(stdout);
  while (left == 0 && read(STDIN_FILENO, &byte, 1) > 0) {
  }
  for (const pid_t child : children) kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  return left == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) { return sallyport::bench::Run(argc, argv); }
