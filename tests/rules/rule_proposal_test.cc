#include "rules/rule_proposal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_join.h"
#include "rules/app_pattern.h"
#include "rules/destination_name.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

// 2026-10-01 00:00 UTC.
constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;
constexpr int64_t kFirstNs = 20'727 * kDayNs;

LearnedFlow Seen(std::string app, std::string_view to, uint16_t port = 443,
                 uint8_t protocol = kProtoTcp) {
  LearnedFlow flow;
  flow.app = std::move(app);
  flow.name = NormalName(to);
  flow.address = Address(flow.name.empty() ? to : "203.0.113.9");
  flow.protocol = protocol;
  flow.port = Flow{.protocol = protocol}.HasPorts() ? port : 0;
  flow.uid = 1000;
  flow.count = 1;
  flow.first_ns = flow.last_ns = kFirstNs;
  return flow;
}

// "name: app to a, b port 1, 2 protocol tcp".
std::string Line(const ProposedRule& rule) {
  std::string line =
      rule.name + ": " + rule.app + " to " + absl::StrJoin(rule.to, ", ");
  std::vector<std::string> texts;
  for (const PortRange& range : rule.port) texts.push_back(PortToString(range));
  if (!texts.empty()) line += " port " + absl::StrJoin(texts, ", ");
  texts.clear();
  for (const uint8_t p : rule.protocol) texts.push_back(ProtocolName(p));
  line += " protocol " + absl::StrJoin(texts, ", ");
  if (!rule.user.empty()) line += " user " + rule.user;
  return line;
}

std::vector<std::string> Lines(const std::vector<LearnedFlow>& flows,
                               const ProposalOptions& options = {}) {
  std::vector<std::string> lines;
  for (const ProposedRule& rule : ProposeRules(flows, options).rules) {
    lines.push_back(Line(rule));
  }
  return lines;
}

using Texts = std::vector<std::string>;

TEST(RuleProposal, NothingSeenNothingProposed) {
  const Proposal proposal = ProposeRules({}, {});
  EXPECT_TRUE(proposal.rules.empty());
  EXPECT_TRUE(proposal.is_fewest);
}

TEST(RuleProposal, SamePortsAndProtocolsAreOneRule) {
  EXPECT_EQ(Lines({Seen("/usr/bin/curl", "192.0.2.1", 443),
                   Seen("/usr/bin/curl", "192.0.2.1", 80),
                   Seen("/usr/bin/curl", "2001:db8::1", 80),
                   Seen("/usr/bin/curl", "2001:db8::1", 443),
                   Seen("/usr/bin/curl", "192.0.2.10", 443, kProtoUdp)}),
            (Texts{"learn-curl-1: /usr/bin/curl to 192.0.2.1, 2001:db8::1 port "
                   "80, 443 protocol tcp",
                   "learn-curl-2: /usr/bin/curl to 192.0.2.10 port 443 "
                   "protocol udp"}));
  // Both protocols at the same ports of the same places.
  EXPECT_EQ(Lines({Seen("/usr/bin/dig", "192.0.2.53", 53),
                   Seen("/usr/bin/dig", "192.0.2.53", 53, kProtoUdp)}),
            (Texts{"learn-dig-1: /usr/bin/dig to 192.0.2.53 port 53 protocol "
                   "tcp, udp"}));
}

TEST(RuleProposal, ProtocolsWithoutPortsStandAlone) {
  EXPECT_EQ(Lines({Seen("/bin/ping", "192.0.2.1", 0, kProtoIcmp),
                   Seen("/bin/ping", "192.0.2.1", 0, 47),
                   Seen("/bin/ping", "192.0.2.1", 0)}),
            (Texts{"learn-ping-1: /bin/ping to 192.0.2.1 port 0 protocol tcp",
                   "learn-ping-2: /bin/ping to 192.0.2.1 protocol icmp, gre"}));
}

TEST(RuleProposal, NeighbouringPortsAreARange) {
  std::vector<LearnedFlow> flows;
  for (const uint16_t port : {80, 8000, 8001, 8002, 8003, 9000, 9001}) {
    flows.push_back(Seen("/bin/a", "192.0.2.1", port));
  }
  EXPECT_EQ(Lines(flows),
            (Texts{"learn-a-1: /bin/a to 192.0.2.1 port 80, 8000-8003, 9000, "
                   "9001 protocol tcp"}));
}

