#ifndef SALLYPORT_TOOLS_RULE_IMPORT_H_
#define SALLYPORT_TOOLS_RULE_IMPORT_H_

// `sallyport rules import --from KIND`: reads the files of another firewall and
// imports the rules they become as ImportRules does those of a rule file.
// Prints and returns an exit code. One thread.

#include <string>

#include "tools/import.h"

namespace sallyport::cli {

struct ImportArgs;
struct Session;

struct ForeignImport {
  std::string from;  // opensnitch, ufw, lsrules, portmaster
  ImportOptions options;
};

// Reads `args.file`: a directory or a file; "": the usual one, if there is one.
// A dry run prints the rules as a rule file, with all notes as comments.
int ImportForeign(const Session& session, const ForeignImport& import,
                  const ImportArgs& args);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_IMPORT_H_
