#include "tools/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "rules/address.h"
#include "rules/app_pattern.h"
#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

std::string FindInPath(std::string_view name) {
  const char* path = std::getenv("PATH");
  // sudo and cron have short ones; /sbin programs connect too.
  const std::string places =
      Concat(path == nullptr ? "" : path, ":/usr/local/sbin:/usr/sbin");
  for (std::string_view place : Split(places, ':')) {
    if (place.empty()) continue;
    const std::string candidate = Concat(place, "/", name);
    if (fs::is_directory(candidate)) continue;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace

absl::StatusOr<AppName> ResolveApp(std::string_view typed) {
  if (typed.empty()) {
    return absl::InvalidArgumentError("APP is empty (field app)");
  }
  if (typed == kAnyApp) return AppName{std::string(typed), "", ""};
  std::string path(typed);
  if (typed.find('/') == typed.npos) path = FindInPath(typed);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (!error) {
    AppName name{ExactAppText(real.string()), real.string(), ""};
    // A name found in PATH is no news; a link is: the rule says otherwise.
    if (name.path != path) name.note = Concat(path, " is ", name.app);
    return name;
  }
  if (typed.find_first_of("*?[\\") != typed.npos) {
    return AppName{CleanAppText(typed), "", ""};
  }
  if (path.empty()) {
    return absl::InvalidArgumentError(
        Concat("no program ", typed,
               " in PATH: give the whole path, or any (field app)"));
  }
  path = fs::absolute(path, error).lexically_normal().string();
  AppName name{ExactAppText(path), path, ""};
  name.note = Concat(name.app, " does not exist (yet)");
  return name;
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view typed) {
  const auto wrong = [&](std::string_view why) {
    return absl::InvalidArgumentError(Concat(
        "DEST ", typed, ": ", why,
        "; write 192.0.2.1:53, [2001:db8::1]:53 or name:443 (field to)"));
  };
  HostPort out;
  std::string_view port;
  bool has_port = false;
  if (typed.starts_with('[')) {
    const size_t close = typed.find(']');
    if (close == typed.npos) return wrong("] is missing");
    out.host = typed.substr(1, close - 1);
    port = typed.substr(close + 1);
    if (!port.empty()) {
      if (!port.starts_with(':')) return wrong("after ] comes :PORT");
      port.remove_prefix(1);
      has_port = true;
    }
  } else if (std::count(typed.begin(), typed.end(), ':') == 1) {
    const size_t colon = typed.find(':');
    out.host = typed.substr(0, colon);
    port = typed.substr(colon + 1);
    has_port = true;
  } else {
    out.host = typed;
  }
  if (out.host.empty()) return wrong("no address");
  if (has_port &&
      (!ParseNumber(port, &out.port) || out.port < 0 || out.port > 65535)) {
    return wrong("no port number after the colon");
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> AddressesOf(const std::string& host) {
  if (ParseIpAddress(host).ok()) return std::vector<std::string>{host};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes three times
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    return absl::NotFoundError(
        Concat(host, ": ", gai_strerror(error), " (field to)"));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list,
                                                                 &freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::find(out.begin(), out.end(), text) == out.end()) {
      out.emplace_back(text);
    }
  }
  return out;
}

}  // namespace sallyport::cli