TEST(RuleProposal, TwoNamesOfOneDomainAreAGroup) {
  std::vector<LearnedFlow> flows = {
      Seen("/usr/bin/curl", "b.example.com"),
      Seen("/usr/bin/curl", "a.example.com"),
      Seen("/usr/bin/curl", "c.example.com"),
      Seen("/usr/bin/curl", "www.example.org"),
  };
  EXPECT_EQ(Lines(flows), (Texts{"learn-curl-1: /usr/bin/curl to "
                                 "*.example.com, www.example.org port 443 "
                                 "protocol tcp"}));
  EXPECT_EQ(ProposeRules(flows, {}).rules[0].description,
            "4 flows seen 2026-10-01, of user 1000; for every user; a name "
            "stands for what is below it too; *.example.com stands for 3 names "
            "seen: a.example.com, b.example.com, c.example.com");
  // The domain itself was seen too.
  flows.push_back(Seen("/usr/bin/curl", "example.com"));
  EXPECT_EQ(Lines(flows), (Texts{"learn-curl-1: /usr/bin/curl to example.com, "
                                 "www.example.org port 443 protocol tcp"}));
  // If nobody wants groups.
  EXPECT_EQ(Lines(flows, {.group_names = false}),
            (Texts{"learn-curl-1: /usr/bin/curl to a.example.com, "
                   "b.example.com, c.example.com, example.com, "
                   "www.example.org port 443 protocol tcp"}));
}

TEST(RuleProposal, AGroupIsNoWiderThanItsNames) {
  EXPECT_EQ(Lines({Seen("/bin/a", "a.cdn.example.com"),
                   Seen("/bin/a", "b.eu.cdn.example.com")}),
            (Texts{"learn-a-1: /bin/a to *.cdn.example.com port 443 protocol "
                   "tcp"}));
  // One name at port 22: no group there, whatever is at 443.
  EXPECT_EQ(
      Lines({Seen("/bin/a", "a.example.com"), Seen("/bin/a", "b.example.com"),
             Seen("/bin/a", "a.example.com", 22)}),
      (Texts{"learn-a-1: /bin/a to *.example.com port 443 protocol tcp",
             "learn-a-2: /bin/a to a.example.com port 22 protocol tcp"}));
  // Nobody owns what these have in common.
  EXPECT_EQ(
      Lines({Seen("/bin/a", "a.co.uk"), Seen("/bin/a", "b.co.uk"),
             Seen("/bin/a", "x.github.io"), Seen("/bin/a", "y.github.io")}),
      (Texts{"learn-a-1: /bin/a to a.co.uk, b.co.uk, x.github.io, "
             "y.github.io port 443 protocol tcp"}));
  EXPECT_EQ(Lines({Seen("/bin/a", "a.example.co.uk"),
                   Seen("/bin/a", "b.example.co.uk")}),
            (Texts{"learn-a-1: /bin/a to *.example.co.uk port 443 protocol "
                   "tcp"}));
}

TEST(RuleProposal, PrivateNetworksAreLanIfAsked) {
  const std::vector<LearnedFlow> flows = {
      Seen("/bin/a", "10.0.0.1"), Seen("/bin/a", "192.168.7.7"),
      Seen("/bin/a", "fe80::1"), Seen("/bin/a", "192.0.2.1"),
      Seen("/bin/a", "10.0.0.1", 22)};
  EXPECT_EQ(Lines(flows),
            (Texts{"learn-a-1: /bin/a to 10.0.0.1 port 22, 443 protocol tcp",
                   "learn-a-2: /bin/a to 10.0.0.1, 192.0.2.1, 192.168.7.7, "
                   "fe80::1 port 443 protocol tcp"}));
  const Proposal grouped = ProposeRules(flows, {.group_addresses = true});
  ASSERT_EQ(grouped.rules.size(), 2u);
  EXPECT_EQ(Line(grouped.rules[0]),
            "learn-a-1: /bin/a to lan, 192.0.2.1 port 443 protocol tcp");
  // One alone is no group.
  EXPECT_EQ(Line(grouped.rules[1]),
            "learn-a-2: /bin/a to 10.0.0.1 port 22 protocol tcp");
  EXPECT_NE(grouped.rules[0].description.find(
                "lan stands for 3 addresses seen: 10.0.0.1, 192.168.7.7, "
                "fe80::1"),
            std::string::npos)
      << grouped.rules[0].description;
}

