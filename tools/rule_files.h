#ifndef SALLYPORT_TOOLS_RULE_FILES_H_
#define SALLYPORT_TOOLS_RULE_FILES_H_

// What `sallyport rules` does with rule files. All print and return an exit
// code; "-" is stdin, read once.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/api_client.h"

namespace sallyport::cli {

struct Session;

// Without a daemon. Every error of every file as file:line:column: message.
int CheckRuleFiles(const Session& session,
                   const std::vector<std::string>& files);

// All of a file, or of stdin ("-"); the status names it. ResourceExhausted: it
// has more than `most_bytes`.
absl::StatusOr<std::string> ReadFileText(const std::string& file,
                                         size_t most_bytes);

// The daemon's rules on stdout: "toml", one file that `import` and the daemon
// read; "json", as the control API takes them; "nft", see rule_nft.h.
int ExportRules(const Session& session, const std::string& format);

struct ImportArgs {
  std::string file;      // of other firewalls perhaps a directory, or ""
  bool replace = false;  // in place of all rules that are the daemon's own
  bool dry_run = false;
  std::string confirm;  // a duration; "": for good
};

// One change: all of them or none.
int ImportRules(const Session& session, const ImportArgs& args);

// The same with the text of a rule file, for what makes one: the call, the line
// that sums its answer up, and all that people are told of it.
int SendRules(const Session& session, const std::string& text,
              const ImportArgs& args, Json* answer);
std::string ImportedText(const Json& answer, bool dry_run);
void PrintImported(const ImportArgs& args, const Json& answer);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_FILES_H_
