#ifndef SALLYPORT_TOOLS_IMPORT_OPENSNITCH_H_
#define SALLYPORT_TOOLS_IMPORT_OPENSNITCH_H_

// Reads OpenSnitch's rules: the *.json files of its rules directory, one rule
// each. A file called network_aliases.json holds its names for networks; the
// ones it ships are known without.
//
// OpenSnitch asks its rules by name. The first that matches and is a deny, a
// reject or has the precedence flag decides; if there is none, any allow does.
// So ours are asked in that order: those by name, then the other allows.

#include <span>

#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

absl::StatusOr<ImportResult> ImportOpenSnitch(std::span<const ImportFile> files,
                                              const ImportOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_OPENSNITCH_H_
