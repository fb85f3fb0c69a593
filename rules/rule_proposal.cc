#include "rules/rule_proposal.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "rules/destination_name.h"
#include "rules/rule_cover.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// Two make a group; one does not.
constexpr size_t kGroupMembers = 2;
// In place of a port, for protocols that have none.
constexpr uint32_t kNoPort = UINT16_MAX + 1;
// Of what an entry stands for, in a description.
constexpr size_t kExamples = 5;
// Where a description stops to tell of groups: the longest one more, and what
// always stands there, still fit into kMaxDescriptionBytes.
constexpr size_t kEnoughDescriptionBytes = 2000;
static_assert(kEnoughDescriptionBytes + (kExamples + 2) * kMaxNameBytes + 256 <
              kMaxDescriptionBytes);
// Neighbouring ports that are written as a range.
constexpr uint32_t kRangePorts = 3;

// One text of `to`, in the order in which they are listed.
struct Entry {
  enum class Kind : uint8_t { kLan, kName, kAddress };
  Kind kind = Kind::kAddress;
  std::string name;   // "*.example.com"
  IpAddress address;  // kAddress
  auto operator<=>(const Entry&) const = default;

  std::string Text() const {
    switch (kind) {
      case Kind::kLan:
        return ScopeKeywordName(ScopeKeyword::kLan);
      case Kind::kName:
        return name;
      case Kind::kAddress:
        break;
    }
    return address.ToString();
  }
};

// What two names end with in common, in whole labels.
std::string_view CommonSuffix(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  size_t same = 0;
  while (same < a.size() && a[a.size() - 1 - same] == b[b.size() - 1 - same]) {
    ++same;
  }
  const bool whole =
      same == a.size() && (same == b.size() || b[b.size() - 1 - same] == '.');
  if (whole) return a;
  const std::string_view tail = a.substr(a.size() - same);
  const size_t dot = tail.find('.');
  return dot == tail.npos ? "" : tail.substr(dot + 1);
}

bool IsLan(const IpAddress& address) {
  return (ScopesOf(address) & kScopeLan) != 0;
}

uint32_t PortOf(const LearnedFlow& flow) {
  return Flow{.protocol = flow.protocol}.HasPorts() ? flow.port : kNoPort;
}

// The flows of one app (of one user, if asked for), and their rules.
class AppRules {
 public:
  AppRules(std::span<const LearnedFlow> flows, std::vector<size_t> indexes,
           const ProposalOptions& options)
      : flows_(flows), indexes_(std::move(indexes)), options_(options) {}

  // Appends the rules, without names.
  void Propose(CoverBudget* budget, Proposal* proposal) {
    FindGroups();
    MakeCells();
    std::vector<CoverCell> cells;
    for (const auto& [cell, of_cell] : flows_of_) cells.push_back(cell);
    const Cover cover = CoverCells(std::move(cells), budget);
    proposal->is_fewest = proposal->is_fewest && cover.is_fewest;
    for (const CoverBox& box : cover.boxes) {
      for (const CoverBox& part : WithinLimits(box)) {
        proposal->rules.push_back(MakeRule(part));
      }
    }
  }

 private:
  // What the names of one domain have in common at one port.
  struct Domain {
    std::string_view suffix;
    bool suffix_seen = false;
  };
  // Port and protocol.
  using Service = std::pair<uint32_t, uint8_t>;

  static Service ServiceOf(const LearnedFlow& flow) {
    return {PortOf(flow), flow.protocol};
  }

  void FindGroups() {
    for (const size_t i : indexes_) {
      const LearnedFlow& flow = flows_[i];
      if (flow.name.empty()) {
        if (IsLan(flow.address)) lan_[ServiceOf(flow)].insert(flow.address);
        continue;
      }
      const std::string_view registered = RegisteredDomain(flow.name);
      if (registered.empty()) continue;
      names_[{registered, ServiceOf(flow)}].insert(flow.name);
      Domain& domain = domains_[{registered, PortOf(flow)}];
      domain.suffix = domain.suffix.empty()
                          ? std::string_view(flow.name)
                          : CommonSuffix(domain.suffix, flow.name);
    }
    for (const auto& [key, names] : names_) {
      Domain& domain = domains_[{key.first, key.second.first}];
      domain.suffix_seen |= names.contains(domain.suffix);
    }
  }

  Entry EntryOf(const LearnedFlow& flow) const {
    if (flow.name.empty()) {
      const auto lan = lan_.find(ServiceOf(flow));
      if (options_.group_addresses && lan != lan_.end() &&
          IsLan(flow.address) && lan->second.size() >= kGroupMembers) {
        return {Entry::Kind::kLan, "", {}};
      }
      return {Entry::Kind::kAddress, "", flow.address};
    }
    const std::string_view registered = RegisteredDomain(flow.name);
    const auto names = names_.find({registered, ServiceOf(flow)});
    if (!options_.group_names || names == names_.end() ||
        names->second.size() < kGroupMembers) {
      return {Entry::Kind::kName, flow.name, {}};
    }
    const Domain& domain = domains_.find({registered, PortOf(flow)})->second;
    return {Entry::Kind::kName,
            Concat(domain.suffix_seen ? "" : "*.", domain.suffix),
            {}};
  }

