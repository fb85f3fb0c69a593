// learn: what mode learn has seen, and rules made of it.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/learn_text.h"
#include "tools/rule_line.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

struct LearnArgs {
  std::string app;
  bool seen = false;
  bool exact_names = false;
  bool group_addresses = false;
  bool by_user = false;
  std::vector<std::string> rules;
  std::string proposal;
};

// Makes of `args->app` what a rule would say. False: told why not.
bool FindApp(LearnArgs* args) {
  if (args->app.empty()) return true;
  const absl::StatusOr<AppName> name = ResolveApp(args->app);
  if (!name.ok()) {
    Report(name.status());
    return false;
  }
  args->app = name->app;
  return true;
}

int RunLearnShow(const Session& session, LearnArgs args) {
  if (!FindApp(&args)) return kUsage;
  std::string path =
      Concat("/v1/learn?group_names=", args.exact_names ? 0 : 1,
             "&group_addresses=", args.group_addresses ? 1 : 0,
             "&by_user=", args.by_user ? 1 : 0, "&seen=", args.seen ? 1 : 0);
  if (!args.app.empty()) AppendTo(&path, "&app=", UrlEncode(args.app));
  return RunCall(session, {"GET", path, ""}, [&](const Json& learned) {
    const std::string text = args.seen ? SeenText(learned, session.colour)
                                       : ProposalText(learned, session.colour);
    std::fputs(text.c_str(), stdout);
  });
}

int RunLearnApply(const Session& session, LearnArgs args) {
  if (!FindApp(&args)) return kUsage;
  Json body = {{"group_names", !args.exact_names},
               {"group_addresses", args.group_addresses},
               {"by_user", args.by_user}};
  if (!args.app.empty()) body["app"] = args.app;
  if (!args.rules.empty()) body["rules"] = args.rules;
  if (!args.proposal.empty()) body["proposal"] = args.proposal;
  const std::string text =
      body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return RunCall(
      session, {"POST", "/v1/learn/apply", text}, [](const Json& answer) {
        const Json& added = ArrayAt(answer, "/added");
        for (const Json& rule : added) {
          std::printf("added %s\n", EscapeForTerminal(RuleLine(rule)).c_str());
        }
        if (added.empty()) std::printf("no rules to add\n");
      });
}

int RunLearnClear(const Session& session, LearnArgs args) {
  if (!FindApp(&args)) return kUsage;
  std::string path = "/v1/learn";
  if (!args.app.empty()) AppendTo(&path, "?app=", UrlEncode(args.app));
  return RunCall(session, {"DELETE", path, ""}, [](const Json& answer) {
    std::printf("forgotten: %s destinations\n",
                Grouped(NumberAt(answer, "/forgotten")).c_str());
  });
}

void AddApp(CLI::App& verb, const std::shared_ptr<LearnArgs>& args) {
  verb.add_option("--app", args->app, "only this program");
}

// How far rules may go beyond what was seen.
void AddGrouping(CLI::App& verb, const std::shared_ptr<LearnArgs>& args) {
  AddApp(verb, args);
  verb.add_flag("--exact-names", args->exact_names,
                "don't make one entry of several names of a domain");
  verb.add_flag("--group-addresses", args->group_addresses,
                "several addresses of private networks are lan");
  verb.add_flag("--by-user", args->by_user, "rules for each user");
}

}  // namespace

void AddLearn(CLI::App& verb, Session& session) {
  auto args = std::make_shared<LearnArgs>();
  verb.require_subcommand(0, 1);
  const auto show = [&session, args] {
    session.exit_code = RunLearnShow(session, *args);
  };
  // Runs after the callback of the subcommand: only where there is none.
  verb.callback([&verb, show] {
    if (verb.get_subcommands().empty()) show();
  });
  CLI::App* showing =
      verb.add_subcommand("show", "the rules that what was seen asks for");
  AddGrouping(*showing, args);
  showing->add_flag("--seen", args->seen, "what was seen, not the rules");
  showing->callback(show);
  CLI::App* applying =
      verb.add_subcommand("apply", "make these rules, or those named");
  AddGrouping(*applying, args);
  applying->add_option("NAME", args->rules, "names of proposed rules");
  applying->add_option("--proposal", args->proposal,
                       "only if it is still this one; see show");
  applying->callback(
      [&session, args] { session.exit_code = RunLearnApply(session, *args); });
  CLI::App* clearing = verb.add_subcommand("clear", "forget what was seen");
  AddApp(*clearing, args);
  clearing->callback(
      [&session, args] { session.exit_code = RunLearnClear(session, *args); });
  for (CLI::App* sub : {showing, applying, clearing}) sub->fallthrough();
}

}  // namespace sallyport::cli
