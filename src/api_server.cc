#include "src/api_server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "rules/text_util.h"
#include "src/api_connections.h"
#include "src/api_live.h"

namespace sallyport {
namespace {

using Clock = ApiConnections::Clock;

constexpr unsigned kServerThreads = 2;
constexpr size_t kConnectionMemoryBytes = 64 << 10;  // headers and buffers
constexpr size_t kMaxParameters = 32;                // of the query
// An answer that nobody takes; a stream has its own bound.
constexpr auto kAnswerTimeout = std::chrono::seconds(60);
constexpr auto kAcceptBackOff = std::chrono::milliseconds(100);

// A body that is too large is read and thrown away up to this many times the
// limit, so that the client, who writes first, gets to read why.
constexpr size_t kDiscardFactor = 8;

// What is collected of one request.
struct PendingRequest {
  std::string body;
  size_t discarded_bytes = 0;
  bool too_large = false;
};

class Server : public ApiServer {
 public:
  Server(const ListeningSocket& socket, std::optional<gid_t> control_gid,
         ApiContext context, ApiLimits limits)
      : socket_(socket),
        control_gid_(control_gid),
        context_(std::move(context)),
        limits_(limits),
        connections_(limits.connections, limits.connections_per_uid) {}

  ~Server() override;

  absl::Status Begin();

 private:
  void WakeServe();

  // Accepting thread.
  void Serve();
  void AcceptOne();
  void TakeConnection(int fd);
  void BackOff();
  int PollTimeoutMs();

  // Library's threads.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection,
                              const char* url, const char* method,
                              const char* version, const char* upload,
                              size_t* upload_size, void** state);
  static void OnCompleted(void* self, MHD_Connection* connection, void** state,
                          MHD_RequestTerminationCode code);
  static void OnConnection(void* self, MHD_Connection* connection,
                           void** socket_state,
                           MHD_ConnectionNotificationCode code);
  MHD_Result CollectBody(PendingRequest* pending, const char* upload,
                         size_t* upload_size);
  bool IsHopelesslyLarge(MHD_Connection* connection) const;
  MHD_Result Answer(MHD_Connection* connection, const char* url,
                    const char* method, PendingRequest* pending);
  MHD_Result Send(MHD_Connection* connection, ApiResponse response);
  ApiResponse TooLarge() const;

  const ListeningSocket& socket_;
  const std::optional<gid_t> control_gid_;
  const ApiContext context_;
  const ApiLimits limits_;

  ApiConnections connections_;
  LiveStreams streams_;
  MHD_Daemon* library_ = nullptr;
  std::atomic<bool> stopping_{false};
  int wake_fd_ = -1;
  int reserve_fd_ = -1;  // accepting thread: given up to refuse under EMFILE
  Clock::time_point next_keep_alive_ = Clock::time_point::max();
  std::thread thread_;
};

// For who never gets to the library.
std::string BusyAnswer() {
  const std::string body =
      ErrorResponse(503, "limit", "too many connections at once").body;
  return Concat("HTTP/1.1 503 Service Unavailable\r\n",
                "Content-Type: application/json\r\nConnection: close\r\n",
                "Content-Length: ", body.size(), "\r\n\r\n", body);
}

int FdOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? -1 : info->connect_fd;
}

MHD_Result CollectParameter(void* map, MHD_ValueKind, const char* key,
                            const char* value) {
  auto& query = *static_cast<std::map<std::string, std::string>*>(map);
  if (query.size() >= kMaxParameters) return MHD_NO;
  query[key == nullptr ? "" : key] = value == nullptr ? "" : value;
  return MHD_YES;
}

absl::Status Server::Begin() {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (wake_fd_ < 0 || reserve_fd_ < 0) {
    return absl::ErrnoToStatus(errno, "cannot start the control server");
  }
  // The library refuses silently where it counts; ours is the count that
  // matters, so its is never reached.
  const unsigned most = limits_.connections * 2 + kServerThreads;
  // Not epoll, which the library uses edge-triggered: it reads what a client
  // sent before its FIN, and never hears of the FIN that came along with it.
  library_ = MHD_start_daemon(
      MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
          MHD_ALLOW_SUSPEND_RESUME,
      0, nullptr, nullptr, OnRequest, this,  //
      MHD_OPTION_NOTIFY_COMPLETED, OnCompleted, this,
      MHD_OPTION_NOTIFY_CONNECTION, OnConnection, this,
      MHD_OPTION_CONNECTION_LIMIT, most,  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemoryBytes,
      MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(
          std::max<int64_t>(1, absl::ToInt64Seconds(limits_.request_timeout))),
      MHD_OPTION_THREAD_POOL_SIZE, kServerThreads, MHD_OPTION_END);
  if (library_ == nullptr) {
    return absl::InternalError("cannot start the control server");
  }
  thread_ = std::thread([this] { Serve(); });
  return absl::OkStatus();
}

