#ifndef SALLYPORT_TOOLS_RULE_NFT_H_
#define SALLYPORT_TOOLS_RULE_NFT_H_

// Rules as a table for nft(8), as far as nft can say them: rules for every app,
// by address, port, protocol, interface, user and group. Any other rule becomes
// a comment with the reason. Nothing that a rule holds can end a comment or
// become a statement. Pure.

#include <string>

#include "tools/api_client.h"

namespace sallyport::cli {

// `rules` as the control API lists them, in order of precedence.
std::string RulesToNft(const Json& rules);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_RULE_NFT_H_
