#ifndef SALLYPORT_TOOLS_API_CLIENT_H_
#define SALLYPORT_TOOLS_API_CLIENT_H_

// The daemon's control API from the caller's side: HTTP/1.1 over a unix socket
// by libcurl. One thread per object; calls block up to their timeout.
//
// Include it in .cc files: it brings nlohmann's header along.
//
// Errors: Unavailable if no daemon answers (the message says how to start it),
// else what the daemon said: NotFound 404, AlreadyExists 409, PermissionDenied
// 403, InvalidArgument 400 and 413, FailedPrecondition for the rest, with
// "MESSAGE (field F)".

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport::cli {

using Json = nlohmann::ordered_json;

class ApiClient {
 public:
  explicit ApiClient(std::string socket_path,
                     absl::Duration timeout = absl::Seconds(10));

  // The body of a 2xx answer.
  absl::StatusOr<std::string> Call(std::string_view method,
                                   std::string_view path,
                                   std::string_view body = "");
  // The same, parsed.
  absl::StatusOr<Json> CallJson(std::string_view method, std::string_view path,
                                std::string_view body = "");
  absl::StatusOr<Json> Get(std::string_view path) {
    return CallJson("GET", path);
  }

  // The body of the last answer that was an error; empty if there was none.
  const std::string& error_body() const { return error_body_; }

 private:
  const std::string socket_path_;
  const absl::Duration timeout_;
  std::string error_body_;
};

// `text` as a part of a path or query (RFC 3986: all but unreserved encoded).
std::string UrlEncode(std::string_view text);

// Unavailable, with what to do about it. `os_errno` is what connect() gave.
absl::Status NotReachable(std::string_view socket_path, int os_errno,
                          std::string_view detail);

// The Status of an error answer.
absl::Status StatusOfAnswer(long http_status, std::string_view body);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_API_CLIENT_H_