  void MakeCells() {
    std::vector<Entry> of_flow;
    for (const size_t i : indexes_) of_flow.push_back(EntryOf(flows_[i]));
    entries_ = of_flow;
    std::sort(entries_.begin(), entries_.end());
    entries_.erase(std::unique(entries_.begin(), entries_.end()),
                   entries_.end());
    for (size_t k = 0; k < indexes_.size(); ++k) {
      const auto at =
          std::lower_bound(entries_.begin(), entries_.end(), of_flow[k]);
      const LearnedFlow& flow = flows_[indexes_[k]];
      flows_of_[{static_cast<uint32_t>(at - entries_.begin()), PortOf(flow),
                 flow.protocol}]
          .push_back(indexes_[k]);
    }
  }

  // `box` in pieces that a rule can hold.
  static std::vector<CoverBox> WithinLimits(const CoverBox& box) {
    std::vector<CoverBox> pieces;
    for (size_t d = 0; d < box.destinations.size(); d += kMaxRuleDestinations) {
      for (size_t p = 0; p < box.ports.size(); p += kMaxRuleListEntries) {
        CoverBox piece;
        piece.destinations = Piece(box.destinations, d, kMaxRuleDestinations);
        piece.ports = Piece(box.ports, p, kMaxRuleListEntries);
        piece.protocols = box.protocols;
        pieces.push_back(std::move(piece));
      }
    }
    return pieces;
  }
  static std::vector<uint32_t> Piece(const std::vector<uint32_t>& list,
                                     size_t begin, size_t most) {
    const size_t end = std::min(list.size(), begin + most);
    return {list.begin() + static_cast<ptrdiff_t>(begin),
            list.begin() + static_cast<ptrdiff_t>(end)};
  }

  ProposedRule MakeRule(const CoverBox& box) const {
    ProposedRule rule;
    rule.app = flows_[indexes_.front()].app;
    const std::optional<uint32_t> uid = flows_[indexes_.front()].uid;
    if (options_.by_user && uid.has_value()) rule.user = Concat(*uid);
    for (const uint32_t entry : box.destinations) {
      rule.to.push_back(entries_[entry].Text());
    }
    // Only protocols without ports stand beside kNoPort.
    if (box.ports.front() != kNoPort) rule.port = Ranges(box.ports);
    for (const uint32_t protocol : box.protocols) {
      rule.protocol.push_back(static_cast<uint8_t>(protocol));
    }
    for (const uint32_t d : box.destinations) {
      for (const uint32_t p : box.ports) {
        for (const uint32_t q : box.protocols) {
          const std::vector<size_t>& of_cell = flows_of_.at({d, p, q});
          rule.covers.insert(rule.covers.end(), of_cell.begin(), of_cell.end());
        }
      }
    }
    std::sort(rule.covers.begin(), rule.covers.end());
    rule.description = Describe(box, rule);
    return rule;
  }

  // REQUIRES: `ports` is sorted
  static std::vector<PortRange> Ranges(const std::vector<uint32_t>& ports) {
    std::vector<PortRange> ranges;
    for (size_t i = 0; i < ports.size();) {
      uint32_t run = 1;
      while (i + run < ports.size() && ports[i + run] == ports[i] + run) ++run;
      if (run < kRangePorts) run = 1;
      ranges.push_back({static_cast<uint16_t>(ports[i]),
                        static_cast<uint16_t>(ports[i] + run - 1)});
      i += run;
    }
    return ranges;
  }

  std::string Describe(const CoverBox& box, const ProposedRule& rule) const {
    std::string text = WhenAndWho(rule);
    std::map<uint32_t, std::set<std::string>> seen_as;  // by entry
    bool names = false;
    for (const uint32_t entry : box.destinations) {
      const Entry& of = entries_[entry];
      names = names || (of.kind == Entry::Kind::kName && of.name[0] != '*');
      for (const uint32_t p : box.ports) {
        for (const uint32_t q : box.protocols) {
          for (const size_t i : flows_of_.at({entry, p, q})) {
            seen_as[entry].insert(DestinationText(flows_[i]));
          }
        }
      }
    }
    if (names) AppendTo(&text, "; a name stands for what is below it too");
    size_t untold = 0;
    for (const auto& [entry, seen] : seen_as) {
      const std::string of = entries_[entry].Text();
      if (seen.size() == 1 && seen.contains(of)) continue;
      if (text.size() > kEnoughDescriptionBytes) {
        ++untold;
      } else {
        AppendTo(&text, "; ", Group(of, seen));
      }
    }
    if (untold > 0) AppendTo(&text, "; ", untold, " entries more like these");
    return text;
  }

  // "*.example.com stands for 2 names seen: a.example.com, b.example.com".
  static std::string Group(const std::string& entry,
                           const std::set<std::string>& seen) {
    const bool lan = entry == ScopeKeywordName(ScopeKeyword::kLan);
    std::string text =
        Concat(entry, " stands for ", seen.size(), lan ? " address" : " name",
               seen.size() == 1 ? "" : (lan ? "es" : "s"), " seen: ");
    size_t told = 0;
    for (const std::string& one : seen) {
      if (told == kExamples) {
        AppendTo(&text, " and ", seen.size() - told, " more");
        break;
      }
      AppendTo(&text, told++ == 0 ? "" : ", ", one);
    }
    return text;
  }

