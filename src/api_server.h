#ifndef SALLYPORT_SRC_API_SERVER_H_
#define SALLYPORT_SRC_API_SERVER_H_

// ApiServer: HTTP/1.1 on the control socket (libmicrohttpd). One thread of
// ours accepts (credentials, limits, back-off under EMFILE, keep-alive of
// event streams); two threads of libmicrohttpd serve. A client that sends
// garbage, half a request, or does not read, loses its connection; nothing
// else happens (F28). Start and Stop are for main; no wake-ups while nobody is
// connected.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/api_router.h"
#include "src/api_socket.h"

namespace sallyport {

struct ApiLimits {
  size_t body_bytes = 1 << 20;        // a rule file of thousands of rules
  unsigned connections = 256;         // in total
  unsigned connections_per_uid = 64;  // one user can't lock the others out
  absl::Duration request_timeout = absl::Seconds(10);  // whole request
  absl::Duration stream_keep_alive = absl::Seconds(15);
};

class ApiServer {
 public:
  // `socket` and what `context` points at must outlive the server.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(
      const ListeningSocket& socket, std::optional<gid_t> control_gid,
      ApiContext context, ApiLimits limits = {});
  virtual ~ApiServer() = default;  // stops: streams end, threads are joined
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_SERVER_H_
