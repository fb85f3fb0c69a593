// Handlers: rules.

#include <nlohmann/json.hpp>

#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/rule_clock.h"
#include "src/rule_json.h"

namespace sallyport {
namespace {

using nlohmann::json;

ApiResponse JsonResponse(const json& body, int status = 200) {
  ApiResponse response;
  response.status = status;
  response.body = PrintJson(body);
  return response;
}

// One line per change, with old and new.
void Audit(const ApiContext& context, const ApiRequest& request,
           std::string_view what, const absl::Status& status) {
  context.audit(
      SafeMessage(Concat("rules: ", what, ", asked by uid ", request.peer.uid,
                         status.ok() ? "" : ", refused: ", MessageOf(status))));
}

std::string InWords(const Rule& rule) { return PrintJson(RuleToJson(rule)); }

// The fields of a rule, and `for`: a duration, after which it ends whatever the
// wall clock says meanwhile.
absl::Status ApplyBody(json body, Rule* rule) {
  const auto duration = body.find("for");
  if (duration == body.end()) return ApplyRuleJson(body, rule);
  if (body.contains("expires")) {
    return FieldError("for", "either `for` or `expires`, not both");
  }
  if (!duration->is_string()) {
    return FieldError("for", "must be a duration such as \"10m\"");
  }
  const absl::StatusOr<absl::Duration> length =
      ParseDuration(duration->get<std::string>());
  if (!length.ok()) return FieldError("for", MessageOf(length.status()));
  body.erase(duration);
  const absl::Status status = ApplyRuleJson(body, rule);
  const Moment now = CurrentMoment();
  rule->expires =
      absl::FromUnixSeconds(absl::ToUnixSeconds(now.time + *length));
  rule->ends_at_boot_ns = now.boot_ns + absl::ToInt64Nanoseconds(*length);
  return status;
}

absl::StatusOr<Rule> RuleOfBody(const ApiRequest& request) {
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return body.status();
  for (const char* field : {"policy", "app"}) {
    if (!body->contains(field)) return FieldError(field, "is missing");
  }
  Rule rule;
  if (absl::Status status = ApplyBody(*std::move(body), &rule); !status.ok()) {
    return status;
  }
  return rule;
}

}  // namespace

ApiResponse HandleListRules(const ApiContext& context, const ApiRequest&) {
  json rules = json::array();
  for (const StoredRule& stored : context.rules->List()) {
    rules.push_back(RuleToJson(stored));
  }
  const std::string error = context.rules->last_error();
  return JsonResponse(
      {{"rules", std::move(rules)},
       {"error", error.empty() ? json(nullptr) : json(SafeMessage(error))}});
}

ApiResponse HandleGetRule(const ApiContext& context,
                          const ApiRequest& request) {
  absl::StatusOr<StoredRule> found = context.rules->Find(request.name);
  if (!found.ok()) return ErrorResponse(found.status());
  return JsonResponse(RuleToJson(*found));
}

ApiResponse HandleAddRule(const ApiContext& context,
                          const ApiRequest& request) {
  const auto dry = request.query.find("dry_run");
  if (dry != request.query.end() && dry->second != "1" && dry->second != "0") {
    return ErrorResponse(FieldError("dry_run", "must be 0 or 1"));
  }
  const bool dry_run = dry != request.query.end() && dry->second == "1";
  absl::StatusOr<Rule> rule = RuleOfBody(request);
  if (!rule.ok()) return ErrorResponse(rule.status());
  absl::StatusOr<StoredRule> added = context.rules->Add(*rule, dry_run);
  if (!dry_run) {
    Audit(context, request,
          Concat("added ", InWords(added.ok() ? added->rule : *rule)),
          added.status());
  }
  if (!added.ok()) return ErrorResponse(added.status());
  return JsonResponse(RuleToJson(*added), dry_run ? 200 : 201);
}

ApiResponse HandlePutRule(const ApiContext& context,
                          const ApiRequest& request) {
  absl::StatusOr<Rule> rule = RuleOfBody(request);
  if (!rule.ok()) return ErrorResponse(rule.status());
  absl::StatusOr<StoredRule> put = context.rules->Replace(request.name, *rule);
  Audit(context, request,
        Concat("replaced ", request.name, " by ",
               InWords(put.ok() ? put->rule : *rule)),
        put.status());
  if (!put.ok()) return ErrorResponse(put.status());
  return JsonResponse(RuleToJson(*put));
}

ApiResponse HandlePatchRule(const ApiContext& context,
                            const ApiRequest& request) {
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return ErrorResponse(body.status());
  if (body->empty()) {
    return ErrorResponse(absl::InvalidArgumentError("no field to change"));
  }
  std::string old;
  absl::StatusOr<StoredRule> patched =
      context.rules->Edit(request.name, [&](Rule* rule) {
        old = InWords(*rule);
        return ApplyBody(*body, rule);
      });
  Audit(context, request,
        patched.ok() ? Concat("changed ", old, " to ", InWords(patched->rule))
                     : Concat("changing ", request.name),
        patched.status());
  if (!patched.ok()) return ErrorResponse(patched.status());
  return JsonResponse(RuleToJson(*patched));
}

ApiResponse HandleDeleteRule(const ApiContext& context,
                             const ApiRequest& request) {
  absl::Status status = context.rules->Remove(request.name);
  Audit(context, request, Concat("removed ", request.name), status);
  if (!status.ok()) return ErrorResponse(status);
  return JsonResponse({{"removed", request.name}});
}

ApiResponse HandleCheckRules(const ApiContext&, const ApiRequest& request) {
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return ErrorResponse(body.status());
  for (const auto& [name, value] : body->items()) {
    if (name == "text") continue;
    return ErrorResponse(
        FieldError(name, Concat("unknown field ", QuoteForMessage(name))));
  }
  if (!body->contains("text") || !(*body)["text"].is_string()) {
    return ErrorResponse(FieldError("text", "must be a string of TOML"));
  }
  RuleParse parse = ParseRules((*body)["text"].get<std::string>(), "text");
  json errors = json::array();
  for (const RuleError& error : parse.errors) {
    errors.push_back({{"line", error.line},
                      {"column", error.column},
                      {"message", SafeMessage(error.message)}});
  }
  return JsonResponse({{"ok", errors.empty()}, {"errors", std::move(errors)}});
}

ApiResponse HandleReloadRules(const ApiContext& context,
                              const ApiRequest& request) {
  absl::Status status = context.rules->Reload(RuleStore::Why::kAsked);
  Audit(context, request, "reloaded", status);
  if (!status.ok()) return ErrorResponse(status);
  return JsonResponse({{"reloaded", true},
                       {"count", context.rules->Current()->rules().size()}});
}

}  // namespace sallyport
