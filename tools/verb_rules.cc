// rules: list, show, remove, enable, disable, sync. What works on files is in
// rule_files.cc.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/rule_files.h"
#include "tools/rule_line.h"
#include "tools/rule_toml.h"
#include "tools/session.h"
#include "tools/status_text.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

std::string RulePath(const std::string& name) {
  return Concat("/v1/rules/", UrlEncode(name));
}

int RunRuleList(const Session& session) {
  return RunCall(session, {"GET", "/v1/rules", ""}, [&](const Json& answer) {
    std::fputs(RuleTableText(answer, session.colour).c_str(), stdout);
  });
}

int RunRuleShow(const Session& session, const std::string& name) {
  return RunCall(session, {"GET", RulePath(name), ""}, [&](const Json& rule) {
    const std::string origin = TextAt(rule, "/origin");
    if (!origin.empty()) {
      std::printf("# %s%s\n", EscapeForTerminal(origin).c_str(),
                  BoolAt(rule, "/read_only") ? " (read only)" : "");
    }
    const std::string toml = RuleToToml(rule);
    for (std::string_view line : Split(toml, '\n')) {
      if (line.empty()) continue;
      std::printf("%s\n", EscapeForTerminal(line).c_str());
    }
  });
}

// All names are tried; the worst exit code is told.
int ForEachRule(const Session& session, const std::vector<std::string>& names,
                const Request& pattern, const char* done) {
  int worst = kDone;
  for (const std::string& name : names) {
    const int code =
        RunCall(session, {pattern.method, RulePath(name), pattern.body},
                [&](const Json&) {
                  std::printf("%s %s\n", done, EscapeForTerminal(name).c_str());
                });
    if (code == kUnreachable) return code;
    worst = std::max(worst, code);
  }
  return worst;
}

// Files, memory and kernel: the files are read again, then the daemon says what
// it judges by, and whether the kernel sends it anything.
int RunSync(const Session& session) {
  Json reloaded, status;
  const int reload =
      Fetch(session, {"POST", "/v1/rules/reload", ""}, &reloaded);
  if (reload == kUnreachable) return reload;
  const int code = Fetch(session, {"GET", "/v1/status", ""}, &status);
  if (code != kDone) return code;
  const bool installed = BoolAt(status, "/divert/installed");
  const bool agree = reload == kDone && installed;
  if (session.json) {
    PrintJson(Json{{"agree", agree}, {"reload", reloaded}, {"status", status}});
    return agree ? kDone : kFailed;
  }
  const auto line = [&](const char* what, bool good, const std::string& text) {
    std::printf("%-7s %s  %s\n", what,
                Paint(good ? Colour::kGreen : Colour::kRed,
                      good ? "ok  " : "FAIL", session.colour)
                    .c_str(),
                EscapeForTerminal(text).c_str());
  };
  line("files", reload == kDone,
       reload == kDone
           ? Concat(Grouped(NumberAt(reloaded, "/count")), " rules read")
           : "not loaded, see above");
  line("memory", reload == kDone,
       Concat(Grouped(NumberAt(status, "/rules/count")), " rules, ",
              Grouped(NumberAt(status, "/rules/enabled")), " enabled",
              reload == kDone ? "" : ": the last good set"));
  line("kernel", installed,
       installed ? Concat("new connections come to the daemon (",
                          TextAt(status, "/divert/expression"), ")")
                 : "our table is not installed: nothing is judged");
  return agree ? kDone : kFailed;
}

CLI::App* AddSub(CLI::App& verb, const char* name, const char* help) {
  CLI::App* sub = verb.add_subcommand(name, help);
  sub->fallthrough();
  return sub;
}

void AddNamed(CLI::App& verb, Session& session, const char* name,
              const char* help, const Request& request, const char* done) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* sub = AddSub(verb, name, help);
  sub->add_option("NAME", *names, "names of rules")->required();
  sub->callback([&session, names, request, done] {
    session.exit_code = ForEachRule(session, *names, request, done);
  });
}

void AddFiles(CLI::App& verb, Session& session) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* check = AddSub(verb, "check", "check rule files, without a daemon");
  check->add_option("FILE", *files, "rule files; - is stdin")->required();
  check->callback([&session, files] {
    session.exit_code = CheckRuleFiles(session, *files);
  });
  CLI::App* exporting =
      AddSub(verb, "export", "print all rules as a rule file");
  exporting->callback([&session] { session.exit_code = ExportRules(session); });
  auto args = std::make_shared<ImportArgs>();
  CLI::App* importing =
      AddSub(verb, "import", "add the rules of a file: all or none");
  importing->add_option("FILE", args->file, "rule file; - is stdin")
      ->required();
  importing->add_flag("--replace", args->replace,
                      "in place of all rules made with sallyport");
  importing->add_flag("--dry-run", args->dry_run, "check only");
  AddConfirmOption(*importing, args->confirm);
  importing->callback(
      [&session, args] { session.exit_code = ImportRules(session, *args); });
}

}  // namespace

void AddRules(CLI::App& verb, Session& session) {
  verb.require_subcommand(0, 1);
  // Runs after the callback of the subcommand: only where there is none.
  verb.callback([&verb, &session] {
    if (verb.get_subcommands().empty()) {
      session.exit_code = RunRuleList(session);
    }
  });
  AddSub(verb, "list", "all rules, in order of precedence")
      ->callback([&session] { session.exit_code = RunRuleList(session); });
  auto name = std::make_shared<std::string>();
  CLI::App* show = AddSub(verb, "show", "one rule as it stands in a file");
  show->add_option("NAME", *name, "name of the rule")->required();
  show->callback(
      [&session, name] { session.exit_code = RunRuleShow(session, *name); });
  AddNamed(verb, session, "remove", "remove rules", {"DELETE", "", ""},
           "removed");
  AddNamed(verb, session, "enable", "enable rules",
           {"PATCH", "", R"({"enabled":true})"}, "enabled");
  AddNamed(verb, session, "disable", "disable rules, but keep them",
           {"PATCH", "", R"({"enabled":false})"}, "disabled");
  AddFiles(verb, session);
  AddSub(verb, "sync", "read the files again; do files and kernel agree?")
      ->callback([&session] { session.exit_code = RunSync(session); });
}

}  // namespace sallyport::cli
