#ifndef SALLYPORT_TOOLS_OPENSNITCH_VARIANTS_H_
#define SALLYPORT_TOOLS_OPENSNITCH_VARIANTS_H_

// OpenSnitch's protocols name an address family too: "tcp" is TCP over IPv4,
// "tcp6" over IPv6. So one rule of theirs may be several of ours. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/import.h"
#include "tools/regex_rows.h"

namespace sallyport::cli {

// The protocols whose names `regex` matches, as bits.
uint32_t OpenSnitchProtocolsMatching(const Regex& regex);

// The fields protocol, port, to, not_to of one rule.
struct OpenSnitchVariant {
  Json fields = Json::object();
};

// One element per rule. The status: no flow can meet all of it.
absl::StatusOr<std::vector<OpenSnitchVariant>> OpenSnitchVariants(
    std::optional<uint32_t> protocols, const std::optional<Json>& ports,
    const std::optional<std::vector<std::string>>& to);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_OPENSNITCH_VARIANTS_H_
