// Handlers: version, status, mode, metrics.

#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/build_commit.h"
#include "src/metrics.h"

namespace sallyport {
namespace {

constexpr int kApiVersion = 1;

}  // namespace

ApiResponse HandleVersion(const ApiContext&, const ApiRequest&) {
  ApiResponse response;
  response.body = PrintJson({{"version", SALLYPORT_VERSION},
                             {"api", kApiVersion},
                             {"commit", kBuildCommit}});
  return response;
}

ApiResponse HandleStatus(const ApiContext& context, const ApiRequest& request) {
  ApiResponse response;
  response.body =
      StatusToJson(context.status(), request.peer.tier >= Tier::kControl);
  return response;
}

ApiResponse HandleSetMode(const ApiContext& context,
                          const ApiRequest& request) {
  absl::StatusOr<nlohmann::json> body = ParseJsonObject(request.body);
  if (!body.ok()) return ErrorResponse(body.status());
  for (const auto& [name, value] : body->items()) {
    if (name == "mode") continue;
    return ErrorResponse(
        FieldError(name, Concat("unknown field ", QuoteForMessage(name))));
  }
  const auto mode_text = body->find("mode");
  std::optional<Mode> mode;
  if (mode_text != body->end() && mode_text->is_string()) {
    mode = ParseMode(mode_text->get<std::string>());
  }
  if (!mode.has_value()) {
    return ErrorResponse(
        FieldError("mode", "must be \"monitor\", \"enforce\" or \"lockdown\""));
  }
  const Mode old = context.policy().settings.mode;
  absl::Status status = context.set_mode(*mode);
  context.audit(Concat("mode ", ModeName(old), " -> ", ModeName(*mode),
                       ", asked by uid ", request.peer.uid,
                       status.ok() ? "" : ", failed: ", MessageOf(status)));
  if (!status.ok()) return ErrorResponse(status);
  return HandleStatus(context, request);
}

ApiResponse HandleMetrics(const ApiContext& context, const ApiRequest&) {
  ApiResponse response;
  response.body = context.metrics();
  response.content_type = kMetricsContentType;
  return response;
}

}  // namespace sallyport
