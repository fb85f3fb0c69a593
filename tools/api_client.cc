#include "tools/api_client.h"

#include <curl/curl.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

// Bytes. 100,000 rules listed as JSON take about 30 MB; beyond this a server
// that is not ours would fill our memory.
constexpr size_t kMaxAnswerBytes = size_t{256} << 20;

size_t AppendBody(char* data, size_t size, size_t count, void* out) {
  auto* body = static_cast<std::string*>(out);
  if (body->size() + size * count > kMaxAnswerBytes) return 0;
  body->append(data, size * count);
  return size * count;
}

}  // namespace

ApiClient::ApiClient(std::string socket_path, absl::Duration timeout)
    : socket_path_(std::move(socket_path)), timeout_(timeout) {}

absl::StatusOr<std::string> ApiClient::Call(std::string_view method,
                                            std::string_view path,
                                            std::string_view body) {
  error_body_.clear();
  if (socket_path_.size() >= sizeof(sockaddr_un::sun_path)) {
    return NotReachable(socket_path_, ENAMETOOLONG, "the path is too long");
  }
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(
      curl_easy_init(), &curl_easy_cleanup);
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"),
      &curl_slist_free_all);
  std::string answer;
  const std::string url = Concat("http://sallyport", path);
  const std::string verb(method);
  curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, verb.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // no http_proxy for us
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(timeout_)));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &AppendBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  if (!body.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.data());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    long os_errno = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &os_errno);
    return NotReachable(
        socket_path_,
        code == CURLE_COULDNT_CONNECT ? static_cast<int>(os_errno) : 0,
        curl_easy_strerror(code));
  }
  long http_status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &http_status);
  if (http_status >= 200 && http_status < 300) return answer;
  error_body_ = answer;
  return StatusOfAnswer(http_status, answer);
}

absl::StatusOr<Json> ApiClient::CallJson(std::string_view method,
                                         std::string_view path,
                                         std::string_view body) {
  const absl::StatusOr<std::string> answer = Call(method, path, body);
  if (!answer.ok()) return answer.status();
  Json json = Json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::FailedPreconditionError(
        Concat("the answer to ", method, " ", path, " is no JSON object"));
  }
  return json;
}

std::string UrlEncode(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        std::string_view("-._~").find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<uint8_t>(c));
    }
  }
  return out;
}

absl::Status NotReachable(std::string_view socket_path, int os_errno,
                          std::string_view detail) {
  if (os_errno == EACCES || os_errno == EPERM) {
    return absl::UnavailableError(Concat(
        "not allowed to use ", socket_path,
        "\nrun it with sudo, or join the group: sudo usermod -aG sallyport "
        "$USER (then log in again)"));
  }
  const std::string why =
      os_errno == 0 ? std::string(detail) : std::strerror(os_errno);
  return absl::UnavailableError(Concat(
      "the daemon is not reachable at ", socket_path, ": ", why,
      "\nstart it: sudo systemctl start sallyport  (what is wrong: sallyport "
      "doctor)"));
}

absl::Status StatusOfAnswer(long http_status, std::string_view body) {
  std::string message = Concat("the daemon answered ", http_status);
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    const Json& error = json["error"];
    const auto text = [&](const char* key) {
      const auto at = error.find(key);
      return at != error.end() && at->is_string() ? at->get<std::string>()
                                                  : std::string();
    };
    if (!text("message").empty()) message = text("message");
    if (!text("field").empty()) {
      AppendTo(&message, " (field ", text("field"), ")");
    }
  }
  switch (http_status) {
    case 400:
    case 413:
      return absl::InvalidArgumentError(message);
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 409:
      return absl::AlreadyExistsError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

}  // namespace sallyport::cli
