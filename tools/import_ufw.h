#ifndef SALLYPORT_TOOLS_IMPORT_UFW_H_
#define SALLYPORT_TOOLS_IMPORT_UFW_H_

// Reads ufw's rules: user.rules and user6.rules (a file whose name ends in
// "6.rules" is of IPv6). Only its own "### tuple ###" lines are read, not the
// iptables lines under them:
//
//   ### tuple ### ACTION PROTOCOL DPORT DST SPORT SRC [DAPP SAPP]
//                 [in|out][_IFACE] [comment=HEX]
//
// Rules for outgoing connections are taken over, in ufw's order: the first that
// matches decides. One that stands in both files is one rule here.

#include <span>

#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

absl::StatusOr<ImportResult> ImportUfw(std::span<const ImportFile> files,
                                       const ImportOptions& options);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_UFW_H_
