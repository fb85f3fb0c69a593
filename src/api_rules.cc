// Handlers: rules.

#include <nlohmann/json.hpp>

#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/confirmation.h"
#include "src/rule_clock.h"
#include "src/rule_json.h"
#include "src/rule_version.h"

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

// An answer that shows a rule, with its version for If-Match.
ApiResponse RuleResponse(const StoredRule& stored, int status = 200) {
  ApiResponse response = JsonResponse(RuleToJson(stored), status);
  response.etag = EntityTag(RuleVersion(stored.rule));
  return response;
}

absl::StatusOr<IfMatch> IfMatchOf(const ApiRequest& request) {
  if (request.if_match.empty()) return IfMatch();
  return IfMatch::Parse(request.if_match);
}

absl::StatusOr<bool> IsDryRun(const ApiRequest& request) {
  const auto dry = request.query.find("dry_run");
  if (dry == request.query.end() || dry->second == "0") return false;
  if (dry->second == "1") return true;
  return FieldError("dry_run", "must be 0 or 1");
}

absl::StatusOr<Rule> RuleOfJson(const json& object) {
  for (const char* field : {"policy", "app"}) {
    if (!object.contains(field)) return FieldError(field, "is missing");
  }
  Rule rule;
  if (absl::Status status = ApplyBody(object, &rule); !status.ok()) {
    return status;
  }
  return rule;
}

absl::StatusOr<Rule> RuleOfBody(const ApiRequest& request) {
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return body.status();
  return RuleOfJson(*body);
}

// `text`: a rule file. All that is wrong with it, each with its place.
absl::StatusOr<std::vector<Rule>> RulesOfText(const json& text) {
  if (!text.is_string()) return FieldError("text", "must be a string of TOML");
  RuleParse parse = ParseRules(text.get<std::string>(), "text");
  if (parse.errors.empty()) return std::move(parse.rules);
  return FieldError("text", FormatRuleErrors("text", parse.errors));
}

// `rules`: RULE objects.
absl::StatusOr<std::vector<Rule>> RulesOfArray(const json& array) {
  if (!array.is_array()) return FieldError("rules", "must be a list of rules");
  std::vector<Rule> rules;
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string place = Concat("rules[", i, "]");
    if (!array[i].is_object()) return FieldError(place, "must be an object");
    absl::StatusOr<Rule> rule = RuleOfJson(array[i]);
    if (!rule.ok()) {
      return FieldError(Concat(place, ".", FieldOf(rule.status())),
                        MessageOf(rule.status()));
    }
    rules.push_back(*std::move(rule));
  }
  return rules;
}

// A line for each rule, as for those that come alone.
void AuditImport(const ApiContext& context, const ApiRequest& request,
                 const ImportedRules& imported) {
  for (const StoredRule& stored : imported.rules) {
    Audit(context, request, Concat("imported ", InWords(stored.rule)),
          absl::OkStatus());
  }
  for (const std::string& name : imported.removed) {
    Audit(context, request, Concat("removed ", name), absl::OkStatus());
  }
}

absl::StatusOr<RuleImport> ImportOfBody(const json& body) {
  if (body.contains("text") == body.contains("rules")) {
    return FieldError("text", "write either text (TOML) or rules (a list)");
  }
  absl::StatusOr<std::vector<Rule>> rules = body.contains("text")
                                                ? RulesOfText(body["text"])
                                                : RulesOfArray(body["rules"]);
  if (!rules.ok()) return rules.status();
  RuleImport batch;
  batch.rules = *std::move(rules);
  if (const auto replace = body.find("replace"); replace != body.end()) {
    if (!replace->is_boolean()) {
      return FieldError("replace", "must be true or false");
    }
    batch.replace = replace->get<bool>();
  }
  return batch;
}

json ImportedJson(const ImportedRules& imported) {
  json rules = json::array();
  for (const StoredRule& stored : imported.rules) {
    rules.push_back(RuleToJson(stored));
  }
  return {{"rules", std::move(rules)},
          {"added", imported.added},
          {"changed", imported.changed},
          {"removed", imported.removed},
          {"unchanged", imported.unchanged}};
}

}  // namespace

ApiResponse HandleListRules(const ApiContext& context, const ApiRequest&) {
  // Asked first: if the rules change in between, a change that is made for
  // this version is refused once too often, never once too seldom.
  const std::string version = context.rules->Version();
  json rules = json::array();
  for (const StoredRule& stored : context.rules->List()) {
    rules.push_back(RuleToJson(stored));
  }
  const std::string error = context.rules->last_error();
  ApiResponse response = JsonResponse(
      {{"rules", std::move(rules)},
       {"error", error.empty() ? json(nullptr) : json(SafeMessage(error))}});
  response.etag = EntityTag(version);
  return response;
}

ApiResponse HandleGetRule(const ApiContext& context,
                          const ApiRequest& request) {
  absl::StatusOr<StoredRule> found = context.rules->Find(request.name);
  if (!found.ok()) return ErrorResponse(found.status());
  return RuleResponse(*found);
}