Server::~Server() {
  if (thread_.joinable()) {
    stopping_.store(true, std::memory_order_relaxed);  // poll orders it
    WakeServe();
    thread_.join();
  }
  streams_.Stop();
  if (library_ != nullptr) MHD_stop_daemon(library_);
  if (wake_fd_ >= 0) close(wake_fd_);
  if (reserve_fd_ >= 0) close(reserve_fd_);
}

void Server::WakeServe() {
  const uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  [[maybe_unused]] ssize_t n = write(wake_fd_, &one, sizeof(one));
}

// ---- the accepting thread

void Server::Serve() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    pollfd fds[] = {{wake_fd_, POLLIN, 0}, {socket_.fd(), POLLIN, 0}};
    const int ready = poll(fds, 2, PollTimeoutMs());
    if (ready < 0 && errno != EINTR) BackOff();
    uint64_t wakes;
    [[maybe_unused]] ssize_t n = read(wake_fd_, &wakes, sizeof(wakes));
    if (ready > 0 && fds[1].revents != 0) AcceptOne();
  }
}

// Runs what is due, and says how long nothing is. -1 while nobody is there.
int Server::PollTimeoutMs() {
  const auto now = Clock::now();
  Clock::time_point next = connections_.CutOverdue(now);
  if (streams_.empty()) {
    next_keep_alive_ = Clock::time_point::max();
  } else if (next_keep_alive_ == Clock::time_point::max() ||
             next_keep_alive_ <= now) {
    if (next_keep_alive_ <= now) streams_.KeepAlive();
    next_keep_alive_ =
        now + absl::ToChronoMilliseconds(limits_.stream_keep_alive);
  }
  next = std::min(next, next_keep_alive_);
  if (next == Clock::time_point::max()) return -1;
  // Rounded up, or it would spin through the last millisecond.
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void Server::AcceptOne() {
  const int fd =
      accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) return TakeConnection(fd);
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  if (errno == EMFILE || errno == ENFILE) {
    // The client would wait for ever: with the descriptor kept for this it is
    // told to go (F29).
    if (reserve_fd_ >= 0) close(reserve_fd_);
    const int refused =
        accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (refused >= 0) close(refused);
    reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  BackOff();
}

// Not to spin while descriptors are short. Ends early when we are stopped.
void Server::BackOff() {
  pollfd wake = {wake_fd_, POLLIN, 0};
  poll(&wake, 1, static_cast<int>(kAcceptBackOff.count()));
}

void Server::TakeConnection(int fd) {
  absl::StatusOr<Peer> peer = ReadPeer(fd, control_gid_);
  if (!peer.ok()) {
    close(fd);
    return;
  }
  const auto deadline =
      Clock::now() + absl::ToChronoMilliseconds(limits_.request_timeout);
  if (!connections_.Admit(fd, *std::move(peer), deadline)) {
    const std::string busy = BusyAnswer();
    [[maybe_unused]] ssize_t n =
        send(fd, busy.data(), busy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
    return;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (MHD_add_connection(library_, fd,
                         reinterpret_cast<const sockaddr*>(&address),
                         sizeof(address)) != MHD_YES) {
    connections_.Remove(fd);  // it has closed fd
  }
}

// ---- the library's threads

void Server::OnConnection(void* self, MHD_Connection* connection, void**,
                          MHD_ConnectionNotificationCode code) {
  // Called before the descriptor is closed.
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    static_cast<Server*>(self)->connections_.Remove(FdOf(connection));
  }
}

void Server::OnCompleted(void* self, MHD_Connection* connection, void** state,
                         MHD_RequestTerminationCode) {
  Server* const server = static_cast<Server*>(self);
  delete static_cast<PendingRequest*>(*state);
  *state = nullptr;
  // The next request of this connection.
  server->connections_.SetDeadline(
      FdOf(connection), Clock::now() + absl::ToChronoMilliseconds(
                                           server->limits_.request_timeout));
}

MHD_Result Server::OnRequest(void* self, MHD_Connection* connection,
                             const char* url, const char* method, const char*,
                             const char* upload, size_t* upload_size,
                             void** state) {
  Server* const server = static_cast<Server*>(self);
  if (*state == nullptr) {  // headers are there
    *state = new PendingRequest;
    if (server->IsHopelesslyLarge(connection)) {
      return server->Send(connection, server->TooLarge());
    }
    return MHD_YES;
  }
  auto* pending = static_cast<PendingRequest*>(*state);
  if (*upload_size != 0) {
    return server->CollectBody(pending, upload, upload_size);
  }
  return server->Answer(connection, url, method, pending);
}

bool Server::IsHopelesslyLarge(MHD_Connection* connection) const {
  const char* text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                 "Content-Length");
  uint64_t length = 0;
  return text != nullptr && absl::SimpleAtoi(text, &length) &&
         length > limits_.body_bytes * kDiscardFactor;
}

MHD_Result Server::CollectBody(PendingRequest* pending, const char* upload,
                               size_t* upload_size) {
  const size_t size = std::exchange(*upload_size, 0);
  if (!pending->too_large &&
      pending->body.size() + size <= limits_.body_bytes) {
    pending->body.append(upload, size);
    return MHD_YES;
  }
  pending->too_large = true;
  pending->body.clear();
  pending->discarded_bytes += size;
  return pending->discarded_bytes <= limits_.body_bytes * kDiscardFactor
             ? MHD_YES
             : MHD_NO;
}

ApiResponse Server::TooLarge() const {
  return ErrorResponse(
      413, "too_large",
      Concat("the body may have at most ", limits_.body_bytes, " bytes"));
}

MHD_Result Server::Answer(MHD_Connection* connection, const char* url,
                          const char* method, PendingRequest* pending) {
  if (pending->too_large) return Send(connection, TooLarge());
  const int fd = FdOf(connection);
  std::optional<Peer> peer = connections_.PeerOf(fd);
  if (!peer.has_value()) return MHD_NO;  // unknown is nobody
  connections_.SetDeadline(fd, Clock::now() + kAnswerTimeout);
  ApiRequest request;
  request.method = method;
  request.path = url;
  request.body = std::move(pending->body);
  request.peer = *std::move(peer);
  if (const char* if_match = MHD_lookup_connection_value(
          connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH)) {
    request.if_match = if_match;
  }
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, CollectParameter,
                            &request.query);
  try {
    return Send(connection, RouteRequest(context_, std::move(request)));
  } catch (const std::exception& error) {
    // Memory, at most: handlers do not throw. The library is C.
    return Send(connection, ErrorResponse(503, "failed", error.what()));
  }
}

