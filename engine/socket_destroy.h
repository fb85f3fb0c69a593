#ifndef SALLYPORT_ENGINE_SOCKET_DESTROY_H_
#define SALLYPORT_ENGINE_SOCKET_DESTROY_H_

// SocketDestroyer: ends the connection of one socket (CASES B05), so that its
// program gets ECONNABORTED at once instead of silence. For one thread at a
// time. Kernel surface: the real one is DiagSocketDestroyer below, the fake is
// in tests/engine.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "rules/flow.h"

struct mnl_socket;

namespace sallyport {

enum class DestroyResult : uint8_t {
  kDestroyed,
  kNoSocket,      // nobody has this tuple (any more)
  kNotConnected,  // the socket is not bound to this peer alone: left as it is
  kUnsupported,   // protocol or kernel (CONFIG_INET_DIAG_DESTROY) cannot
  kFailed,        // errno in last_errno()
};

class SocketDestroyer {
 public:
  virtual ~SocketDestroyer() = default;
  // TCP and UDP; of `flow` the source is ours, the destination the peer.
  virtual DestroyResult Destroy(const Flow& flow) = 0;
  virtual int last_errno() const = 0;
};

// SOCK_DESTROY through sock_diag. Needs CAP_NET_ADMIN. The socket is first
// looked up and then destroyed by its cookie, because the kernel's lookup falls
// back to listeners and to unconnected sockets, which serve other peers too.
class DiagSocketDestroyer final : public SocketDestroyer {
 public:
  // In the network namespace of the calling thread.
  static absl::StatusOr<std::unique_ptr<DiagSocketDestroyer>> Open();
  ~DiagSocketDestroyer() override;

  DestroyResult Destroy(const Flow& flow) override;
  int last_errno() const override { return last_errno_; }

 private:
  explicit DiagSocketDestroyer(mnl_socket* socket) : socket_(socket) {}

  mnl_socket* const socket_;
  uint32_t sequence_ = 0;
  int last_errno_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_SOCKET_DESTROY_H_