ApiResponse HandleAddRule(const ApiContext& context,
                          const ApiRequest& request) {
  const absl::StatusOr<bool> dry_run = IsDryRun(request);
  if (!dry_run.ok()) return ErrorResponse(dry_run.status());
  const absl::StatusOr<IfMatch> if_match = IfMatchOf(request);
  if (!if_match.ok()) return ErrorResponse(if_match.status());
  absl::StatusOr<Rule> rule = RuleOfBody(request);
  if (!rule.ok()) return ErrorResponse(rule.status());
  absl::StatusOr<StoredRule> added =
      context.rules->Add(*rule, *dry_run, *if_match);
  if (!*dry_run) {
    Audit(context, request,
          Concat("added ", InWords(added.ok() ? added->rule : *rule)),
          added.status());
  }
  if (!added.ok()) return ErrorResponse(added.status());
  return RuleResponse(*added, *dry_run ? 200 : 201);
}

ApiResponse HandlePutRule(const ApiContext& context,
                          const ApiRequest& request) {
  const absl::StatusOr<IfMatch> if_match = IfMatchOf(request);
  if (!if_match.ok()) return ErrorResponse(if_match.status());
  absl::StatusOr<Rule> rule = RuleOfBody(request);
  if (!rule.ok()) return ErrorResponse(rule.status());
  absl::StatusOr<StoredRule> put =
      context.rules->Replace(request.name, *rule, *if_match);
  Audit(context, request,
        Concat("replaced ", request.name, " by ",
               InWords(put.ok() ? put->rule : *rule)),
        put.status());
  if (!put.ok()) return ErrorResponse(put.status());
  return RuleResponse(*put);
}

ApiResponse HandlePatchRule(const ApiContext& context,
                            const ApiRequest& request) {
  const absl::StatusOr<IfMatch> if_match = IfMatchOf(request);
  if (!if_match.ok()) return ErrorResponse(if_match.status());
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return ErrorResponse(body.status());
  if (body->empty()) {
    return ErrorResponse(absl::InvalidArgumentError("no field to change"));
  }
  std::string old;
  absl::StatusOr<StoredRule> patched = context.rules->Edit(
      request.name,
      [&](Rule* rule) {
        old = InWords(*rule);
        return ApplyBody(*body, rule);
      },
      *if_match);
  Audit(context, request,
        patched.ok() ? Concat("changed ", old, " to ", InWords(patched->rule))
                     : Concat("changing ", request.name),
        patched.status());
  if (!patched.ok()) return ErrorResponse(patched.status());
  return RuleResponse(*patched);
}

ApiResponse HandleDeleteRule(const ApiContext& context,
                             const ApiRequest& request) {
  const absl::StatusOr<IfMatch> if_match = IfMatchOf(request);
  if (!if_match.ok()) return ErrorResponse(if_match.status());
  absl::Status status = context.rules->Remove(request.name, *if_match);
  Audit(context, request, Concat("removed ", request.name), status);
  if (!status.ok()) return ErrorResponse(status);
  return JsonResponse({{"removed", request.name}});
}

ApiResponse HandleImportRules(const ApiContext& context,
                              const ApiRequest& request) {
  const absl::StatusOr<bool> dry_run = IsDryRun(request);
  if (!dry_run.ok()) return ErrorResponse(dry_run.status());
  const absl::StatusOr<IfMatch> if_match = IfMatchOf(request);
  if (!if_match.ok()) return ErrorResponse(if_match.status());
  absl::StatusOr<json> body =
      ParseBody(request.body, {"text", "rules", "replace", "confirm_seconds"});
  if (!body.ok()) return ErrorResponse(body.status());
  const auto window = ConfirmWindowOf(*body);
  if (!window.ok()) return ErrorResponse(window.status());
  absl::StatusOr<RuleImport> batch = ImportOfBody(*body);
  if (!batch.ok()) return ErrorResponse(batch.status());
  const size_t count = batch->rules.size();
  const bool replace = batch->replace;
  absl::StatusOr<ImportedRules> imported =
      *dry_run ? context.rules->Import(*std::move(batch), true, *if_match)
               : context.confirmation->Import(*std::move(batch), *window,
                                              *if_match, request.peer.uid);
  if (!*dry_run) {
    Audit(context, request,
          Concat("import of ", count, " rules",
                 replace ? " in place of ours" : "",
                 window->has_value() ? ", to be confirmed" : ""),
          imported.status());
    if (imported.ok()) AuditImport(context, request, *imported);
  }
  if (!imported.ok()) return ErrorResponse(imported.status());
  json answer = ImportedJson(*imported);
  answer["to_be_confirmed"] =
      !*dry_run && window->has_value() && !imported->changes_nothing();
  ApiResponse response = JsonResponse(answer);
  response.etag = EntityTag(context.rules->Version());
  return response;
}

ApiResponse HandleCheckRules(const ApiContext&, const ApiRequest& request) {
  absl::StatusOr<json> body = ParseBody(request.body, {"text"});
  if (!body.ok()) return ErrorResponse(body.status());
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
