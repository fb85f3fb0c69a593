#ifndef SALLYPORT_TOOLS_VERBS_H_
#define SALLYPORT_TOOLS_VERBS_H_

// The verbs of the CLI. Each function declares the options of its verb on
// `verb` and the callback that runs it and sets `session.exit_code`. `session`
// outlives the parser.

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace sallyport::cli {

struct Session;

void AddStatus(CLI::App& verb, Session& session);
void AddMode(CLI::App& verb, Session& session);
void AddConfirm(CLI::App& verb, Session& session);
void AddOff(CLI::App& verb, Session& session);
void AddDoctor(CLI::App& verb, Session& session);
void AddWatch(CLI::App& verb, Session& session);
void AddVersion(CLI::App& verb, Session& session);
// allow, deny, reject and local-only: the policy is the verb's name.
void AddPolicy(CLI::App& verb, Session& session);
void AddRules(CLI::App& verb, Session& session);
void AddExplain(CLI::App& verb, Session& session);
void AddViolations(CLI::App& verb, Session& session);
void AddEvents(CLI::App& verb, Session& session);
void AddHistory(CLI::App& verb, Session& session);
void AddStats(CLI::App& verb, Session& session);
void AddLearn(CLI::App& verb, Session& session);

// `--confirm TIME` of verbs whose change can go back by itself; `text` is set
// to a duration that ParseDuration takes, or stays empty.
void AddConfirmOption(CLI::App& verb, std::string& text);
// For the API: seconds of `text`; none if it is empty.
std::optional<int64_t> ConfirmSeconds(const std::string& text);
// The line that tells how to keep such a change.
void PrintConfirmHint(const std::string& text);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_VERBS_H_
