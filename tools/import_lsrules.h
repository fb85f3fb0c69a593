#ifndef SALLYPORT_TOOLS_IMPORT_LSRULES_H_
#define SALLYPORT_TOOLS_IMPORT_LSRULES_H_

// Reads a rule group of Little Snitch: one .lsrules file (JSON).
//
// Little Snitch asks the more specific rule first: priority "high", then the
// kind of destination (address, host, domain, network class, any), shorter
// lists before longer, then the process. So the destination counts before the
// process there, the other way round than here: the order becomes priorities.

#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

absl::StatusOr<ImportResult> ImportLsrules(const ImportFile& file,
                                           const ImportOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_LSRULES_H_