MHD_Result Server::Send(MHD_Connection* connection, ApiResponse response) {
  MHD_Response* out = nullptr;
  if (response.stream != nullptr) {
    connections_.SetDeadline(FdOf(connection), Clock::time_point::max());
    out = streams_.Open(connection, std::move(response.stream));
    WakeServe();  // it plans the keep-alives
  } else {
    out = MHD_create_response_from_buffer(
        response.body.size(), response.body.data(), MHD_RESPMEM_MUST_COPY);
  }
  if (out == nullptr) return MHD_NO;
  MHD_add_response_header(out, "Content-Type", response.content_type.c_str());
  MHD_add_response_header(out, "Cache-Control", "no-store");
  if (!response.allow.empty()) {
    MHD_add_response_header(out, "Allow", response.allow.c_str());
  }
  if (!response.etag.empty()) {
    MHD_add_response_header(out, "ETag", response.etag.c_str());
  }
  const MHD_Result result = MHD_queue_response(
      connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(
    const ListeningSocket& socket, std::optional<gid_t> control_gid,
    ApiContext context, ApiLimits limits) {
  auto server =
      std::make_unique<Server>(socket, control_gid, std::move(context), limits);
  if (absl::Status status = server->Begin(); !status.ok()) return status;
  return server;
}

}  // namespace sallyport