TEST(RuleProposal, EveryUserUnlessAsked) {
  std::vector<LearnedFlow> flows = {Seen("/bin/a", "192.0.2.1"),
                                    Seen("/bin/a", "192.0.2.1"),
                                    Seen("/bin/a", "192.0.2.1")};
  flows[1].uid = 0;
  flows[2].uid.reset();
  const Proposal any = ProposeRules(flows, {});
  ASSERT_EQ(any.rules.size(), 1u);
  EXPECT_EQ(any.rules[0].user, "");
  EXPECT_EQ(any.rules[0].description,
            "3 flows seen 2026-10-01, of users unknown, 0, 1000; for every "
            "user");
  const Proposal by_user = ProposeRules(flows, {.by_user = true});
  ASSERT_EQ(by_user.rules.size(), 3u);
  EXPECT_EQ(by_user.rules[0].user, "");
  EXPECT_EQ(by_user.rules[0].description,
            "1 flow seen 2026-10-01, of user unknown; for every user");
  EXPECT_EQ(by_user.rules[1].user, "0");
  EXPECT_EQ(by_user.rules[2].user, "1000");
  EXPECT_EQ(by_user.rules[2].description, "1 flow seen 2026-10-01");
}

TEST(RuleProposal, NamesOfRulesAreFreeAndCountedByApp) {
  const std::vector<LearnedFlow> flows = {
      Seen("/usr/bin/curl", "192.0.2.1"), Seen("/opt/curl", "192.0.2.1"),
      Seen("/opt/\\x0a\\*", "192.0.2.1"),
      Seen("/opt/" + std::string(100, 'Z'), "192.0.2.1")};
  const Proposal proposal =
      ProposeRules(flows, {.taken_names = {"learn-curl-1", "learn-curl-3"}});
  Texts names;
  for (const ProposedRule& rule : proposal.rules) names.push_back(rule.name);
  EXPECT_EQ(names, (Texts{"learn-" + std::string(51, 'z') + "-1", "learn-x0a-1",
                          "learn-curl-2", "learn-curl-4"}));
  for (const std::string& name : names) EXPECT_TRUE(IsValidRuleName(name));
}

TEST(RuleProposal, WhatNoRuleCanNameIsListed) {
  std::vector<LearnedFlow> flows = {Seen("/bin/gone", "192.0.2.1"),
                                    Seen("", "192.0.2.1"),
                                    Seen("/bin/a", "192.0.2.1")};
  flows[0].naming = AppNaming::kNotItsPath;
  flows[1].naming = AppNaming::kNobody;
  const Proposal proposal = ProposeRules(flows, {});
  EXPECT_EQ(proposal.unnamed, (std::vector<size_t>{0, 1}));
  ASSERT_EQ(proposal.rules.size(), 1u);
  EXPECT_EQ(proposal.rules[0].covers, std::vector<size_t>{2});
}

TEST(RuleProposal, TellsOfSharedSocketsAndDays) {
  LearnedFlow flow = Seen("/bin/a", "192.0.2.1");
  flow.count = 57;
  flow.shared = 5;
  flow.last_ns = kFirstNs + 2 * kDayNs;
  EXPECT_EQ(ProposeRules(std::vector{flow}, {}).rules[0].description,
            "57 flows seen 2026-10-01 to 2026-10-03, of user 1000; for every "
            "user; 5 of sockets that other programs held too");
}

TEST(RuleProposal, DescriptionsFitAndEverythingIsARule) {
  std::vector<LearnedFlow> flows;
  const std::string label(60, 'x');
  for (int domain = 0; domain < 100; ++domain) {
    for (int name = 0; name < 8; ++name) {
      flows.push_back(Seen("/bin/a", std::to_string(name) + "." + label + "." +
                                         label + "." + label + ".d" +
                                         std::to_string(domain) + ".com"));
    }
  }
  for (int uid = 0; uid < 20; ++uid) {
    flows.push_back(flows[0]);
    flows.back().uid = uid;
  }
  const Proposal proposal = ProposeRules(flows, {});
  ASSERT_EQ(proposal.rules.size(), 1u);
  ProposedRule rule = proposal.rules[0];
  EXPECT_EQ(rule.to.size(), 100u);
  EXPECT_NE(rule.description.find("entries more like these"),
            std::string::npos);
  rule.to.clear();  // names are not for this build's rules
  EXPECT_TRUE(ValidateRule(*ToRule(rule)).ok());
}

