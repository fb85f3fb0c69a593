#ifndef SALLYPORT_TOOLS_RULE_LINE_H_
#define SALLYPORT_TOOLS_RULE_LINE_H_

// Rules of the API (RULE in DESIGN.md) as people read them. Pure functions.

#include <string>

#include "tools/api_client.h"

namespace sallyport::cli {

// A rule that comes with the daemon, not from a file.
bool IsBuiltin(const Json& rule);

// "curl-web: allow /usr/bin/curl to 192.0.2.0/24 port 443 protocol tcp". Not
// escaped.
std::string RuleLine(const Json& rule);

// The answer to GET /v1/rules as a table in order of precedence. Escaped.
std::string RuleTableText(const Json& rules, bool colour);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_LINE_H_
