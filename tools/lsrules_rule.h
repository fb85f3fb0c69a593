#ifndef SALLYPORT_TOOLS_LSRULES_RULE_H_
#define SALLYPORT_TOOLS_LSRULES_RULE_H_

// One rule of a Little Snitch rule group. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tools/import.h"
#include "tools/import_text.h"

namespace sallyport::cli {

// LsKinds of destination, the most specific first.
enum class LsKind : uint8_t {
  kAddresses,
  kHosts,
  kDomains,
  kBroadcast,
  kMulticast,
  kBonjour,
  kLocalNet,
  kAny
};

// A rule as one of ours (all but name and priority), and what Little Snitch
// orders by.
struct LsRule {
  std::string name;
  Json json;
  bool high = false;
  LsKind kind = LsKind::kAny;
  size_t list_size = 0;
  bool any_process = false;
  bool no_via = false;
  bool any_user = false;
  bool any_port = false;
  bool any_protocol = false;
  bool allow = false;

  // The smaller is asked first.
  auto Order() const {
    return std::tuple(!high, kind, list_size, any_process, no_via, any_user,
                      any_port, any_protocol, allow);
  }
};

// Why the rule cannot be said here; empty: it is in `out`. What is lost of it
// without making it wider goes to `remarks`.
std::string ReadLsRule(const InputJson& rule, const ImportOptions& options,
                       LsRule* out, std::vector<std::string>* remarks);

// Entries of a list that may be written as an array, or as one text with
// commas. False: it is something else.
bool LsEntries(const InputJson& value, std::vector<std::string>* out);

// One entry of a list of that kind, as `to` takes it.
std::optional<std::string> LsEntry(LsKind kind, const std::string& text);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_LSRULES_RULE_H_
