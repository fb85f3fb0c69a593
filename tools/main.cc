// sallyport: the command line of the Sallyport firewall. Parses, picks the
// verb, runs it.

#include <curl/curl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/text_util.h"
#include "tools/session.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

struct Verb {
  const char* name;
  void (*add)(CLI::App& verb, Session& session);
  const char* help;
};

constexpr Verb kVerbs[] = {
    {"status", &AddStatus, "what the firewall is doing now"},
    {"mode", &AddMode, "show or set: monitor, learn, enforce, lockdown"},
    {"confirm", &AddConfirm, "keep a change made with --confirm"},
    {"off", &AddOff, "stop the firewall and clear its kernel rules"},
    {"doctor", &AddDoctor, "check everything and say what to do"},
    {"watch", &AddWatch, "live view of connections and verdicts"},
    {"version", &AddVersion, "versions of this program and the daemon"},
    {"allow", &AddPolicy, "let an app connect"},
    {"deny", &AddPolicy, "drop what an app sends"},
    {"reject", &AddPolicy, "refuse an app's connections at once"},
    {"local-only", &AddPolicy, "let an app reach this host and the LAN only"},
    {"rules", &AddRules, "list, show, change, check, copy rules"},
    {"explain", &AddExplain, "what would happen to a connection, and why"},
    {"violations", &AddViolations, "what was turned away"},
    {"events", &AddEvents, "recent connections and verdicts"},
    {"history", &AddHistory, "was the record of events changed by a hand?"},
    {"stats", &AddStats, "counters and verdict latency"},
    {"learn", &AddLearn, "rules made of what mode learn has seen"},
};

// No verb, or one that we do not know.
int NoVerb(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kUsage;
  }
  std::vector<std::string_view> names;
  for (const Verb& verb : kVerbs) names.emplace_back(verb.name);
  const std::optional<std::string_view> near = NearestWord(words[0], names);
  Note(Concat("no verb ", QuoteForMessage(words[0]),
              near.has_value() ? Concat(", did you mean ", *near, "?")
                               : ": see sallyport --help"));
  return kUsage;
}

int Main(int argc, char** argv) {
  Session session;
  session.colour = WantsColour(STDOUT_FILENO);
  CLI::App app("Sallyport: decides which program may connect where.");
  app.name("sallyport");
  app.require_subcommand(1);
  app.add_flag("--json", session.json, "answer in JSON");
  app.add_option("--socket", session.socket_path, "the daemon's API socket")
      ->envname("SALLYPORT_SOCKET")
      ->capture_default_str();
  app.set_version_flag("--version", "sallyport " SALLYPORT_VERSION);
  app.footer(
      "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 daemon not "
      "reachable.");
  for (const Verb& verb : kVerbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.help);
    command->fallthrough();  // --json and --socket also after the verb
    verb.add(*command, session);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (app.get_subcommands().empty()) return NoVerb(app);
    app.exit(error);
    return kUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  return session.exit_code;
}

}  // namespace
}  // namespace sallyport::cli

int main(int argc, char** argv) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return sallyport::cli::Main(argc, argv);
}
