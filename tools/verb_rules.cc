// rules: list, show, remove, enable, disable, sync. What works on files is in
// rule_files.cc.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/rule_files.h"
#include "tools/rule_import.h"
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

void AddExport(CLI::App& verb, Session& session) {
  auto format = std::make_shared<std::string>("toml");
  CLI::App* exporting =
      AddSub(verb, "export", "print all rules as a rule file");
  exporting->add_option("--to", *format, "toml, json or nft")
      ->check(CLI::IsMember({"toml", "json", "nft"}))
      ->capture_default_str();
  exporting->callback([&session, format] {
    session.exit_code = ExportRules(session, *format);
  });
}

// "A=B"; the last '=' counts, since A may be a path.
CLI::Validator ListPair() {
  return CLI::Validator(
      [](std::string& text) {
        const size_t mark = text.rfind('=');
        const bool good =
            mark != text.npos && mark > 0 && mark + 1 < text.size();
        return good ? std::string() : "must be THEIRS=OURS";
      },
      "THEIRS=OURS");
}

// What `rules import` is told.
struct ImportWords {
  ImportArgs args;
  ForeignImport foreign;
  std::vector<std::string> lists;
};

int RunImport(const Session& session, ImportWords& words) {
  const std::string& from = words.foreign.from;
  if (words.args.file.empty() && from != "ufw") {
    Note("rules import: what is to be read? see sallyport rules import --help");
    return kUsage;
  }
  if (from.empty()) return ImportRules(session, words.args);
  ImportOptions& options = words.foreign.options;
  for (const std::string& pair : words.lists) {
    const size_t mark = pair.rfind('=');
    options.lists[pair.substr(0, mark)] = pair.substr(mark + 1);
  }
  options.now = absl::Now();
  return ImportForeign(session, words.foreign, words.args);
}

void AddForeignOptions(CLI::App& sub, ImportWords& words) {
  CLI::Option* from =
      sub.add_option("--from", words.foreign.from,
                     "of another firewall: opensnitch DIR, ufw [DIR], lsrules "
                     "FILE, portmaster FILE")
          ->check(
              CLI::IsMember({"opensnitch", "ufw", "lsrules", "portmaster"}));
  ImportOptions& options = words.foreign.options;
  sub.add_option("--app", options.app,
                 "the app that Portmaster settings are for, or any")
      ->needs(from);
  sub.add_option("--user", options.user, "who \"me\" is in .lsrules")
      ->needs(from);
  sub.add_option("--list", words.lists,
                 "their list (directory, id) is our list of that name")
      ->check(ListPair())
      ->allow_extra_args(false)
      ->needs(from);
  sub.add_option("--priority", options.base_priority,
                 "of the rules that are asked last; default 0")
      ->check(CLI::Range(-1'000'000, 1'000'000))
      ->needs(from);
}

void AddImport(CLI::App& verb, Session& session) {
  auto words = std::make_shared<ImportWords>();
  ImportArgs& args = words->args;
  CLI::App* sub =
      AddSub(verb, "import", "add the rules of a file: all or none");
  sub->add_option("FILE", args.file,
                  "rule file; - is stdin; with --from a file or directory");
  sub->add_flag("--replace", args.replace,
                "in place of all rules made with sallyport");
  sub->add_flag("--dry-run", args.dry_run,
                "change nothing; with --from print the rules, and what could "
                "not be taken over");
  AddConfirmOption(*sub, args.confirm);
  AddForeignOptions(*sub, *words);
  sub->callback(
      [&session, words] { session.exit_code = RunImport(session, *words); });
}

void AddFiles(CLI::App& verb, Session& session) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* check = AddSub(verb, "check", "check rule files, without a daemon");
  check->add_option("FILE", *files, "rule files; - is stdin")->required();
  check->callback([&session, files] {
    session.exit_code = CheckRuleFiles(session, *files);
  });
  AddExport(verb, session);
  AddImport(verb, session);
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
