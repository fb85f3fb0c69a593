// One connect() in a process that is really new: started by connect_load, once
// per connection. Writes the nanoseconds that connect() took to its standard
// output. Uses libc only, so that the start of the process stays cheap.
//   cold_connect ADDRESS PORT

#include "bench/load_util.h"

using namespace sallyport::bench;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const sockaddr_in address = Address(argv[1], std::atoi(argv[2]));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int64_t start_ns = NowNs();
  if (connect(fd, AsSockaddr(address), sizeof(address)) != 0) return 1;
  const int64_t took_ns = NowNs() - start_ns;
  CloseByReset(fd);
  return write(STDOUT_FILENO, &took_ns, sizeof(took_ns)) == sizeof(took_ns) ? 0
                                                                            : 1;
}
