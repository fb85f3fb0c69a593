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
  std::string interface;
};

// The daemon says it in words; should it not, its fields are put into some.
std::vector<std::string> LinesOf(const Json& answer) {
  std::vector<std::string> lines;
  for (const Json& line : ArrayAt(answer, "/text")) {
    lines.push_back(TextAt(line, ""));
  }
  if (!lines.empty()) return lines;
  lines.push_back(Concat(TextAt(answer, "/judged"), " (",
                         TextAt(answer, "/reason"), ", mode ",
                         TextAt(answer, "/mode"), ")"));
  if (HasAt(answer, "/winner")) {
    lines.push_back(Concat("winner: ", RuleLine(answer["winner"])));
  }
  for (const Json& loser : ArrayAt(answer, "/losers")) {
    lines.push_back(
        Concat("not ", TextAt(loser, "/rule"), ": ", TextAt(loser, "/why")));
  }
  return lines;
}

void PrintExplanation(const Json& answer, bool colour) {
  const std::vector<std::string> lines = LinesOf(answer);
  const Colour paint =
      TextAt(answer, "/judged") == "allow" ? Colour::kGreen : Colour::kRed;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string safe = EscapeForTerminal(lines[i]);
    std::printf("%s%s\n", i == 0 ? "" : "  ",
                Paint(i == 0 ? paint : Colour::kNone, safe, colour).c_str());
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
    if (!args.interface.empty()) body["interface"] = args.interface;
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
  verb.add_option("--interface", args->interface,
                  "as if it left by this device");
  verb.callback(
      [&session, args] { session.exit_code = RunExplain(session, *args); });
}

}  // namespace sallyport::cli