TEST(RuleProposal, MorePortsThanARuleHoldsAreTwoRules) {
  std::vector<LearnedFlow> flows;
  for (int port = 1; port <= 3000; port += 2) {
    flows.push_back(Seen("/bin/a", "192.0.2.1", static_cast<uint16_t>(port)));
  }
  const Proposal proposal = ProposeRules(flows, {});
  ASSERT_EQ(proposal.rules.size(), 2u);
  size_t covered = 0;
  for (const ProposedRule& rule : proposal.rules) {
    EXPECT_TRUE(ValidateRule(*ToRule(rule)).ok());
    covered += rule.covers.size();
  }
  EXPECT_EQ(covered, flows.size());
}

// --- What must hold of every proposal. -------------------------------------

struct Question {
  std::string app;
  std::string name;
  IpAddress address;
  uint8_t protocol = 0;
  uint16_t port = 0;
  std::optional<uint32_t> uid;
};

// What the stated generalisation allows, from the flows themselves. Shares with
// the code what a registered domain is, and nothing else.
class Model {
 public:
  Model(const std::vector<LearnedFlow>& flows, const ProposalOptions& options)
      : flows_(flows), options_(options) {}

  bool Allows(const Question& q) const {
    for (const LearnedFlow& seen : flows_) {
      if (!SameService(seen, q) || !MayBe(seen, q)) continue;
      if (q.name.empty()) {
        if (seen.name.empty() && seen.address == q.address) return true;
      } else if (!seen.name.empty() && Below(q.name, seen.name)) {
        return true;
      }
    }
    return q.name.empty() ? AllowsLan(q) : AllowsDomain(q);
  }

 private:
  static bool Below(const std::string& name, std::string_view domain) {
    return ("." + name).ends_with("." + std::string(domain));
  }
  bool MayBe(const LearnedFlow& seen, const Question& q) const {
    return seen.naming == AppNaming::kByPath && seen.app == q.app &&
           (!options_.by_user || !seen.uid.has_value() || seen.uid == q.uid);
  }
  static bool SameService(const LearnedFlow& seen, const Question& q) {
    return seen.protocol == q.protocol && seen.port == q.port;
  }
  // Users whose flows make a rule that also holds for q's.
  std::vector<std::optional<uint32_t>> Groups(const Question& q) const {
    if (!options_.by_user) return {std::nullopt};
    return {std::nullopt, q.uid};
  }
  bool InGroup(const LearnedFlow& seen, const Question& q,
               std::optional<uint32_t> group) const {
    return seen.naming == AppNaming::kByPath && seen.app == q.app &&
           (!options_.by_user || seen.uid == group);
  }
  bool AllowsLan(const Question& q) const {
    const auto is_lan = [](const IpAddress& a) {
      return (ScopesOf(a) & kScopeLan) != 0;
    };
    if (!options_.group_addresses || !is_lan(q.address)) return false;
    for (const auto group : Groups(q)) {
      std::set<IpAddress> addresses;
      for (const LearnedFlow& seen : flows_) {
        if (InGroup(seen, q, group) && SameService(seen, q) &&
            seen.name.empty() && is_lan(seen.address)) {
          addresses.insert(seen.address);
        }
      }
      if (addresses.size() >= 2) return true;
    }
    return false;
  }
  bool AllowsDomain(const Question& q) const {
    const std::string_view domain = RegisteredDomain(q.name);
    if (!options_.group_names || domain.empty()) return false;
    for (const auto group : Groups(q)) {
      std::set<std::string> at_service;
      std::set<std::string> at_port;
      for (const LearnedFlow& seen : flows_) {
        if (!InGroup(seen, q, group) || seen.name.empty() ||
            RegisteredDomain(seen.name) != domain) {
          continue;
        }
        const bool no_ports = !Flow{.protocol = q.protocol}.HasPorts();
        if (no_ports == !Flow{.protocol = seen.protocol}.HasPorts() &&
            seen.port == q.port) {
          at_port.insert(seen.name);
        }
        if (SameService(seen, q)) at_service.insert(seen.name);
      }
      if (at_service.size() < 2) continue;
      // The longest domain that all of them are in: try from the first up.
      std::string common = *at_port.begin();
      const auto holds_all = [&] {
        return std::all_of(at_port.begin(), at_port.end(),
                           [&](const auto& n) { return Below(n, common); });
      };
      while (!holds_all()) common = common.substr(common.find('.') + 1);
      const bool itself = q.name == common;
      if (Below(q.name, common) && (!itself || at_port.contains(common))) {
        return true;
      }
    }
    return false;
  }

