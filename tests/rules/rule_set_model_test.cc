// RuleSet against a plain evaluator of its own (CASES B30), and what must hold
// of any set of rules. The evaluator shares no code with the index: it has its
// own order, its own idea of globs and of addresses.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "rules/explain.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

struct Model {
  static int AppKind(const Rule& r) {
    return r.app == "any" ? 2 : (r.app.find_first_of("*?") != r.app.npos);
  }
  static int Literals(const Rule& r) {
    if (AppKind(r) != 1) return 0;
    std::string text = r.app;
    // The slash of a "**/" may be absent in a match.
    if (const size_t at = text.find("/**/"); at != text.npos) text.erase(at, 1);
    return static_cast<int>(std::count_if(
        text.begin(), text.end(), [](char c) { return c != '*' && c != '?'; }));
  }
  static int Narrowness(const Rule& r) {
    int least = 1000;
    for (const Destination& d : r.to) {
      const auto* prefix = std::get_if<IpPrefix>(&d);
      const int narrow =
          prefix != nullptr ? 10 + prefix->length
                            : (std::holds_alternative<AddressRange>(d) ? 9 : 8);
      least = std::min(least, narrow);
    }
    return r.to.empty() ? 0 : least;
  }
  static int PolicyOrder(const Rule& r) {
    return r.policy == RulePolicy::kAllow
               ? 2
               : (r.policy == RulePolicy::kLocalOnly ? 1 : 0);
  }
  static bool Before(const Rule& a, const Rule& b) {
    return std::make_tuple(-int64_t{a.priority}, AppKind(a), -Literals(a),
                           -Narrowness(a), PolicyOrder(a), a.name) <
           std::make_tuple(-int64_t{b.priority}, AppKind(b), -Literals(b),
                           -Narrowness(b), PolicyOrder(b), b.name);
  }
  static bool Glob(std::string_view g, std::string_view p) {
    if (g.empty()) return p.empty();
    if (g.starts_with("**")) {
      return Glob(g.substr(2), p) || (!p.empty() && Glob(g, p.substr(1)));
    }
    if (g[0] == '*') {
      return Glob(g.substr(1), p) ||
             (!p.empty() && p[0] != '/' && Glob(g, p.substr(1)));
    }
    return !p.empty() && (g[0] == p[0] || (g[0] == '?' && p[0] != '/')) &&
           Glob(g.substr(1), p.substr(1));
  }
  static bool In(const Destination& d, const IpAddress& a) {
    if (const auto* prefix = std::get_if<IpPrefix>(&d)) {
      if (prefix->length < 96 && a.IsV4()) return false;
      for (int bit = 0; bit < prefix->length; ++bit) {
        const auto byte = static_cast<size_t>(bit / 8);
        const int mask = 128 >> bit % 8;
        if ((prefix->base.bytes[byte] & mask) != (a.bytes[byte] & mask)) {
          return false;
        }
      }
      return true;
    }
    if (const auto* range = std::get_if<AddressRange>(&d)) {
      return a.IsV4() == range->first.IsV4() && !(a < range->first) &&
             !(range->last < a);
    }
    constexpr uint8_t kBits[] = {kScopeLoopback,  kScopeLan,
                                 kScopeInternet,  kScopeMulticast,
                                 kScopeLinkLocal, kScopeBroadcast};
    return ScopesOf(a) & kBits[static_cast<int>(std::get<ScopeKeyword>(d))];
  }
  // Everything but the hash.
  static bool Applies(const Rule& r, const Subject& s, const Flow& f) {
    if (!r.enabled || f.direction != Direction::kOut) return false;
    if (r.app != "any" && (s.app == nullptr || !Glob(r.app, s.app->path))) {
      return false;
    }
    if (!r.to.empty() &&
        std::none_of(r.to.begin(), r.to.end(),
                     [&](const Destination& d) { return In(d, f.dst); })) {
      return false;
    }
    if (!r.protocol.empty() &&
        std::count(r.protocol.begin(), r.protocol.end(), f.protocol) == 0) {
      return false;
    }
    if (!r.port.empty() &&
        (!f.HasPorts() ||
         std::none_of(r.port.begin(), r.port.end(), [&](PortRange p) {
           return f.dst_port >= p.first && f.dst_port <= p.last;
         }))) {
      return false;
    }
    const bool turns_away =
        r.policy == RulePolicy::kDeny || r.policy == RulePolicy::kReject ||
        (r.policy == RulePolicy::kLocalOnly && !IsLocal(f.dst));
    return Excepts(r, s, f, turns_away) ? false : PathCounts(r, s, turns_away);
  }
  static bool Excepts(const Rule& r, const Subject& s, const Flow& f,
                      bool turns_away) {
    const auto is_user = [&](const RuleUser& u) { return u.id == s.uid; };
    if (!r.user.empty() &&
        (!s.uid || std::none_of(r.user.begin(), r.user.end(), is_user))) {
      return true;
    }
    if (!r.not_user.empty() && !s.uid && !turns_away) return true;
    if (s.uid && std::any_of(r.not_user.begin(), r.not_user.end(), is_user)) {
      return true;
    }
    for (const Destination& d : r.not_to) {
      if (In(d, f.dst)) return true;
    }
    for (PortRange p : r.not_port) {
      if (f.HasPorts() && p.first <= f.dst_port && f.dst_port <= p.last) {
        return true;
      }
    }
    return false;
  }
  static bool PathCounts(const Rule& r, const Subject& s, bool turns_away) {
    return r.app == "any" || s.app->path_is_exe || turns_away;
  }
  static bool OnDevice(const Rule& r, const Flow& f) {
    if (r.interface.empty()) return true;
    for (const std::string& name : r.interface) {
      if (name == f.out_interface->name) return true;
      if (name == "wg*" && f.out_interface->name.substr(0, 2) == "wg") {
        return true;
      }
      if (name == "vpn" && f.out_interface->is_vpn) return true;
    }
    return false;
  }
  // `ordered` by Before.
  static MatchResult Match(const std::vector<Rule>& ordered, const Subject& s,
                           const Flow& f) {
    MatchResult result;
    for (uint32_t i = 0; i < ordered.size(); ++i) {
      const Rule& r = ordered[i];
      if (!Applies(r, s, f)) continue;
      const bool pinned = !r.sha256.empty();
      if (pinned && s.app == nullptr) continue;
      const bool no_hash = pinned && s.app->sha256.empty();
      if (pinned && !no_hash &&
          std::count(r.sha256.begin(), r.sha256.end(), s.app->sha256) == 0) {
        continue;
      }
      if (!r.interface.empty() && f.out_interface == nullptr) {
        result.needs |= kNeedsInterface;
        continue;
      }
      if (!OnDevice(r, f)) continue;
      if (no_hash) {
        result.needs |= kNeedsSha256;
        continue;
      }
      result.rule = i;
      return result;
    }
    return result;
  }
};

