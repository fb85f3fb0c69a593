// What an imported set of rules decides, against what the firewall it comes
// from would: a model of each, written from its rules of precedence, random
// rules and random flows. Our side is the real index (rules/rule_set.h), from
// the text that `--dry-run` prints.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "rules/text_util.h"
#include "tests/rules/rules_testing.h"
#include "tests/tools/import_testing.h"
#include "tools/import_opensnitch.h"
#include "tools/import_ufw.h"
#include "tools/rule_toml.h"

namespace sallyport::cli {
namespace {

class Order : public ::testing::Test {
 protected:
  size_t Below(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }
  template <typename T>
  const T& OneOf(const std::vector<T>& all) {
    return all[Below(all.size())];
  }

  // What our rules say of a flow; "none" if they say nothing.
  static std::string Ours(const RuleSet& set, const App& app,
                          const Flow& flow) {
    const MatchResult match = set.Match(Subject{&app, 0}, flow);
    return match.rule == kNoRule ? "none"
                                 : RulePolicyName(set.policy(match.rule));
  }

  static std::shared_ptr<const RuleSet> SetOf(const ImportResult& result) {
    std::string toml;
    for (const Json& rule : result.rules) toml += RuleToToml(rule);
    return FromToml(toml);
  }

  std::mt19937 random_{42};
  const std::vector<std::string> paths_ = {"/a", "/b", "/c"};
  const std::vector<std::string> networks_ = {"0.0.0.0/0", "192.0.2.0/24",
                                              "192.0.2.0/25", "192.0.2.1/32",
                                              "198.51.100.0/24"};
  const std::vector<std::string> addresses_ = {"192.0.2.1", "192.0.2.200",
                                               "198.51.100.7", "203.0.113.1"};
};

struct SnitchRule {
  std::string name;
  std::string action;
  bool precedence = false;
  std::string path;     // empty: any
  std::string network;  // empty: any
  int port = 0;         // 0: any

  bool Matches(const std::string& from, const Flow& flow) const {
    return (path.empty() || path == from) &&
           (network.empty() || ParseIpPrefix(network)->Contains(flow.dst)) &&
           (port == 0 || port == flow.dst_port);
  }
};

// By name; the first deny, reject or rule with precedence ends the search, else
// the last allow that matched counts.
std::string Snitch(std::vector<SnitchRule> rules, const std::string& from,
                   const Flow& flow) {
  std::sort(rules.begin(), rules.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::string verdict = "none";
  for (const SnitchRule& rule : rules) {
    if (!rule.Matches(from, flow)) continue;
    verdict = rule.action;
    if (rule.action != "allow" || rule.precedence) break;
  }
  return verdict;
}

TEST_F(Order, OfOpenSnitch) {
  size_t decided = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<SnitchRule> rules;
    std::vector<ImportFile> files;
    for (size_t i = 0, count = 1 + Below(12); i < count; ++i) {
      SnitchRule rule;
      rule.name =
          Concat(std::string(1, static_cast<char>('a' + Below(26))), "-", i);
      rule.action = OneOf<std::string>({"allow", "allow", "deny", "reject"});
      rule.precedence = Below(3) == 0;
      if (Below(2) == 0) rule.path = OneOf(paths_);
      if (Below(2) == 0) rule.network = OneOf(networks_);
      if (Below(3) == 0) rule.port = static_cast<int>(1 + Below(2));
      Json ops = {{{"type", "simple"}, {"operand", "true"}, {"data", ""}}};
      const auto add = [&](const char* type, const char* operand,
                           const std::string& data) {
        ops.push_back({{"type", type}, {"operand", operand}, {"data", data}});
      };
      if (!rule.path.empty()) add("simple", "process.path", rule.path);
      if (!rule.network.empty()) add("network", "dest.network", rule.network);
      if (rule.port != 0) add("simple", "dest.port", Concat(rule.port));
      const Json json = {{"name", rule.name},
                         {"enabled", true},
                         {"precedence", rule.precedence},
                         {"action", rule.action},
                         {"duration", "always"},
                         {"operator", {{"type", "list"}, {"list", ops}}}};
      files.push_back({rule.name + ".json", json.dump()});
      rules.push_back(std::move(rule));
    }
    const auto result = ImportOpenSnitch(files, {});
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->rules.size(), rules.size())
        << absl::StrJoin(result->notes, "\n");
    const auto set = SetOf(*result);
    ASSERT_NE(set, nullptr);
    for (int sample = 0; sample < 40; ++sample) {
      const std::string from = OneOf(paths_);
      const Flow flow =
          MakeFlow(OneOf(addresses_), static_cast<uint16_t>(1 + Below(3)));
      const std::string theirs = Snitch(rules, from, flow);
      if (theirs != "none") ++decided;
      ASSERT_EQ(Ours(*set, MakeApp(from), flow), theirs)
          << "round " << round << ", " << from << " to " << flow.dst.ToString()
          << ":" << flow.dst_port;
    }
  }
  EXPECT_GT(decided, 1000U);
}

struct UfwLine {
  std::string action;
  std::string protocol;
  int port = 0;  // 0: any
  std::string network;

