#ifndef SALLYPORT_SRC_API_HANDLERS_H_
#define SALLYPORT_SRC_API_HANDLERS_H_

// The handlers of the routes, for the table in api_router.cc. Each is a plain
// function of context and request; any of the server's threads, several at
// once. The router has checked path, method, tier and query names.

#include <nlohmann/json_fwd.hpp>

#include "src/api_router.h"

namespace sallyport {

// api_status.cc
ApiResponse HandleVersion(const ApiContext&, const ApiRequest&);
ApiResponse HandleStatus(const ApiContext&, const ApiRequest&);
ApiResponse HandleSetMode(const ApiContext&, const ApiRequest&);
ApiResponse HandleConfirm(const ApiContext&, const ApiRequest&);
ApiResponse HandleMetrics(const ApiContext&, const ApiRequest&);

// api_rules.cc
ApiResponse HandleListRules(const ApiContext&, const ApiRequest&);
ApiResponse HandleGetRule(const ApiContext&, const ApiRequest&);
ApiResponse HandleAddRule(const ApiContext&, const ApiRequest&);
ApiResponse HandlePutRule(const ApiContext&, const ApiRequest&);
ApiResponse HandlePatchRule(const ApiContext&, const ApiRequest&);
ApiResponse HandleDeleteRule(const ApiContext&, const ApiRequest&);
ApiResponse HandleImportRules(const ApiContext&, const ApiRequest&);
ApiResponse HandleCheckRules(const ApiContext&, const ApiRequest&);
ApiResponse HandleReloadRules(const ApiContext&, const ApiRequest&);

// `confirm_seconds` of a body that is one; none: for good.
absl::StatusOr<std::optional<absl::Duration>> ConfirmWindowOf(
    const nlohmann::json& body);

// api_explain.cc
ApiResponse HandleExplain(const ApiContext&, const ApiRequest&);

// api_learn.cc
ApiResponse HandleLearn(const ApiContext&, const ApiRequest&);
ApiResponse HandleLearnApply(const ApiContext&, const ApiRequest&);
ApiResponse HandleLearnClear(const ApiContext&, const ApiRequest&);

// api_events.cc
ApiResponse HandleViolations(const ApiContext&, const ApiRequest&);
ApiResponse HandleEvents(const ApiContext&, const ApiRequest&);
ApiResponse HandleStats(const ApiContext&, const ApiRequest&);
ApiResponse HandleRuleChanges(const ApiContext&, const ApiRequest&);

// api_history.cc
ApiResponse HandleHistoryVerify(const ApiContext&, const ApiRequest&);
ApiResponse HandleHistoryHead(const ApiContext&, const ApiRequest&);

// A duration before `now` ("5m", "1h30m"), or a moment (RFC 3339).
absl::StatusOr<absl::Time> ParseSince(std::string_view text, absl::Time now);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_HANDLERS_H_