// Small worlds, so that rules and flows meet often.
class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  uint32_t Below(uint32_t n) { return random_() % n; }

  Rule MakeRandomRule(int number) {
    Rule rule;
    rule.name = std::to_string(Below(1000)) + "-" + std::to_string(number);
    rule.policy = static_cast<RulePolicy>(Below(4));
    constexpr const char* kApps[] = {"any",   "any",    "/a/b", "/a/b",
                                     "/a/c",  "/a/d/e", "/a/*", "/a/**",
                                     "/**/e", "/a/?",   "/**",  "/a/b*"};
    rule.app = kApps[Below(std::size(kApps))];
    if (Below(8) == 0) rule.sha256.push_back(Hash());
    for (uint32_t n = Below(4); n > 0; --n) rule.to.push_back(Place());
    if (Below(3) == 0) {
      for (uint32_t n = 1 + Below(5); n > 0; --n) {
        const auto first = static_cast<uint16_t>(Below(12));
        const auto width = static_cast<uint16_t>(Below(3) == 0 ? Below(4) : 0);
        rule.port.push_back({first, static_cast<uint16_t>(first + width)});
      }
    }
    if (Below(3) == 0) {
      constexpr uint8_t kWithPorts[] = {kProtoTcp, kProtoUdp, kProtoSctp};
      constexpr uint8_t kAll[] = {kProtoTcp, kProtoUdp, kProtoIcmp, 0, 47};
      for (uint32_t n = 1 + Below(3); n > 0; --n) {
        rule.protocol.push_back(rule.port.empty() ? kAll[Below(5)]
                                                  : kWithPorts[Below(3)]);
      }
    }
    if (Below(5) == 0) rule.user = Users();
    if (Below(10) == 0) rule.not_user = Users();
    if (Below(8) == 0) rule.not_to.push_back(Place());
    if (Below(8) == 0 && (rule.protocol.empty() || !rule.port.empty())) {
      const auto port = static_cast<uint16_t>(Below(12));
      rule.not_port.push_back({port, static_cast<uint16_t>(port + Below(2))});
    }
    if (Below(10) == 0) {
      constexpr const char* kDevices[] = {"eth0", "wg*", "vpn"};
      rule.interface.push_back(kDevices[Below(3)]);
    }
    if (Below(4) == 0) rule.priority = static_cast<int32_t>(Below(3)) - 1;
    rule.enabled = Below(10) != 0;
    return rule;
  }

  std::vector<Rule> MakeRules(uint32_t count) {
    std::vector<Rule> rules;
    for (uint32_t i = 0; i < count; ++i) {
      rules.push_back(MakeRandomRule(static_cast<int>(i)));
    }
    return rules;
  }

  App MakeRandomApp() {
    constexpr const char* kPaths[] = {"/a/b", "/a/c", "/a/d/e", "/z/e", "/q"};
    App app = MakeApp(kPaths[Below(std::size(kPaths))], Below(5) != 0);
    if (Below(2) == 0) app.sha256 = Hash();
    return app;
  }

  Flow MakeRandomFlow() {
    constexpr uint8_t kProtocols[] = {
        kProtoTcp, kProtoTcp, kProtoUdp, kProtoSctp, kProtoIcmp, 0, 47};
    Flow flow;
    flow.dst = AnyAddress();
    flow.protocol = kProtocols[Below(std::size(kProtocols))];
    if (flow.HasPorts()) flow.dst_port = static_cast<uint16_t>(Below(16));
    if (Below(50) == 0) flow.direction = Direction::kIn;
    static const NetInterface kDevices[] = {
        {"eth0", false}, {"wg1", true}, {"tun0", true}};
    if (Below(4) != 0) flow.out_interface = &kDevices[Below(3)];
    return flow;
  }

  std::optional<uint32_t> MakeRandomUid() {
    if (Below(5) == 0) return std::nullopt;
    return Below(3);
  }

 private:
  std::vector<RuleUser> Users() {
    std::vector<RuleUser> users;
    for (uint32_t n = 1 + Below(2); n > 0; --n) {
      const uint32_t uid = Below(3);
      users.push_back({std::to_string(uid), uid});
    }
    return users;
  }

  std::string Hash() {
    return std::string(64, static_cast<char>('a' + Below(2)));
  }

  IpAddress AnyAddress() {
    constexpr uint32_t kV4[] = {0x0a000000, 0x08080800, 0x7f000000, 0xe0000000,
                                0xeffffff0, 0,          0xa9fe0000, 0xfffffff0};
    if (Below(3) != 0) {
      return IpAddress::V4(kV4[Below(std::size(kV4))] + Below(16));
    }
    IpAddress address;  // 2001:..., fe80:..., ::N, and just around ::ffff:0:0
    constexpr uint8_t kFirst[] = {0x20, 0xfe, 0, 0xff};
    address.bytes[0] = kFirst[Below(std::size(kFirst))];
    if (address.bytes[0] == 0xfe) address.bytes[1] = 0x80;
    if (address.bytes[0] == 0xff) address.bytes[1] = 2;
    if (Below(4) == 0) address.bytes[11] = 0xff;
    address.bytes[15] = static_cast<uint8_t>(Below(16));
    return address;
  }

  Destination Place() {
    if (Below(4) == 0) return static_cast<ScopeKeyword>(Below(6));
    const IpAddress address = AnyAddress();
    if (Below(2) == 0) {
      const uint8_t most = Below(2) == 0 ? 128 : 124;
      const auto length = static_cast<uint8_t>(
          Below(3) == 0 ? most
                        : (address.IsV4() ? 96 + Below(33) : Below(129)));
      return IpPrefix{MaskAddress(address, length), length};
    }
    IpAddress other = AnyAddress();
    while (other.IsV4() != address.IsV4()) other = AnyAddress();
    return AddressRange{std::min(address, other), std::max(address, other)};
  }

  std::mt19937 random_;
};

