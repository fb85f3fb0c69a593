#ifndef SALLYPORT_SRC_API_ROUTER_H_
#define SALLYPORT_SRC_API_ROUTER_H_

// From a request to its handler. Handlers are plain functions over an
// ApiContext, listed in one table (method, path, tier, function); the router
// checks path, method, tier and query names before one is called. Handlers
// run in the server's threads, several at once, and never throw.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rules/judge.h"
#include "rules/verdict.h"
#include "src/api_peer.h"
#include "src/rule_store.h"
#include "src/stats.h"
#include "src/status_report.h"

namespace sallyport {

class Confirmation;
class EventFeed;
class History;
class LearnLog;

// What handlers work on. References and the objects behind the functions must
// outlive the server; all of it is thread-safe.
struct ApiContext {
  RuleStore* rules = nullptr;
  History* history = nullptr;  // null: no history, 503
  EventFeed* events = nullptr;
  LearnLog* learn = nullptr;  // null: nothing is learned, 503
  std::function<StatusReport()> status;
  std::function<PolicySnapshot()> policy;
  // Sets the mode and imports rules, for good or until confirmed. The mode is
  // not saved: the config file is the admin's.
  Confirmation* confirmation = nullptr;
  std::function<std::string()> metrics;  // Prometheus text
  std::function<StatsSnapshot()> stats;  // with dropped_events filled in
  std::function<absl::Time()> now = [] { return absl::Now(); };
  // Every change that was made or refused, in words: uid, tier, old and new.
  std::function<void(const std::string&)> audit = [](const std::string&) {};
};

struct ApiRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::string body;
  std::string if_match;  // the header; "": none
  Peer peer;
  std::string name;  // the NAME of the path, if it has one
};

// An endless answer: text that comes piece by piece (SSE).
class ApiStream {
 public:
  virtual ~ApiStream() = default;
  // The next piece; "" if there is none yet (then the `wake` given to Start
  // is called once there is). nullopt: the end. Server's thread.
  virtual std::optional<std::string> Next() = 0;
  // `wake` may be called from any thread, until the stream is destroyed.
  virtual void Start(std::function<void()> wake) = 0;
};

struct ApiResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow;                  // for 405
  std::string etag;                   // with its quotes; "": none
  std::unique_ptr<ApiStream> stream;  // if set: instead of `body`
};

ApiResponse RouteRequest(const ApiContext& context, ApiRequest request);

// {"error":{"code","message","field"}} with the HTTP status that fits.
ApiResponse ErrorResponse(const absl::Status& status);
ApiResponse ErrorResponse(int http_status, std::string_view code,
                          std::string_view message,
                          std::string_view field = "");

// One line of the table; `path` is "/v1/rules/{name}" for paths with a name.
struct ApiRoute {
  const char* method;
  const char* path;
  Tier tier;
  const char* query;  // names that are allowed, separated by spaces
  ApiResponse (*handler)(const ApiContext& context, const ApiRequest& request);
};
std::span<const ApiRoute> ApiRoutes();

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_ROUTER_H_
