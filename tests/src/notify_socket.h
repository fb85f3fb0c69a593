#ifndef SALLYPORT_TESTS_SRC_NOTIFY_SOCKET_H_
#define SALLYPORT_TESTS_SRC_NOTIFY_SOCKET_H_

// The socket that systemd would listen on (sd_notify), while this lives.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/src/temp_dir.h"

namespace sallyport {

class NotifySocket {
 public:
  NotifySocket() {
    const std::string path = dir_ / "notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The next message; "": there is none.
  std::string Heard() {
    char text[1000];
    const ssize_t n = recv(fd_, text, sizeof(text), 0);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

 private:
  TempDir dir_;
  int fd_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_NOTIFY_SOCKET_H_
