#ifndef SALLYPORT_TOOLS_STATUS_TEXT_H_
#define SALLYPORT_TOOLS_STATUS_TEXT_H_

// Answers of the API as people read them. Pure functions; what comes from
// programs is escaped.

#include <string>

#include "tools/api_client.h"

namespace sallyport::cli {

// One line: enforcing or not, and why.
std::string StatusSummary(const Json& status, bool colour);
// The answer to GET /v1/status.
std::string StatusText(const Json& status, bool colour);
// The answer to GET /v1/stats.
std::string StatsText(const Json& stats, bool colour);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_STATUS_TEXT_H_
