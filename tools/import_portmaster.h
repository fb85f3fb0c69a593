#ifndef SALLYPORT_TOOLS_IMPORT_PORTMASTER_H_
#define SALLYPORT_TOOLS_IMPORT_PORTMASTER_H_

// Reads an export of Portmaster, YAML or JSON: of an app (type: profile), or of
// settings (type: settings, single-setting), which does not say whose they are:
// options.app does.
//
// Portmaster asks, for the profile of a process: forced blocks of scopes
// (filter/blockLocal, blockLAN, blockInternet), the list of rules
// (filter/endpoints, the first that matches decides), filter lists, the
// default (filter/defaultAction). What comes in is not judged here.

#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

absl::StatusOr<ImportResult> ImportPortmaster(const ImportFile& file,
                                              const ImportOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_PORTMASTER_H_
