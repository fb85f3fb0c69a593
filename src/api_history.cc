// Handlers: the history's chain of hashes.

#include <vector>

#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/history.h"

namespace sallyport {
namespace {

// Heads that one call may ask for; each costs a comparison per record.
constexpr size_t kMaxHeads = 16;

// "HASH,HASH".
absl::StatusOr<std::vector<Sha256Digest>> HeadsOf(const ApiRequest& request) {
  std::vector<Sha256Digest> heads;
  const auto found = request.query.find("head");
  if (found == request.query.end()) return heads;
  std::string_view rest = found->second;
  while (true) {
    const size_t comma = rest.find(',');
    const std::optional<Sha256Digest> head =
        DigestFromHex(rest.substr(0, comma));
    if (!head.has_value()) {
      return FieldError("head", Concat(QuoteForMessage(rest.substr(0, comma)),
                                       " is no hash: 64 hexadecimal digits"));
    }
    heads.push_back(*head);
    if (comma == rest.npos) return heads;
    if (heads.size() == kMaxHeads) {
      return FieldError("head", Concat("more than ", kMaxHeads, " hashes"));
    }
    rest.remove_prefix(comma + 1);
  }
}

ApiResponse NoHistory() {
  return ErrorResponse(503, "unavailable", "there is no history");
}

}  // namespace

ApiResponse HandleHistoryVerify(const ApiContext& context,
                                const ApiRequest& request) {
  if (context.history == nullptr) return NoHistory();
  absl::StatusOr<std::vector<Sha256Digest>> heads = HeadsOf(request);
  if (!heads.ok()) return ErrorResponse(heads.status());
  const absl::StatusOr<HistoryReport> report =
      context.history->Verify(*std::move(heads));
  if (!report.ok()) return ErrorResponse(report.status());
  ApiResponse response;
  response.body = HistoryReportToJson(*report);
  return response;
}

ApiResponse HandleHistoryHead(const ApiContext& context, const ApiRequest&) {
  if (context.history == nullptr) return NoHistory();
  const absl::StatusOr<HistoryHeads> heads = context.history->Heads();
  if (!heads.ok()) return ErrorResponse(heads.status());
  ApiResponse response;
  response.body = HistoryHeadsToJson(*heads);
  return response;
}

}  // namespace sallyport