constexpr int kCases = 1'000'000;
constexpr int kQuestionsPerSet = 200;

TEST(RuleSetModel, B30_EqualsTheNaiveEvaluator) {
  World world(30);
  int matched = 0;
  int hashes = 0;
  for (int done = 0; done < kCases;) {
    std::vector<Rule> rules = world.MakeRules(world.Below(60));
    const auto set = Built(rules);
    std::sort(rules.begin(), rules.end(), Model::Before);
    ASSERT_TRUE(std::equal(rules.begin(), rules.end(), set->rules().begin(),
                           set->rules().end()));
    for (int i = 0; i < kQuestionsPerSet; ++i, ++done) {
      const App app = world.MakeRandomApp();
      const Subject subject = {world.Below(6) == 0 ? nullptr : &app,
                               world.MakeRandomUid()};
      const Flow flow = world.MakeRandomFlow();
      const MatchResult expected = Model::Match(rules, subject, flow);
      const MatchResult got = set->Match(subject, flow);
      ASSERT_EQ(got.rule, expected.rule) << PrintRules(rules);
      ASSERT_EQ(got.needs, expected.needs) << PrintRules(rules);
      matched += got.rule != kNoRule ? 1 : 0;
      hashes += got.needs != 0 ? 1 : 0;
    }
  }
  // The worlds are no use if nothing happens in them.
  EXPECT_GT(matched, kCases / 4);
  EXPECT_GT(hashes, kCases / 1000);
}

