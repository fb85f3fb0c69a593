#ifndef SALLYPORT_TOOLS_OPENSNITCH_OPERAND_H_
#define SALLYPORT_TOOLS_OPENSNITCH_OPERAND_H_

// One condition of an OpenSnitch rule ("operator" there), and all of one rule
// together, as conditions of ours. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tools/import.h"

namespace sallyport::cli {

struct OpenSnitchOperator {
  std::string type;     // simple, regexp, network, lists, range, list
  std::string operand;  // process.path, dest.host, ...
  std::string data;
  bool sensitive = false;  // to upper and lower case
};

// Names that stand for networks: network_aliases.json.
using NetworkAliases = std::map<std::string, std::vector<std::string>>;

// The conditions of one rule; all of them must hold. Unset: anything.
class OpenSnitchMatch {
 public:
  OpenSnitchMatch(const ImportOptions& options, const NetworkAliases& aliases)
      : options_(options), aliases_(aliases) {}

  // Narrows the match by one operator. The status says why that cannot be
  // said here; then the rule must be left out. What is lost without making it
  // wider goes to `remarks`.
  absl::Status Add(const OpenSnitchOperator& op,
                   std::vector<std::string>* remarks);

  // The conditions as fields of rules, one rule per element. The status: why
  // there can be none.
  absl::StatusOr<std::vector<Json>> Rules() const;

 private:
  using Texts = std::vector<std::string>;

  absl::Status AddDestination(const OpenSnitchOperator& op, Texts* remarks);
  absl::Status AddNetwork(const OpenSnitchOperator& op, Texts* remarks);
  absl::Status AddList(const OpenSnitchOperator& op);
  absl::Status AddApp(const OpenSnitchOperator& op, std::optional<Texts>* field,
                      Texts* remarks);
  absl::Status AddPort(const OpenSnitchOperator& op, Texts* remarks);
  absl::Status AddProtocol(const OpenSnitchOperator& op);
  absl::Status AddCommand(const OpenSnitchOperator& op);
  absl::Status AddUser(const OpenSnitchOperator& op, Texts* remarks);
  absl::Status AddInterface(const OpenSnitchOperator& op, Texts* remarks);
  absl::Status NarrowTo(Texts to);
  bool OnlyCommand() const;

  const ImportOptions& options_;
  const NetworkAliases& aliases_;
  std::optional<Texts> apps_;
  std::optional<Texts> parents_;
  std::optional<Texts> to_;
  std::optional<Json> ports_;
  std::optional<Texts> users_;
  std::optional<Texts> interfaces_;
  std::optional<std::string> command_;
  std::optional<uint32_t> protocols_;  // bits of kOpenSnitchProtocols
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_OPENSNITCH_OPERAND_H_
