#ifndef SALLYPORT_ENGINE_NFT_SOCKET_H_
#define SALLYPORT_ENGINE_NFT_SOCKET_H_

// NftSocket: one request/reply socket to nf_tables, for what libnftables has no
// words for. Belongs to one thread at a time. The kernel works on a request
// inside our send call, so every reply is in the receive buffer when it
// returns: nothing here waits. Errors: ErrnoToStatus, so that callers can tell
// them by code; the errno itself comes with NftErrno.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct mnl_socket;
struct nlmsghdr;

namespace sallyport {

// Messages of one transaction, one after another, in nf_tables' framing.
class NftBatch {
 public:
  // kCheck: the kernel goes through everything, loads the modules it needs,
  // then forgets it; no event is seen by anybody.
  enum class End : uint8_t { kCommit, kCheck };

  explicit NftBatch(uint16_t family);

  // Space for one message; `build` appends attributes to it. The message must
  // not need more than kMaxMessageBytes.
  void Add(uint16_t type, uint16_t flags,
           const std::function<void(nlmsghdr*)>& build);
  static constexpr size_t kMaxMessageBytes = 4096;  // ours have under 300

 private:
  friend class NftSocket;
  void Finish(End end);

  const uint16_t family_;
  uint32_t sequence_ = 1;
  std::vector<char> bytes_;
};

class NftSocket {
 public:
  static absl::StatusOr<NftSocket> Open();

  // Returns 0 or the errno of the first message that was refused.
  int Run(NftBatch batch, NftBatch::End end);

  // Sends one request and calls `each` with every answer. Returns 0 or errno;
  // EINTR means that the ruleset changed meanwhile: ask again.
  int Ask(uint16_t type, uint16_t family, bool dump,
          const std::function<void(nlmsghdr*)>& build,
          const std::function<void(const nlmsghdr*)>& each);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  explicit NftSocket(mnl_socket* socket) : socket_(socket) {}

  std::unique_ptr<mnl_socket, Close> socket_;
  uint32_t sequence_ = 0;
};

// "What failed" as a Status that names the missing privilege or kernel option.
absl::Status NftErrorToStatus(int error, const char* what);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_NFT_SOCKET_H_
