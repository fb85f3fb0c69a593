// allow, deny, reject, local-only: make a rule.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "rules/rule_schema.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "tools/call.h"
#include "tools/rule_line.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

struct PolicyArgs {
  std::string app;
  std::vector<std::string> to;
  std::vector<std::string> port;
  std::vector<std::string> protocol;
  std::vector<std::string> user;
  std::vector<std::string> interface;
  std::vector<std::string> not_to;
  std::vector<std::string> not_port;
  std::vector<std::string> not_user;
  std::string during;
  std::string rate;
  std::string duration;
  std::string until;
  int priority = 0;
  std::string name;
  std::string comment;
  bool dry_run = false;
};

// Numbers as numbers, names and ranges as text: as in a rule file.
Json NumbersOrTexts(const std::vector<std::string>& words) {
  Json out = Json::array();
  for (const std::string& word : words) {
    int number = 0;
    if (ParseNumber(word, &number)) {
      out.push_back(number);
    } else {
      out.push_back(word);
    }
  }
  return out;
}

Json RuleOf(const std::string& policy, const std::string& app,
            const PolicyArgs& args) {
  Json rule;
  if (!args.name.empty()) rule["name"] = args.name;
  rule["policy"] = policy;
  rule["app"] = app;
  if (!args.to.empty()) rule["to"] = args.to;
  if (!args.port.empty()) rule["port"] = NumbersOrTexts(args.port);
  if (!args.protocol.empty()) rule["protocol"] = NumbersOrTexts(args.protocol);
  const std::pair<const char*, const std::vector<std::string>*> texts[] = {
      {"user", &args.user},
      {"interface", &args.interface},
      {"not_to", &args.not_to},
      {"not_user", &args.not_user}};
  for (const auto& [field, words] : texts) {
    if (!words->empty()) rule[field] = *words;
  }
  if (!args.not_port.empty()) rule["not_port"] = NumbersOrTexts(args.not_port);
  if (!args.during.empty()) rule["during"] = args.during;
  if (!args.rate.empty()) rule["rate"] = args.rate;
  if (!args.duration.empty()) rule["for"] = args.duration;
  if (args.priority != 0) rule["priority"] = args.priority;
  if (!args.comment.empty()) rule["description"] = args.comment;
  return rule;
}

// A rule that turns away does nothing in mode monitor; say so at once.
void WarnIfMonitor(const Session& session, const std::string& policy) {
  if (policy == "allow") return;
  ApiClient client(session.socket_path);
  const absl::StatusOr<Json> status = client.Get("/v1/status");
  if (status.ok() && TextAt(*status, "/mode") == "monitor") {
    Note(
        "mode is monitor: nothing is turned away until `sallyport mode "
        "enforce`");
  }
}

int RunPolicy(const Session& session, const std::string& policy,
              const PolicyArgs& args) {
  const absl::StatusOr<AppName> app = ResolveApp(args.app);
  if (!app.ok()) {
    Report(app.status());
    return kUsage;
  }
  if (!app->note.empty()) Note(app->note);
  Json rule = RuleOf(policy, app->app, args);
  if (!args.until.empty()) {
    const absl::StatusOr<absl::Time> until = ParseMoment(
        args.until, absl::Now(), absl::LocalTimeZone(), Lean::kFuture);
    if (!until.ok()) {
      Report(absl::InvalidArgumentError(
          Concat("--until: ", MessageOf(until.status()))));
      return kUsage;
    }
    rule["expires"] = FieldTimeText(*until);
  }
  const int code =
      RunCall(session,
              {"POST", args.dry_run ? "/v1/rules?dry_run=1" : "/v1/rules",
               rule.dump(-1, ' ', false, Json::error_handler_t::replace)},
              [&](const Json& made) {
                std::printf("%s %s\n", args.dry_run ? "would add" : "added",
                            EscapeForTerminal(RuleLine(made)).c_str());
              });
  if (code == kDone && !session.json && !args.dry_run) {
    WarnIfMonitor(session, policy);
  }
  return code;
}

}  // namespace

void AddPolicy(CLI::App& verb, Session& session) {
  auto args = std::make_shared<PolicyArgs>();
  const auto many = [&](const char* name, std::vector<std::string>& into,
                        const char* help) {
    verb.add_option(name, into, help)->allow_extra_args(false)->delimiter(',');
  };
  verb.add_option("APP", args->app, "program: path, name in PATH, glob, any")
      ->required();
  many("--to", args->to,
       "address, CIDR, range A-B, loopback, lan, link-local, multicast, "
       "broadcast, internet");
  many("--port", args->port, "port or range 8000-9000");
  many("--proto", args->protocol, "tcp, udp, icmp, ... or a number");
  many("--user", args->user, "only for this user (name or id)");
  many("--interface", args->interface, "only by this device: eth0, wg*, vpn");
  many("--not-to", args->not_to, "not there; as --to");
  many("--not-port", args->not_port, "not to this port or range");
  many("--not-user", args->not_user, "not for this user");
  verb.add_option("--during", args->during,
                  "only then: \"mon-fri 09:00-17:00\"");
  verb.add_option("--rate", args->rate, "at most: \"10/second burst 20\"");
  auto* length =
      verb.add_option("--for", args->duration, "for a while: 10m, 1h30m, 2d");
  verb.add_option("--until", args->until, "till then: 17:30, tomorrow 09:00")
      ->excludes(length);
  verb.add_option("--priority", args->priority, "higher wins; default 0");
  verb.add_option("--name", args->name, "name of the rule; made if left out");
  verb.add_option("--comment", args->comment, "why this rule exists");
  verb.add_flag("--dry-run", args->dry_run, "check only");
  verb.callback([&session, args, policy = verb.get_name()] {
    session.exit_code = RunPolicy(session, policy, *args);
  });
}

}  // namespace sallyport::cli