  const std::vector<LearnedFlow>& flows_;
  const ProposalOptions& options_;
};

// Addresses by RuleSet::Match, names by what the language says of names.
class Proposed {
 public:
  explicit Proposed(const Proposal& proposal) : rules_(proposal.rules) {
    std::vector<Rule> rules;
    for (ProposedRule rule : proposal.rules) {
      std::erase_if(rule.to, [](const std::string& text) {
        return !ParseDestination(text).ok();
      });
      if (rule.to.empty()) continue;
      auto made = ToRule(rule);
      EXPECT_TRUE(made.ok()) << made.status();
      EXPECT_TRUE(ValidateRule(*made).ok());
      rules.push_back(*std::move(made));
    }
    set_ = Built(std::move(rules));
  }

  bool Allows(const Question& q) const {
    return q.name.empty() ? AllowsAddress(q) : AllowsName(q);
  }

 private:
  bool AllowsAddress(const Question& q) const {
    const App app = MakeApp(AppPattern::Parse(q.app)->prefix());
    Flow flow;
    flow.dst = q.address;
    flow.protocol = q.protocol;
    flow.dst_port = q.port;
    const MatchResult match = set_->Match({&app, q.uid}, flow);
    return match.rule != kNoRule &&
           set_->policy(match.rule) == RulePolicy::kAllow;
  }
  bool AllowsName(const Question& q) const {
    return std::any_of(
        rules_.begin(), rules_.end(), [&](const ProposedRule& rule) {
          const bool port =
              rule.port.empty()
                  ? !Flow{.protocol = q.protocol}.HasPorts()
                  : std::any_of(rule.port.begin(), rule.port.end(),
                                [&](PortRange range) {
                                  return range.first <= q.port &&
                                         q.port <= range.last;
                                });
          return rule.app == q.app && port &&
                 std::count(rule.protocol.begin(), rule.protocol.end(),
                            q.protocol) > 0 &&
                 (rule.user.empty() ||
                  (q.uid.has_value() && rule.user == std::to_string(*q.uid))) &&
                 std::any_of(rule.to.begin(), rule.to.end(),
                             [&](const std::string& text) {
                               return NamePatternCovers(text, q.name);
                             });
        });
  }

  const std::vector<ProposedRule>& rules_;
  std::shared_ptr<const RuleSet> set_;
};

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  uint32_t Below(uint32_t n) { return random_() % n; }

  Question Ask() {
    constexpr const char* kApps[] = {"/bin/a", "/bin/b", "/opt/a"};
    constexpr const char* kNames[] = {
        "example.com",        "a.example.com",     "b.example.com",
        "a.b.example.com",    "c.b.example.com",   "badexample.com",
        "www.example.co.uk",  "api.example.co.uk", "other.co.uk",
        "x.github.io",        "y.github.io",       "a.t.co",
        "deep.a.example.com", "example.org",       "www.example.org"};
    constexpr const char* kAddresses[] = {
        "192.0.2.1", "192.0.2.2",   "10.0.0.1", "10.0.0.2",   "192.168.1.1",
        "fe80::1",   "2001:db8::1", "fd00::1",  "224.0.0.251"};
    constexpr uint8_t kProtocols[] = {kProtoTcp, kProtoTcp, kProtoUdp,
                                      kProtoIcmp, 47};
    constexpr uint16_t kPorts[] = {22, 53, 80, 81, 82, 443, 0};
    Question q;
    q.app = kApps[Below(std::size(kApps))];
    if (Below(2) == 0) q.name = kNames[Below(std::size(kNames))];
    q.address = Address(kAddresses[Below(std::size(kAddresses))]);
    q.protocol = kProtocols[Below(std::size(kProtocols))];
    if (Flow{.protocol = q.protocol}.HasPorts()) {
      q.port = kPorts[Below(std::size(kPorts))];
    }
    if (Below(6) != 0) q.uid = Below(2) == 0 ? 0 : 1000;
    return q;
  }

  std::vector<LearnedFlow> Flows(uint32_t count) {
    std::vector<LearnedFlow> flows;
    for (; count > 0; --count) {
      const Question q = Ask();
      LearnedFlow flow;
      flow.app = q.app;
      flow.name = q.name;
      flow.address = q.address;
      flow.protocol = q.protocol;
      flow.port = q.port;
      flow.uid = q.uid;
      flow.count = 1;
      flow.first_ns = flow.last_ns = kFirstNs;
      if (Below(10) == 0) flow.naming = AppNaming::kNotItsPath;
      flows.push_back(std::move(flow));
    }
    return flows;
  }

  ProposalOptions Options() {
    ProposalOptions options;
    options.group_names = Below(3) != 0;
    options.group_addresses = Below(2) == 0;
    options.by_user = Below(3) == 0;
    return options;
  }

  std::mt19937& random() { return random_; }

 private:
  std::mt19937 random_;
};

