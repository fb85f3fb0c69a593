#ifndef SALLYPORT_TOOLS_VERBS_H_
#define SALLYPORT_TOOLS_VERBS_H_

// The verbs of the CLI. Each function declares the options of its verb on
// `verb` and the callback that runs it and sets `session.exit_code`. `session`
// outlives the parser.

namespace CLI {
class App;
}

namespace sallyport::cli {

struct Session;

void AddStatus(CLI::App& verb, Session& session);
void AddMode(CLI::App& verb, Session& session);
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
void AddStats(CLI::App& verb, Session& session);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_VERBS_H_
