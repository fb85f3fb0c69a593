#ifndef SALLYPORT_TOOLS_LEARN_TEXT_H_
#define SALLYPORT_TOOLS_LEARN_TEXT_H_

// Answers of /v1/learn as people read them. Pure; everything is escaped.

#include <string>

#include "tools/api_client.h"

namespace sallyport::cli {

// The proposed rules, what they stand for, and what they leave out.
std::string ProposalText(const Json& learned, bool colour);

// What each app did, a line for each destination.
std::string SeenText(const Json& learned, bool colour);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_LEARN_TEXT_H_