  bool Matches(const Flow& flow) const {
    const bool protocol_fits = protocol == "any"
                                   ? port == 0 || flow.protocol == kProtoTcp ||
                                         flow.protocol == kProtoUdp
                                   : *ParseProtocol(protocol) == flow.protocol;
    return protocol_fits && (port == 0 || port == flow.dst_port) &&
           ParseIpPrefix(network)->Contains(flow.dst);
  }
};

// One list of rules: the first that matches decides.
std::string Ufw(const std::vector<UfwLine>& lines, const Flow& flow) {
  for (const UfwLine& line : lines) {
    if (line.Matches(flow)) return line.action;
  }
  return "none";
}

TEST_F(Order, OfUfw) {
  const std::vector<std::string> networks6 = {"::/0", "2001:db8::/32",
                                              "2001:db8::1/128"};
  const std::vector<std::string> addresses6 = {"2001:db8::1", "2001:db8::2",
                                               "2001:dead::1"};
  for (int round = 0; round < 150; ++round) {
    std::vector<UfwLine> lines[2];
    std::vector<ImportFile> files = {{"user.rules", ""}, {"user6.rules", ""}};
    for (size_t i = 0, count = 1 + Below(12); i < count; ++i) {
      // Mostly of both families, as ufw itself writes them.
      const size_t families = Below(5);
      UfwLine line;
      line.action = OneOf<std::string>({"allow", "deny", "reject"});
      line.protocol = OneOf<std::string>({"any", "tcp", "udp"});
      line.port = static_cast<int>(Below(3));
      for (size_t v6 = 0; v6 < 2; ++v6) {
        if (families < 2 && v6 != families) continue;
        line.network = families < 2 ? OneOf(v6 != 0 ? networks6 : networks_)
                       : v6 != 0    ? "::/0"
                                    : "0.0.0.0/0";
        files[v6].text += Concat(
            "### tuple ### ", line.action, " ", line.protocol, " ",
            line.port == 0 ? std::string("any") : Concat(line.port), " ",
            line.network, " any ", v6 != 0 ? "::/0" : "0.0.0.0/0", " out\n");
        lines[v6].push_back(line);
      }
    }
    const auto result = ImportUfw(files, {});
    ASSERT_TRUE(result.ok()) << result.status();
    const auto set = SetOf(*result);
    ASSERT_NE(set, nullptr);
    for (int sample = 0; sample < 40; ++sample) {
      const size_t v6 = Below(2);
      const Flow flow = MakeFlow(
          OneOf(v6 != 0 ? addresses6 : addresses_),
          static_cast<uint16_t>(1 + Below(3)),
          OneOf<uint8_t>({kProtoTcp, kProtoUdp, kProtoSctp, kProtoIcmp}));
      ASSERT_EQ(Ours(*set, MakeApp(OneOf(paths_)), flow), Ufw(lines[v6], flow))
          << "round " << round << ", to " << flow.dst.ToString() << ":"
          << flow.dst_port << "\n"
          << files[0].text << files[1].text;
    }
  }
}

}  // namespace
}  // namespace sallyport::cli
