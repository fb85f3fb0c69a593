// Handlers: version, status, mode, confirm, metrics.

#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/build_commit.h"
#include "src/confirmation.h"
#include "src/metrics.h"

namespace sallyport {
namespace {

using nlohmann::json;

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

absl::StatusOr<std::optional<absl::Duration>> ConfirmWindowOf(
    const nlohmann::json& body) {
  const auto seconds = body.find("confirm_seconds");
  if (seconds == body.end()) return std::nullopt;
  // A huge number is out of range, whatever its type.
  if (!seconds->is_number_integer() ||
      (seconds->is_number_unsigned() &&
       seconds->get<uint64_t>() > uint64_t{kMaxConfirmSeconds}) ||
      seconds->get<int64_t>() < kMinConfirmSeconds) {
    return FieldError("confirm_seconds",
                      Concat("must be a number from ", kMinConfirmSeconds,
                             " to ", kMaxConfirmSeconds));
  }
  return absl::Seconds(seconds->get<int64_t>());
}

ApiResponse HandleSetMode(const ApiContext& context,
                          const ApiRequest& request) {
  absl::StatusOr<json> body =
      ParseBody(request.body, {"mode", "confirm_seconds"});
  if (!body.ok()) return ErrorResponse(body.status());
  const auto mode_text = body->find("mode");
  std::optional<Mode> mode;
  if (mode_text != body->end() && mode_text->is_string()) {
    mode = ParseMode(mode_text->get<std::string>());
  }
  if (!mode.has_value()) {
    return ErrorResponse(FieldError(
        "mode", "must be \"monitor\", \"learn\", \"enforce\" or \"lockdown\""));
  }
  const auto window = ConfirmWindowOf(*body);
  if (!window.ok()) return ErrorResponse(window.status());
  const Mode old = context.policy().settings.mode;
  absl::Status status =
      context.confirmation->SetMode(*mode, *window, request.peer.uid);
  context.audit(Concat("mode ", ModeName(old), " -> ", ModeName(*mode),
                       window->has_value() ? ", to be confirmed" : "",
                       ", asked by uid ", request.peer.uid,
                       status.ok() ? "" : ", failed: ", MessageOf(status)));
  if (!status.ok()) return ErrorResponse(status);
  return HandleStatus(context, request);
}

ApiResponse HandleConfirm(const ApiContext& context,
                          const ApiRequest& request) {
  bool keep = true;
  if (!request.body.empty()) {
    absl::StatusOr<json> body = ParseBody(request.body, {"keep"});
    if (!body.ok()) return ErrorResponse(body.status());
    if (body->contains("keep")) {
      if (!(*body)["keep"].is_boolean()) {
        return ErrorResponse(FieldError("keep", "must be true or false"));
      }
      keep = (*body)["keep"].get<bool>();
    }
  }
  absl::StatusOr<PendingChange> change =
      keep ? context.confirmation->Confirm() : context.confirmation->TakeBack();
  context.audit(SafeMessage(Concat(
      keep ? "confirmed " : "took back ",
      change.ok() ? change->what : "a change", ", asked by uid ",
      request.peer.uid,
      change.ok() ? "" : Concat(", refused: ", MessageOf(change.status())))));
  if (!change.ok()) return ErrorResponse(change.status());
  ApiResponse response;
  response.body = PrintJson(
      {{keep ? "confirmed" : "taken_back", SafeMessage(change->what)}});
  return response;
}

ApiResponse HandleMetrics(const ApiContext& context, const ApiRequest&) {
  ApiResponse response;
  response.body = context.metrics();
  response.content_type = kMetricsContentType;
  return response;
}

}  // namespace sallyport
