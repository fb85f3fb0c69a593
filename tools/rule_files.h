#ifndef SALLYPORT_TOOLS_RULE_FILES_H_
#define SALLYPORT_TOOLS_RULE_FILES_H_

// What `sallyport rules` does with rule files. All print and return an exit
// code; "-" is stdin, read once.

#include <string>
#include <vector>

namespace sallyport::cli {

struct Session;

// Without a daemon. Every error of every file as file:line:column: message.
int CheckRuleFiles(const Session& session,
                   const std::vector<std::string>& files);

// The daemon's rules on stdout, as one file that `import` and the daemon read.
int ExportRules(const Session& session);

struct ImportArgs {
  std::string file;
  bool replace = false;  // in place of all rules that are the daemon's own
  bool dry_run = false;
  std::string confirm;  // a duration; "": for good
};

// One change: all of them or none.
int ImportRules(const Session& session, const ImportArgs& args);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_FILES_H_
