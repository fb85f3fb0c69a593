// Handlers: what mode learn has seen, the rules proposed for it.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/time/time.h"
#include "rules/app_pattern.h"
#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/learn_log.h"
#include "src/learn_view.h"
#include "src/rule_json.h"

namespace sallyport {
namespace {

using nlohmann::json;

// Of one answer, in each of its lists but `rules`.
constexpr size_t kMaxListed = 10'000;
// Rules made of the proposal are in files of this name.
constexpr char kFileName[] = "learned";
constexpr char kWhat[] = "rules made of what was learned";

struct Ask {
  std::string app;
  bool seen = false;
  ProposalOptions options;
  std::optional<std::set<std::string>> rules;  // empty: all
  std::string proposal;                        // "": any
};

struct Switch {
  std::string_view name;
  bool* value;
};
std::vector<Switch> SwitchesOf(Ask* ask) {
  return {{"seen", &ask->seen},
          {"group_names", &ask->options.group_names},
          {"group_addresses", &ask->options.group_addresses},
          {"by_user", &ask->options.by_user}};
}

absl::StatusOr<Ask> AskOfQuery(const ApiRequest& request) {
  Ask ask;
  for (const auto& [name, value] : request.query) {
    if (name == "app") {
      if (value.empty()) return FieldError(name, "is empty");
      ask.app = value;
    }
    for (const Switch& known : SwitchesOf(&ask)) {
      if (name != known.name) continue;
      if (value != "0" && value != "1") {
        return FieldError(name, "must be 0 or 1");
      }
      *known.value = value == "1";
    }
  }
  return ask;
}

absl::Status SetField(const std::string& name, const json& value, Ask* ask) {
  if (name == "app" || name == "proposal") {
    if (!value.is_string()) return FieldError(name, "must be a string");
    (name == "app" ? ask->app : ask->proposal) = value.get<std::string>();
    return absl::OkStatus();
  }
  if (name == "rules") {
    ask->rules.emplace();
    const absl::Status wrong =
        FieldError(name, "must be a list of names of proposed rules");
    if (!value.is_array()) return wrong;
    for (const json& element : value) {
      if (!element.is_string()) return wrong;
      ask->rules->insert(element.get<std::string>());
    }
    return absl::OkStatus();
  }
  for (const Switch& known : SwitchesOf(ask)) {
    if (name != known.name || name == "seen") continue;
    if (!value.is_boolean()) return FieldError(name, "must be true or false");
    *known.value = value.get<bool>();
    return absl::OkStatus();
  }
  return FieldError(name, Concat("unknown field ", QuoteForMessage(name)));
}

absl::StatusOr<Ask> AskOfBody(const ApiRequest& request) {
  absl::StatusOr<json> body = ParseJsonObject(request.body);
  if (!body.ok()) return body.status();
  Ask ask;
  for (const auto& [name, value] : body->items()) {
    absl::Status status = SetField(name, value, &ask);
    if (!status.ok()) return status;
  }
  return ask;
}

std::string TimeText(int64_t time_ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixNanos(time_ns),
                          absl::UTCTimeZone());
}

// What the flows that stand behind one entry of a list have in common.
struct Sum {
  uint64_t flows = 0;
  uint64_t shared = 0;
  uint64_t destinations = 0;
  int64_t first_ns = INT64_MAX;
  int64_t last_ns = INT64_MIN;