// Places with many rules have lists by port, and long ones.
TEST(RuleSetModel, B30_LargeSetEqualsTheNaiveEvaluator) {
  World world(35);
  for (int round = 0; round < 4; ++round) {
    std::vector<Rule> rules = world.MakeRules(2000);
    // Few are left to match, so that the search does not end at once.
    for (size_t i = 0; i < rules.size(); ++i) {
      if (i % 4 != 0 || !rules[i].to.empty()) continue;
      rules[i].user = {{"99", 99}};
    }
    const auto set = Built(rules);
    std::sort(rules.begin(), rules.end(), Model::Before);
    for (int i = 0; i < 2000; ++i) {
      const App app = world.MakeRandomApp();
      const Subject subject = {world.Below(6) == 0 ? nullptr : &app,
                               world.MakeRandomUid()};
      const Flow flow = world.MakeRandomFlow();
      const MatchResult expected = Model::Match(rules, subject, flow);
      ASSERT_EQ(set->Match(subject, flow).rule, expected.rule);
      ASSERT_EQ(set->Match(subject, flow).needs, expected.needs);
    }
  }
}

TEST(RuleSetModel, ExplainsWinnerIsTheOneThatJudges) {
  World world(31);
  for (int round = 0; round < 300; ++round) {
    PolicySnapshot policy = Snapshot(Built(world.MakeRules(world.Below(60))),
                                     kAllModes[world.Below(4)]);
    for (int i = 0; i < 20; ++i) {
      const App app = world.MakeRandomApp();
      const Subject subject = {world.Below(6) == 0 ? nullptr : &app,
                               world.MakeRandomUid()};
      const Flow flow = world.MakeRandomFlow();
      const Explanation e = Explain(policy, subject, flow);
      ASSERT_EQ(e.winner, policy.rules->Match(subject, flow).rule);
      // Losers above the winner do not apply, whatever CheckRule calls it.
      for (const Loser& loser : e.losers) {
        EXPECT_FALSE(loser.why.empty());
        EXPECT_EQ(loser.why.starts_with("lower precedence"),
                  loser.rule > e.winner &&
                      policy.rules->asleep(loser.rule) == Mismatch::kNone &&
                      CheckRule(policy.rules->rules()[loser.rule],
                                policy.rules->ByPath(loser.rule), subject,
                                flow) == Mismatch::kNone);
      }
    }
  }
}

TEST(RuleSetModel, OrderOfInputDoesNotMatter) {
  World world(32);
  std::mt19937 random(32);
  for (int round = 0; round < 300; ++round) {
    std::vector<Rule> rules = world.MakeRules(40);
    const auto one = Built(rules);
    std::shuffle(rules.begin(), rules.end(), random);
    const auto other = Built(rules);
    for (int i = 0; i < 50; ++i) {
      const App app = world.MakeRandomApp();
      const Flow flow = world.MakeRandomFlow();
      ASSERT_EQ(one->Match({&app, 1}, flow).rule,
                other->Match({&app, 1}, flow).rule);
    }
  }
}

TEST(RuleSetModel, AnAddedDenyNeverAllowsMore) {
  World world(33);
  for (int round = 0; round < 1000; ++round) {
    std::vector<Rule> rules = world.MakeRules(20);
    for (Rule& rule : rules) rule.sha256.clear();
    const PolicySnapshot before = Snapshot(Built(rules));
    Rule deny = world.MakeRandomRule(1000);
    deny.policy = world.Below(2) == 0 ? RulePolicy::kDeny : RulePolicy::kReject;
    deny.sha256.clear();
    rules.push_back(deny);
    const PolicySnapshot after = Snapshot(Built(rules));
    for (int i = 0; i < 50; ++i) {
      const App app = world.MakeRandomApp();
      const Flow flow = world.MakeRandomFlow();
      const Subject subject = {&app, world.MakeRandomUid()};
      if (JudgeSubject(after, flow, subject).decision.verdict ==
          Verdict::kAllow) {
        ASSERT_EQ(JudgeSubject(before, flow, subject).decision.verdict,
                  Verdict::kAllow);
      }
    }
  }
}

TEST(RuleSetModel, APathThatIsNotTheExeIsNeverAllowedMore) {
  World world(34);
  for (int round = 0; round < 500; ++round) {
    PolicySnapshot policy = Snapshot(Built(world.MakeRules(20)));
    policy.settings.default_verdict = Verdict::kDeny;
    for (int i = 0; i < 50; ++i) {
      App app = world.MakeRandomApp();
      app.sha256 = std::string(64, 'a');
      app.path_is_exe = false;
      const Flow flow = world.MakeRandomFlow();
      const MatchResult match = policy.rules->Match({&app, 0}, flow);
      if (JudgeSubject(policy, flow, {&app, 0}).decision.verdict ==
          Verdict::kAllow) {
        ASSERT_FALSE(policy.rules->ByPath(match.rule));
      }
    }
  }
}

}  // namespace
}  // namespace sallyport
