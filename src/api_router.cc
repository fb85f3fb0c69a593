#include "src/api_router.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/escape.h"

namespace sallyport {
namespace {

constexpr Tier kOwn = Tier::kOwnFlows;
constexpr Tier kAll = Tier::kControl;

// First match wins, so that words stand before {name}.
constexpr ApiRoute kRoutes[] = {
    {"GET", "/v1/version", kOwn, "", HandleVersion},
    {"GET", "/v1/status", kOwn, "", HandleStatus},
    {"GET", "/v1/violations", kOwn, "since app limit", HandleViolations},
    {"GET", "/v1/events", kOwn, "follow type app limit", HandleEvents},
    {"GET", "/v1/stats", kOwn, "app", HandleStats},
    {"GET", "/v1/history/verify", kAll, "head", HandleHistoryVerify},
    {"GET", "/v1/history/head", kAll, "", HandleHistoryHead},
    {"GET", "/v1/history/rules", kAll, "since limit", HandleRuleChanges},
    {"GET", "/v1/rules", kAll, "", HandleListRules},
    {"POST", "/v1/rules", kAll, "dry_run", HandleAddRule},
    {"POST", "/v1/rules/check", kAll, "", HandleCheckRules},
    {"POST", "/v1/rules/import", kAll, "dry_run", HandleImportRules},
    {"POST", "/v1/rules/reload", kAll, "", HandleReloadRules},
    {"GET", "/v1/rules/{name}", kAll, "", HandleGetRule},
    {"PUT", "/v1/rules/{name}", kAll, "", HandlePutRule},
    {"PATCH", "/v1/rules/{name}", kAll, "", HandlePatchRule},
    {"DELETE", "/v1/rules/{name}", kAll, "", HandleDeleteRule},
    {"POST", "/v1/explain", kAll, "", HandleExplain},
    {"PUT", "/v1/mode", kAll, "", HandleSetMode},
    {"POST", "/v1/confirm", kAll, "", HandleConfirm},
    {"GET", "/v1/learn", kAll, "app seen group_names group_addresses by_user",
     HandleLearn},
    {"POST", "/v1/learn/apply", kAll, "", HandleLearnApply},
    {"DELETE", "/v1/learn", kAll, "app", HandleLearnClear},
    {"GET", "/metrics", kAll, "", HandleMetrics},
};

// True if `path` is of `pattern`; `name` becomes what stands for {name}.
bool PathMatches(std::string_view pattern, std::string_view path,
                 std::string* name) {
  const size_t brace = pattern.find('{');
  if (brace == pattern.npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, brace))) return false;
  const std::string_view rest = path.substr(brace);
  if (rest.empty() || rest.find('/') != rest.npos) return false;
  *name = std::string(rest);
  return true;
}

// "" or the first parameter that the route does not know.
std::string UnknownParameter(const ApiRoute& route, const ApiRequest& request) {
  const std::vector<std::string> known = absl::StrSplit(route.query, ' ');
  for (const auto& [name, value] : request.query) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return name;
  }
  return "";
}

// The messages of rules and config begin with the field they are about.
std::string FieldInMessage(std::string_view message) {
  constexpr std::string_view kFields[] = {
      "name",    "policy", "app",         "sha256",         "to",
      "port",    "user",   "direction",   "priority",       "protocol",
      "enabled", "log",    "description", "confirm_seconds"};
  const std::string_view field = message.substr(0, message.find(':'));
  const bool known = field.size() < message.size() &&
                     std::find(std::begin(kFields), std::end(kFields), field) !=
                         std::end(kFields);
  return known ? std::string(field) : "";
}

struct CodeName {
  int http_status;
  const char* name;
};
CodeName CodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return {400, "invalid"};
    case absl::StatusCode::kPermissionDenied:
      return {403, "forbidden"};
    case absl::StatusCode::kNotFound:
      return {404, "not_found"};
    case absl::StatusCode::kAlreadyExists:
      return {409, "exists"};
    case absl::StatusCode::kFailedPrecondition:
      return {409, "conflict"};
    case absl::StatusCode::kAborted:
      return {412, "newer"};
    case absl::StatusCode::kOutOfRange:
      return {413, "too_large"};
    case absl::StatusCode::kResourceExhausted:
      return {503, "limit"};
    case absl::StatusCode::kUnavailable:
      return {503, "unavailable"};
    default:
      return {503, "failed"};
  }
}

}  // namespace

std::span<const ApiRoute> ApiRoutes() { return kRoutes; }

ApiResponse ErrorResponse(int http_status, std::string_view code,
                          std::string_view message, std::string_view field) {
  nlohmann::json error = {{"code", code}, {"message", SafeMessage(message)}};
  if (!field.empty()) error["field"] = SafeMessage(field);
  ApiResponse response;
  response.status = http_status;
  response.body = PrintJson({{"error", std::move(error)}});
  return response;
}

ApiResponse ErrorResponse(const absl::Status& status) {
  const CodeName code = CodeOf(status.code());
  const std::string message = MessageOf(status);
  std::string field = FieldOf(status);
  if (field.empty()) field = FieldInMessage(message);
  return ErrorResponse(code.http_status, code.name, message, field);
}

ApiResponse RouteRequest(const ApiContext& context, ApiRequest request) {
  std::vector<std::string> methods;  // that the path has
  for (const ApiRoute& route : kRoutes) {
    std::string name;
    if (!PathMatches(route.path, request.path, &name)) continue;
    if (request.method != route.method) {
      methods.emplace_back(route.method);
      continue;
    }
    if (request.peer.tier < route.tier) {
      context.audit(Concat("refused to uid ", request.peer.uid, ": ",
                           request.method, " ", Escape(request.path)));
      return ErrorResponse(403, "forbidden",
                           "only root and members of the control group may do "
                           "this; use sudo");
    }
    if (std::string unknown = UnknownParameter(route, request);
        !unknown.empty()) {
      return ErrorResponse(
          400, "invalid",
          Concat("unknown parameter ", QuoteForMessage(unknown)), unknown);
    }
    request.name = std::move(name);
    return route.handler(context, request);
  }
  if (methods.empty()) {
    return ErrorResponse(404, "not_found",
                         Concat("there is no ", QuoteForMessage(request.path)));
  }
  ApiResponse response =
      ErrorResponse(405, "method",
                    Concat(QuoteForMessage(request.path), " knows ",
                           absl::StrJoin(methods, ", "), ", not ",
                           QuoteForMessage(request.method)));
  response.allow = absl::StrJoin(methods, ", ");
  return response;
}

}  // namespace sallyport