  void Add(const LearnedFlow& flow) {
    flows += flow.count;
    shared += flow.shared;
    ++destinations;
    first_ns = std::min(first_ns, flow.first_ns);
    last_ns = std::max(last_ns, flow.last_ns);
  }
  void PutInto(json* out) const {
    (*out)["flows"] = flows;
    (*out)["shared"] = shared;
    (*out)["first_seen"] = TimeText(first_ns);
    (*out)["last_seen"] = TimeText(last_ns);
  }
};

json ProposedJson(const LearnView& view, const ProposedRule& proposed) {
  Rule rule;
  rule.name = proposed.name;
  rule.policy = RulePolicy::kAllow;
  rule.app = proposed.app;
  rule.port = proposed.port;
  rule.protocol = proposed.protocol;
  if (!proposed.user.empty()) rule.user = {{proposed.user, std::nullopt}};
  rule.description = proposed.description;
  json out = RuleToJson(rule);
  out.erase("origin");
  out["to"] = proposed.to;
  Sum sum;
  for (const size_t i : proposed.covers) sum.Add(view.undecided[i]);
  sum.PutInto(&out);
  return out;
}

json UnnamedJson(const LearnView& view) {
  std::map<std::pair<std::string, AppNaming>, Sum> sums;
  for (const size_t i : view.proposal.unnamed) {
    const LearnedFlow& flow = view.undecided[i];
    sums[{flow.app, flow.naming}].Add(flow);
  }
  json list = json::array();
  for (const auto& [key, sum] : sums) {
    if (list.size() == kMaxListed) break;
    json entry = {{"app", key.first},
                  {"why", AppNamingName(key.second)},
                  {"destinations", sum.destinations}};
    sum.PutInto(&entry);
    list.push_back(std::move(entry));
  }
  return list;
}

json SeenJson(const LearnView& view, std::string_view app) {
  json list = json::array();
  for (const LearnedFlow& flow : view.seen.flows) {
    if (!IsOfApp(flow, app)) continue;
    if (list.size() == kMaxListed) break;
    json entry = {{"app", flow.app},
                  {"naming", AppNamingName(flow.naming)},
                  {"to", DestinationText(flow)},
                  {"address", flow.address.ToString()},
                  {"service", ServiceText(flow.protocol, flow.port)}};
    if (flow.uid.has_value()) entry["uid"] = *flow.uid;
    Sum sum;
    sum.Add(flow);
    sum.PutInto(&entry);
    list.push_back(std::move(entry));
  }
  return list;
}

// Flows that found no place: those of apps in the table, and of all others.
void PutLeftOut(const LearnView& view, json* out) {
  json list = json::array();
  uint64_t others = 0;
  for (const LeftOut& left_out : view.seen.left_out) {
    if (left_out.app.empty() && left_out.naming == AppNaming::kByPath) {
      others = left_out.flows;
    } else if (list.size() < kMaxListed) {
      list.push_back({{"app", left_out.app},
                      {"naming", AppNamingName(left_out.naming)},
                      {"flows", left_out.flows}});
    }
  }
  (*out)["left_out"] = {{"by_app", std::move(list)}, {"other_apps", others}};
}

LearnView ViewOf(const ApiContext& context, const Ask& ask) {
  return MakeLearnView(context.learn->Snapshot(), *context.rules->Current(),
                       ask.options, ask.app);
}

ApiResponse NothingLearned() {
  return ErrorResponse(503, "unavailable", "this daemon does not learn");
}

absl::StatusOr<std::vector<Rule>> ChosenRules(const LearnView& view,
                                              const Ask& ask) {
  if (!ask.proposal.empty() && ask.proposal != view.id) {
    return absl::FailedPreconditionError(
        Concat("proposal: it is ", view.id,
               " now, the machine has done something new since; look again: "
               "sallyport learn show"));
  }
  std::vector<Rule> rules;
  std::set<std::string> missing = ask.rules.value_or(std::set<std::string>());
  for (const ProposedRule& proposed : view.proposal.rules) {
    const bool wanted = missing.erase(proposed.name) > 0;
    if (ask.rules.has_value() && !wanted) continue;
    absl::StatusOr<Rule> rule = ToRule(proposed);
    if (!rule.ok()) return rule.status();
    rules.push_back(*std::move(rule));
  }
  if (!missing.empty()) {
    return absl::NotFoundError(
        Concat("rules: ", QuoteForMessage(*missing.begin()),
               " is not proposed; see: sallyport learn show"));
  }
  return rules;
}

json OptionsJson(const Ask& ask) {
  json options = {{"group_names", ask.options.group_names},
                  {"group_addresses", ask.options.group_addresses},
                  {"by_user", ask.options.by_user}};
  if (!ask.app.empty()) options["app"] = CleanAppText(ask.app);
  return options;
}

}  // namespace

