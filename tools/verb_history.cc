// history: whether the record of events is whole (verify, head), and what was
// done to rule files (rules).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/api_client.h"
#include "tools/call.h"
#include "tools/daemon_process.h"
#include "tools/event_text.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

// The daemon reads all of it: at most 2 GiB, some seconds on a slow disk.
constexpr absl::Duration kVerifyTimeout = absl::Seconds(120);

constexpr char kVerifyHelp[] =
    "Each record carries a hash over itself and the hash of the record before "
    "it.\n"
    "Proven: since TIME no record was changed, taken out or put in, unless "
    "all hashes\nafter it were made anew; nothing is missing at the end.\n"
    "Not proven: who may write the file (root) can make the whole chain anew, "
    "or put\nan old copy in its place. A daemon that runs knows its newest "
    "record and finds\nthat; else only a hash that was kept elsewhere does: "
    "keep what `sallyport history\nhead` prints on another machine, and give "
    "it back with --head. Records that were\npruned (too old, no room) or "
    "are older than the chain are not looked at.\n"
    "Exit codes: 0 intact, 1 broken, 2 usage, 3 no daemon, no file.";

struct VerifyArgs {
  std::vector<std::string> heads;
  std::string file;
};

struct RulesArgs {
  std::string since = "7d";
  int limit = 0;  // 0: the daemon's own
  bool verbose = false;
};

void PrintChain(const Session& session, const Json& chain) {
  const std::string name = TextAt(chain, "/chain");
  const std::string records = Grouped(NumberAt(chain, "/records"));
  if (BoolAt(chain, "/intact")) {
    std::printf("%s\n",
                Paint(Colour::kGreen,
                      EscapeForTerminal(Concat(name, ": ", records,
                                               " records, chain intact since ",
                                               TextAt(chain, "/since"))),
                      session.colour)
                    .c_str());
  } else {
    std::printf("%s\n",
                Paint(Colour::kRed,
                      EscapeForTerminal(Concat(
                          name, ": BROKEN after ", records,
                          " records: ", TextAt(chain, "/broken/message"))),
                      session.colour)
                    .c_str());
  }
  if (const double old = NumberAt(chain, "/unchained"); old > 0) {
    std::printf("  %s records are older than the chain: not verified\n",
                Grouped(old).c_str());
  }
}

void PrintReport(const Session& session, const Json& report) {
  for (const Json& chain : ArrayAt(report, "/chains")) {
    PrintChain(session, chain);
  }
  for (const Json& head : ArrayAt(report, "/heads")) {
    const bool found = BoolAt(head, "/found");
    const std::string text =
        Concat("head ", TextAt(head, "/hash"), ": ",
               found ? Concat("record ", TextAt(head, "/id"), " of ",
                              TextAt(head, "/chain"))
                     : "NOT in the chain: written anew since, or pruned");
    std::printf("%s\n", Paint(found ? Colour::kGreen : Colour::kRed,
                              EscapeForTerminal(text), session.colour)
                            .c_str());
  }
  const std::string notice = TextAt(report, "/notice");
  if (!notice.empty()) Note(notice);
}

absl::StatusOr<Json> VerifyByDaemon(const Session& session,
                                    const VerifyArgs& args) {
  std::string path = "/v1/history/verify";
  for (const std::string& head : args.heads) {
    AppendTo(&path, &head == &args.heads.front() ? "?head=" : ",",
             UrlEncode(head));
  }
  return ApiClient(session.socket_path, kVerifyTimeout).Get(path);
}

absl::StatusOr<Json> VerifyFile(const VerifyArgs& args) {
  const absl::StatusOr<std::string> text =
      ReadHistoryReport(args.file, args.heads);
  if (!text.ok()) return text.status();
  Json report = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (report.is_object()) return report;
  return absl::FailedPreconditionError("sallyportd's report is no JSON");
}

bool IsHash(const std::string& text) {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

int RunVerify(const Session& session, const VerifyArgs& args) {
  for (const std::string& head : args.heads) {
    if (IsHash(head)) continue;
    Note(Concat(QuoteForMessage(head),
                " is no hash: 64 hexadecimal digits, as `sallyport history "
                "head` prints them"));
    return kUsage;
  }
  const absl::StatusOr<Json> report =
      args.file.empty() ? VerifyByDaemon(session, args) : VerifyFile(args);
  if (!report.ok()) {
    const int code = Report(report.status());
    return absl::IsNotFound(report.status()) ? kUnreachable : code;
  }
  if (session.json) {
    PrintJson(*report);
  } else {
    PrintReport(session, *report);
  }
  return BoolAt(*report, "/intact") ? kDone : kFailed;
}

int RunHead(const Session& session) {
  return RunCall(
      session, {"GET", "/v1/history/head", ""}, [](const Json& answer) {
        for (const Json& head : ArrayAt(answer, "/heads")) {
          std::printf("%s\n",
                      EscapeForTerminal(Concat(TextAt(head, "/hash"), "  ",
                                               TextAt(head, "/chain"), " ",
                                               TextAt(head, "/id")))
                          .c_str());
        }
      });
}

int RunRules(const Session& session, const RulesArgs& args) {
  std::string path = Concat("/v1/history/rules?since=", UrlEncode(args.since));
  if (args.limit > 0) AppendTo(&path, "&limit=", args.limit);
  return RunCall(session, {"GET", path, ""}, [&](const Json& answer) {
    const Json& events = ArrayAt(answer, "/events");
    for (const Json& event : events) {
      std::fputs(EventLine(event, session.colour).c_str(), stdout);
      if (args.verbose) {
        std::fputs(EventDetails(event, session.colour).c_str(), stdout);
      }
    }
    if (events.empty()) {
      std::printf("no rule file was changed by another hand in the last %s\n",
                  EscapeForTerminal(args.since).c_str());
    }
  });
}

CLI::App* AddSub(CLI::App& verb, const char* name, const char* help) {
  CLI::App* sub = verb.add_subcommand(name, help);
  sub->fallthrough();
  return sub;
}

}  // namespace

void AddHistory(CLI::App& verb, Session& session) {
  verb.require_subcommand(1);
  auto verify_args = std::make_shared<VerifyArgs>();
  CLI::App* verify = AddSub(
      verb, "verify", "is the chain of records whole? what does not fit?");
  verify->footer(kVerifyHelp);
  verify
      ->add_option("--head", verify_args->heads,
                   "this hash must be in a chain; may be given again")
      ->allow_extra_args(false);
  verify->add_option("--file", verify_args->file,
                     "read this file instead of asking the daemon");
  verify->callback([&session, verify_args] {
    session.exit_code = RunVerify(session, *verify_args);
  });
  AddSub(verb, "head", "the newest hashes, to be kept elsewhere")
      ->callback([&session] {
    session.exit_code = RunHead(session); });
  auto rules_args = std::make_shared<RulesArgs>();
  CLI::App* rules =
      AddSub(verb, "rules", "rule files that another hand has changed");
  rules
      ->add_option("--since", rules_args->since,
                   "how far back: 60s, 5m, 2h, 7d")
      ->capture_default_str();
  rules->add_option("--limit", rules_args->limit, "at most so many, the newest")
      ->check(CLI::PositiveNumber);
  rules->add_flag("--verbose,-v", rules_args->verbose, "with what changed");
  rules->callback([&session, rules_args] {
    session.exit_code = RunRules(session, *rules_args);
  });
}

}  // namespace sallyport::cli