  // "57 flows seen 2026-10-01 to 2026-10-03, of users 0, 1000; for every user".
  std::string WhenAndWho(const ProposedRule& rule) const {
    uint64_t count = 0;
    uint64_t shared = 0;
    int64_t first_ns = INT64_MAX;
    int64_t last_ns = INT64_MIN;
    std::set<std::optional<uint32_t>> uids;
    for (const size_t i : rule.covers) {
      const LearnedFlow& flow = flows_[i];
      count += flow.count;
      shared += flow.shared;
      first_ns = std::min(first_ns, flow.first_ns);
      last_ns = std::max(last_ns, flow.last_ns);
      uids.insert(flow.uid);
    }
    const std::string first = Day(first_ns);
    const std::string last = Day(last_ns);
    std::string text =
        Concat(count, count == 1 ? " flow" : " flows", " seen ", first,
               first == last ? "" : " to ", first == last ? "" : last);
    if (rule.user.empty()) {
      AppendTo(&text, ", ", Users(uids), "; for every user");
    }
    if (shared > 0) {
      AppendTo(&text, "; ", shared, " of sockets that other programs held too");
    }
    return text;
  }

  static std::string Day(int64_t time_ns) {
    return absl::FormatTime("%Y-%m-%d", absl::FromUnixNanos(time_ns),
                            absl::UTCTimeZone());
  }

  static std::string Users(const std::set<std::optional<uint32_t>>& uids) {
    std::string text = uids.size() == 1 ? "of user " : "of users ";
    size_t told = 0;
    for (const std::optional<uint32_t> uid : uids) {
      if (told == kExamples) {
        AppendTo(&text, " and ", uids.size() - told, " more");
        break;
      }
      AppendTo(&text, told++ == 0 ? "" : ", ",
               uid.has_value() ? Concat(*uid) : "unknown");
    }
    return text;
  }

  const std::span<const LearnedFlow> flows_;
  const std::vector<size_t> indexes_;
  const ProposalOptions& options_;

  // By registered domain; they borrow the names of flows_.
  std::map<std::pair<std::string_view, Service>, std::set<std::string_view>>
      names_;
  std::map<std::pair<std::string_view, uint32_t>, Domain> domains_;
  std::map<Service, std::set<IpAddress>> lan_;

  std::vector<Entry> entries_;  // sorted
  std::map<CoverCell, std::vector<size_t>> flows_of_;
};

// learn-curl-1, learn-curl-2: counted for all apps of that name together.
void GiveNames(const absl::flat_hash_set<std::string>& taken,
               std::vector<ProposedRule>* rules) {
  constexpr std::string_view kPrefix = "learn-";
  constexpr size_t kCounterBytes = 7;  // "-100000"
  std::map<std::string, size_t> last;
  for (ProposedRule& rule : *rules) {
    const std::string base = Concat(
        kPrefix, RuleNamePart(rule.app, kMaxRuleNameBytes - kPrefix.size() -
                                            kCounterBytes));
    size_t& n = last[base];
    do {
      rule.name = Concat(base, "-", ++n);
    } while (taken.contains(rule.name));
  }
}

}  // namespace

Proposal ProposeRules(std::span<const LearnedFlow> flows,
                      const ProposalOptions& options) {
  Proposal proposal;
  std::map<std::pair<std::string_view, std::optional<uint32_t>>,
           std::vector<size_t>>
      of_app;
  for (size_t i = 0; i < flows.size(); ++i) {
    if (flows[i].naming != AppNaming::kByPath) {
      proposal.unnamed.push_back(i);
      continue;
    }
    of_app[{flows[i].app, options.by_user ? flows[i].uid : std::nullopt}]
        .push_back(i);
  }
  CoverBudget budget;
  for (auto& [key, indexes] : of_app) {
    AppRules(flows, std::move(indexes), options).Propose(&budget, &proposal);
  }
  GiveNames(options.taken_names, &proposal.rules);
  return proposal;
}

absl::StatusOr<Rule> ToRule(const ProposedRule& proposed) {
  Rule rule;
  rule.name = proposed.name;
  rule.policy = RulePolicy::kAllow;
  rule.app = proposed.app;
  for (const std::string& text : proposed.to) {
    absl::StatusOr<Destination> destination = ParseDestination(text);
    if (!destination.ok()) {
      return absl::InvalidArgumentError(
          Concat("to: ", MessageOf(destination.status())));
    }
    rule.to.push_back(*std::move(destination));
  }
  rule.port = proposed.port;
  rule.protocol = proposed.protocol;
  if (!proposed.user.empty()) {
    absl::StatusOr<RuleUser> user = ParseUser(proposed.user);
    if (!user.ok()) return user.status();
    rule.user.push_back(*std::move(user));
  }
  rule.description = proposed.description;
  return rule;
}

}  // namespace sallyport
