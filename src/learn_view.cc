#include "src/learn_view.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "rules/app_pattern.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr size_t kIdBytes = 8;

// What a rule does, and nothing else. No field has a line end in it.
void AppendMeaning(const ProposedRule& rule, std::string* out) {
  AppendTo(out, rule.name, "\n", rule.app, "\n", absl::StrJoin(rule.to, " "),
           "\n", rule.user, "\n");
  for (const PortRange& range : rule.port) {
    AppendTo(out, PortToString(range), " ");
  }
  for (const uint8_t protocol : rule.protocol) {
    AppendTo(out, "\n", ProtocolName(protocol));
  }
  AppendTo(out, "\n\n");
}

std::string IdOf(const Proposal& proposal) {
  std::string text;
  for (const ProposedRule& rule : proposal.rules) AppendMeaning(rule, &text);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  // It cannot fail but for want of memory; an id of zeros then fits nothing.
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(),
             nullptr);
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), kIdBytes));
}

}  // namespace

bool IsOfApp(const LearnedFlow& flow, std::string_view app) {
  return app.empty() || flow.app == app || flow.app == ExactAppText(app);
}

LearnView MakeLearnView(LearnSnapshot seen, const RuleSet& rules,
                        ProposalOptions options, std::string_view app) {
  LearnView view;
  view.seen = std::move(seen);
  for (const size_t i : Undecided(rules, view.seen.flows)) {
    view.undecided.push_back(view.seen.flows[i]);
  }
  for (const Rule& rule : rules.rules()) options.taken_names.insert(rule.name);
  view.proposal = ProposeRules(view.undecided, options);
  std::erase_if(view.proposal.rules, [&](const ProposedRule& rule) {
    return !IsOfApp(view.undecided[rule.covers.front()], app);
  });
  std::erase_if(view.proposal.unnamed,
                [&](size_t i) { return !IsOfApp(view.undecided[i], app); });
  view.id = IdOf(view.proposal);
  return view;
}

}  // namespace sallyport
