// status, mode, version: what the daemon is doing.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/session.h"
#include "tools/status_text.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

struct ModeArgs {
  std::string mode;
  std::string confirm;  // time; "": for good
};

int RunMode(const Session& session, const ModeArgs& args) {
  if (args.mode.empty()) {
    return RunCall(session, {"GET", "/v1/status", ""}, [](const Json& status) {
      std::printf("%s\n", EscapeForTerminal(TextAt(status, "/mode")).c_str());
    });
  }
  Json body = {{"mode", args.mode}};
  if (const auto seconds = ConfirmSeconds(args.confirm)) {
    body["confirm_seconds"] = *seconds;
  }
  return RunCall(
      session, {"PUT", "/v1/mode", body.dump()}, [&](const Json& status) {
        std::fputs(StatusSummary(status, session.colour).c_str(), stdout);
        if (args.confirm.empty()) return;
        if (HasAt(status, "/pending_change")) {
          PrintConfirmHint(args.confirm);
        } else {
          std::printf("the mode was %s already: nothing to confirm\n",
                      args.mode.c_str());
        }
      });
}

int RunVersion(const Session& session) {
  ApiClient client(session.socket_path);
  const absl::StatusOr<Json> daemon = client.Get("/v1/version");
  if (session.json) {
    Json both = {{"cli", SALLYPORT_VERSION}};
    if (daemon.ok()) both["daemon"] = *daemon;
    PrintJson(both);
    return kDone;
  }
  std::printf("sallyport %s\n", SALLYPORT_VERSION);
  if (!daemon.ok()) {
    // The version of this program is an answer; a stopped daemon is no error.
    std::printf("sallyportd not reachable at %s\n",
                EscapeForTerminal(session.socket_path).c_str());
    return kDone;
  }
  std::string commit = TextAt(*daemon, "/commit");
  if (!commit.empty()) commit = Concat(" (", commit, ")");
  std::printf("sallyportd %s%s, API %s\n",
              EscapeForTerminal(TextAt(*daemon, "/version")).c_str(),
              EscapeForTerminal(commit).c_str(),
              EscapeForTerminal(TextAt(*daemon, "/api")).c_str());
  return kDone;
}

}  // namespace

void AddStatus(CLI::App& verb, Session& session) {
  verb.callback([&session] {
    session.exit_code =
        RunCall(session, {"GET", "/v1/status", ""}, [&](const Json& status) {
          std::fputs(StatusText(status, session.colour).c_str(), stdout);
        });
  });
}

void AddMode(CLI::App& verb, Session& session) {
  auto args = std::make_shared<ModeArgs>();
  CLI::Option* mode =
      verb.add_option("MODE", args->mode, "monitor, learn, enforce or lockdown")
          ->check(CLI::IsMember({"monitor", "learn", "enforce", "lockdown"}));
  AddConfirmOption(verb, args->confirm);
  verb.get_option("--confirm")->needs(mode);
  verb.callback(
      [&session, args] { session.exit_code = RunMode(session, *args); });
}

void AddVersion(CLI::App& verb, Session& session) {
  verb.callback([&session] { session.exit_code = RunVersion(session); });
}

}  // namespace sallyport::cli