ApiResponse HandleLearn(const ApiContext& context, const ApiRequest& request) {
  if (context.learn == nullptr) return NothingLearned();
  const absl::StatusOr<Ask> ask = AskOfQuery(request);
  if (!ask.ok()) return ErrorResponse(ask.status());
  const LearnView view = ViewOf(context, *ask);
  const JudgeSettings settings = context.policy().settings;
  json rules = json::array();
  for (const ProposedRule& proposed : view.proposal.rules) {
    rules.push_back(ProposedJson(view, proposed));
  }
  json out = {
      {"mode", ModeName(settings.mode)},
      {"default", VerdictName(settings.default_verdict)},
      {"destinations", view.seen.flows.size()},
      {"decided", view.seen.flows.size() - view.undecided.size()},
      {"rules", std::move(rules)},
      {"proposal", view.id},
      {"options", OptionsJson(*ask)},
      {"fewest", view.proposal.is_fewest},
      {"unnamed", UnnamedJson(view)},
      {"lost_events", context.stats().dropped_events},
      {"error", view.seen.saved.ok()
                    ? json(nullptr)
                    : json(SafeMessage(MessageOf(view.seen.saved)))},
      {"notice", view.seen.notice.empty()
                     ? json(nullptr)
                     : json(SafeMessage(view.seen.notice))},
  };
  PutLeftOut(view, &out);
  if (ask->seen) out["seen"] = SeenJson(view, ask->app);
  ApiResponse response;
  response.body = PrintJson(out);
  return response;
}

ApiResponse HandleLearnApply(const ApiContext& context,
                             const ApiRequest& request) {
  if (context.learn == nullptr) return NothingLearned();
  const absl::StatusOr<Ask> ask = AskOfBody(request);
  if (!ask.ok()) return ErrorResponse(ask.status());
  const absl::StatusOr<std::vector<Rule>> chosen =
      ChosenRules(ViewOf(context, *ask), *ask);
  if (!chosen.ok()) return ErrorResponse(chosen.status());
  RuleImport batch;
  batch.rules = *chosen;
  batch.what = kWhat;
  batch.file_name = kFileName;
  const auto added = context.rules->Import(std::move(batch));
  for (const Rule& rule : *chosen) {
    context.audit(SafeMessage(
        Concat("rules: added of what was learned ", PrintJson(RuleToJson(rule)),
               ", asked by uid ", request.peer.uid,
               added.ok() ? "" : ", refused: ", MessageOf(added.status()))));
  }
  if (!added.ok()) return ErrorResponse(added.status());
  json rules = json::array();
  for (const StoredRule& stored : added->rules)
    rules.push_back(RuleToJson(stored));
  ApiResponse response;
  response.body = PrintJson({{"added", std::move(rules)}});
  return response;
}

ApiResponse HandleLearnClear(const ApiContext& context,
                             const ApiRequest& request) {
  if (context.learn == nullptr) return NothingLearned();
  const absl::StatusOr<Ask> ask = AskOfQuery(request);
  if (!ask.ok()) return ErrorResponse(ask.status());
  const size_t before = context.learn->Snapshot().flows.size();
  const absl::Status status = context.learn->Clear(ask->app);
  context.audit(SafeMessage(
      Concat("learned flows of ", ask->app.empty() ? "all apps" : ask->app,
             " forgotten, asked by uid ", request.peer.uid,
             status.ok() ? "" : ", failed: ", MessageOf(status))));
  if (!status.ok()) return ErrorResponse(status);
  const size_t after = context.learn->Snapshot().flows.size();
  ApiResponse response;
  response.body =
      PrintJson({{"forgotten", before > after ? before - after : 0}});
  return response;
}

}  // namespace sallyport