Question QuestionOf(const LearnedFlow& flow) {
  return {flow.app,      flow.name, flow.address,
          flow.protocol, flow.port, flow.uid};
}

TEST(RuleProposalModel, AllowsAllThatWasSeenAndNothingBeyondWhatItTells) {
  World world(41);
  int allowed = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::vector<LearnedFlow> flows = world.Flows(world.Below(60));
    const ProposalOptions options = world.Options();
    const Proposal proposal = ProposeRules(flows, options);
    ASSERT_TRUE(proposal.is_fewest);
    const Model model(flows, options);
    const Proposed proposed(proposal);
    std::set<std::string> names;
    std::set<size_t> told(proposal.unnamed.begin(), proposal.unnamed.end());
    for (const ProposedRule& rule : proposal.rules) {
      ASSERT_TRUE(names.insert(rule.name).second) << rule.name;
      told.insert(rule.covers.begin(), rule.covers.end());
    }
    ASSERT_EQ(told.size(), flows.size());
    for (const LearnedFlow& flow : flows) {
      if (flow.naming != AppNaming::kByPath) continue;
      ASSERT_TRUE(proposed.Allows(QuestionOf(flow)))
          << flow.app << " " << DestinationText(flow);
    }
    for (int i = 0; i < 100; ++i) {
      const Question q = world.Ask();
      ASSERT_EQ(proposed.Allows(q), model.Allows(q))
          << "round " << round << " " << q.app << " " << q.name << " "
          << q.address.ToString() << " " << ServiceText(q.protocol, q.port);
      allowed += model.Allows(q) ? 1 : 0;
    }
  }
  EXPECT_GT(allowed, 5000);
}

TEST(RuleProposalModel, OrderAndRepetitionChangeNothing) {
  World world(42);
  for (int round = 0; round < 200; ++round) {
    std::vector<LearnedFlow> flows = world.Flows(world.Below(60));
    const ProposalOptions options = world.Options();
    const Texts lines = Lines(flows, options);
    std::shuffle(flows.begin(), flows.end(), world.random());
    ASSERT_EQ(Lines(flows, options), lines);
    if (flows.empty()) continue;
    flows.push_back(flows[world.Below(static_cast<uint32_t>(flows.size()))]);
    ASSERT_EQ(Lines(flows, options), lines);
  }
}

// The fewest, found by trying all sets of rules over small relations.
TEST(RuleProposalModel, SmallCasesGetTheFewestRules) {
  World world(43);
  constexpr const char* kTo[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
  constexpr uint16_t kPorts[] = {22, 80, 443};
  for (int round = 0; round < 1000; ++round) {
    std::vector<LearnedFlow> flows;
    uint32_t all = 0;
    for (uint32_t d = 0; d < 3; ++d) {
      for (uint32_t p = 0; p < 3; ++p) {
        if (world.Below(8) >= 5) continue;
        flows.push_back(Seen("/bin/a", kTo[d], kPorts[p]));
        all |= 1u << (d * 3 + p);
      }
    }
    std::vector<uint32_t> boxes;
    for (uint32_t ds = 1; ds < 8; ++ds) {
      for (uint32_t ps = 1; ps < 8; ++ps) {
        uint32_t box = 0;
        for (uint32_t cell = 0; cell < 9; ++cell) {
          if ((ds >> cell / 3 & 1) && (ps >> cell % 3 & 1)) box |= 1u << cell;
        }
        if ((box & ~all) == 0) boxes.push_back(box);
      }
    }
    size_t fewest = 0;
    for (std::set<uint32_t> reached = {0}; !reached.contains(all); ++fewest) {
      std::set<uint32_t> next;
      for (const uint32_t r : reached) {
        for (const uint32_t box : boxes) next.insert(r | box);
      }
      reached = std::move(next);
    }
    ASSERT_EQ(ProposeRules(flows, {}).rules.size(), fewest);
  }
}

}  // namespace
}  // namespace sallyport
