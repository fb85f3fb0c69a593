// Whatever was seen: the proposal ends, each rule is valid, every flow that a
// rule can name is covered by a rule that allows it, in words of the language.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/app_pattern.h"
#include "rules/destination_name.h"
#include "rules/rule_fields.h"
#include "rules/rule_proposal.h"

namespace sallyport {
namespace {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string Text(size_t most) {
    std::string text;
    for (size_t n = Byte() % (most + 1); n > 0 && size_ > 0; --n) {
      text.push_back(static_cast<char>(Byte()));
    }
    return text;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

std::vector<LearnedFlow> FlowsOf(Bytes* in) {
  std::vector<LearnedFlow> flows;
  while (!in->empty() && flows.size() < 1024) {
    const uint8_t kind = in->Byte();
    LearnedFlow flow;
    std::string path = "/" + in->Text(6);
    std::erase(path, '\0');
    flow.app = ExactAppText(path);
    if ((kind & 7) == 7) flow.naming = AppNaming::kNotItsPath;
    if ((kind & 8) != 0) flow.name = NormalName(in->Text(255));
    for (uint8_t& byte : flow.address.bytes) byte = in->Byte();
    flow.protocol = in->Byte();
    if (Flow{.protocol = flow.protocol}.HasPorts()) flow.port = in->Byte();
    if ((kind & 16) != 0) flow.uid = in->Byte();
    flow.count = in->Byte();
    flow.first_ns = flow.last_ns = int64_t{in->Byte()} << 55;
    flows.push_back(std::move(flow));
  }
  return flows;
}

bool Covers(const ProposedRule& rule, const LearnedFlow& flow) {
  const bool ports = Flow{.protocol = flow.protocol}.HasPorts();
  const bool port = ports ? std::any_of(rule.port.begin(), rule.port.end(),
                                        [&](PortRange range) {
                                          return range.first <= flow.port &&
                                                 flow.port <= range.last;
                                        })
                          : rule.port.empty();
  const bool to =
      std::any_of(rule.to.begin(), rule.to.end(), [&](const std::string& text) {
        if (!flow.name.empty()) return NamePatternCovers(text, flow.name);
        const auto destination = ParseDestination(text);
        return destination.ok() &&
               DestinationContains(*destination, flow.address);
      });
  return rule.app == flow.app && port && to &&
         std::count(rule.protocol.begin(), rule.protocol.end(), flow.protocol) >
             0 &&
         (rule.user.empty() || rule.user == std::to_string(flow.uid.value()));
}

void Check(const std::vector<LearnedFlow>& flows, const Proposal& proposal) {
  std::set<std::string> names;
  std::set<size_t> told(proposal.unnamed.begin(), proposal.unnamed.end());
  for (ProposedRule rule : proposal.rules) {
    if (!names.insert(rule.name).second) std::abort();
    for (const size_t i : rule.covers) {
      if (!Covers(rule, flows[i])) std::abort();
      told.insert(i);
    }
    rule.to.clear();  // names are not for this build's rules
    // A path like "//" is none that a rule could speak of, or the kernel.
    if (AppPattern::Parse(rule.app).ok() && !ValidateRule(*ToRule(rule)).ok()) {
      std::abort();
    }
  }
  if (told.size() != flows.size()) std::abort();
}

}  // namespace
}  // namespace sallyport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  Bytes in(data, size);
  const uint8_t choice = in.Byte();
  ProposalOptions options;
  options.group_names = (choice & 1) != 0;
  options.group_addresses = (choice & 2) != 0;
  options.by_user = (choice & 4) != 0;
  const std::vector<LearnedFlow> flows = FlowsOf(&in);
  Check(flows, ProposeRules(flows, options));
  return 0;
}
