#ifndef SALLYPORT_TOOLS_PORTMASTER_ENDPOINT_H_
#define SALLYPORT_TOOLS_PORTMASTER_ENDPOINT_H_

// The lines of Portmaster's rule lists, as conditions of ours. Pure.
//
//   + .example.com TCP/443   # why     "+" allows, "-" blocks
//
// What may stand second: *, an address, a network, a country (DE), a continent
// (C:EU), an AS (AS64496), scopes (Localhost,LAN,Internet), lists (L:MAL), a
// name (example.com; .example.com with all below; *.example.com all below).

#include <string>
#include <string_view>

#include "tools/import.h"

namespace sallyport::cli {

// Sets policy, to, not_to, port, protocol of `out`. Returns why the line cannot
// be said here; empty: it can.
std::string ReadPortmasterEndpoint(std::string_view line,
                                   const ImportOptions& options, Json* out);

// What Portmaster's scopes are, as `to` and `not_to`: any of `localhost`,
// `lan`, `internet`.
void PutPortmasterScopes(bool localhost, bool lan, bool internet, Json* out);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_PORTMASTER_ENDPOINT_H_
