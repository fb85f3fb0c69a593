// explain: what would happen to a connection, and why. The daemon judges with
// the code and the rules that judge packets.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/rule_line.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

struct ExplainArgs {
  std::string app;
  std::string destination;
  std::string protocol = "tcp";
  std::string user;
};

void PrintExplanation(const Json& answer, bool colour) {
  const std::string judged = TextAt(answer, "/judged");
  const std::string verdict = TextAt(answer, "/verdict");
  std::string why = TextAt(answer, "/reason");
  if (HasAt(answer, "/rule")) {
    AppendTo(&why, " ", TextAt(answer, "/rule"));
  }
  std::printf("%s  %s\n",
              Paint(judged == "allow" ? Colour::kGreen : Colour::kRed,
                    EscapeForTerminal(judged), colour)
                  .c_str(),
              EscapeForTerminal(
                  Concat("(", why, ", mode ", TextAt(answer, "/mode"), ")"))
                  .c_str());
  if (verdict != judged) {
    std::printf("in this mode the packet gets: %s\n",
                EscapeForTerminal(verdict).c_str());
  }
  for (const Json& line : ArrayAt(answer, "/text")) {
    std::printf("  %s\n", EscapeForTerminal(TextAt(line, "")).c_str());
  }
  if (!ArrayAt(answer, "/text").empty()) return;
  if (HasAt(answer, "/winner")) {
    std::printf("  won   %s\n",
                EscapeForTerminal(RuleLine(answer["winner"])).c_str());
  }
  for (const Json& loser : ArrayAt(answer, "/losers")) {
    std::printf("  lost  %s\n",
                EscapeForTerminal(
                    Concat(TextAt(loser, "/rule"), ": ", TextAt(loser, "/why")))
                    .c_str());
  }
}

int RunExplain(const Session& session, const ExplainArgs& args) {
  const absl::StatusOr<AppName> app = ResolveApp(args.app);
  const absl::StatusOr<HostPort> dest = ParseHostPort(args.destination);
  for (const absl::Status& status : {app.status(), dest.status()}) {
    if (status.ok()) continue;
    Report(status);
    return kUsage;
  }
  const absl::StatusOr<std::vector<std::string>> addresses =
      AddressesOf(dest->host);
  if (!addresses.ok()) return Report(addresses.status());
  if (!app->note.empty()) Note(app->note);
  for (const std::string& address : *addresses) {
    Json body = {{"app", app->app}, {"to", address}};
    if (dest->port >= 0) body["port"] = dest->port;
    int number = 0;
    if (ParseNumber(args.protocol, &number)) {
      body["protocol"] = number;
    } else {
      body["protocol"] = args.protocol;
    }
    if (!args.user.empty()) body["user"] = args.user;
    if (address != dest->host && !session.json) {
      std::printf("%s:\n", address.c_str());
    }
    const int code = RunCall(
        session,
        {"POST", "/v1/explain",
         body.dump(-1, ' ', false, Json::error_handler_t::replace)},
        [&](const Json& answer) { PrintExplanation(answer, session.colour); });
    if (code != kDone) return code;
  }
  return kDone;
}

}  // namespace

void AddExplain(CLI::App& verb, Session& session) {
  auto args = std::make_shared<ExplainArgs>();
  verb.add_option("APP", args->app, "program: path or name in PATH")
      ->required();
  verb.add_option("DEST", args->destination,
                  "192.0.2.1:53, [2001:db8::1]:53, name:443")
      ->required();
  verb.add_option("--proto", args->protocol, "tcp, udp, icmp, ... or a number")
      ->capture_default_str();
  verb.add_option("--user", args->user, "as this user (name or id)");
  verb.callback(
      [&session, args] { session.exit_code = RunExplain(session, *args); });
}

}  // namespace sallyport::cli
