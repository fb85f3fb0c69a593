#include "rules/rule_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "rules/app_pattern.h"
#include "rules/rule_blocks.h"
#include "tests/rules/rules_testing.h"

namespace sallyport {
namespace {

std::string Errors(std::string_view toml) {
  return FormatRuleErrors("f", ParseRules(toml, "f").errors);
}

TEST(RuleText, ReadsEveryField) {
  const RuleParse parse = ParseRules(R"(
version = 1
[[rule]]
name        = "everything"
policy      = "local-only"
app         = "/opt/**/x"
sha256      = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
to          = ["192.0.2.0/24", "10.0.0.1-10.0.0.9", "lan", "::1"]
not_to      = "192.0.2.7"
port        = [443, "8000-9000", "25"]
not_port    = "8080-8081"
protocol    = ["tcp", 17]
interface   = ["eth0", "wg*", "vpn"]
during      = "mon-fri 09:00-17:00"
expires     = 2026-12-31T18:00:00+01:00
user        = 1000
not_user    = ["alice", 7]
direction   = "out"
priority    = -5
enabled     = false
log         = false
description = "why"
)",
                                     "rules.toml");
  ASSERT_EQ(FormatRuleErrors("rules.toml", parse.errors), "");
  ASSERT_EQ(parse.rules.size(), 1u);
  const Rule& rule = parse.rules[0];
  EXPECT_EQ(rule.name, "everything");
  EXPECT_EQ(rule.policy, RulePolicy::kLocalOnly);
  EXPECT_EQ(rule.app, "/opt/**/x");
  EXPECT_EQ(rule.sha256,
            std::vector<std::string>{"0123456789abcdef0123456789abcdef"
                                     "0123456789abcdef0123456789abcdef"});
  EXPECT_EQ(rule.to, To({"192.0.2.0/24", "10.0.0.1-10.0.0.9", "lan", "::1"}));
  EXPECT_EQ(rule.port,
            (std::vector<PortRange>{{443, 443}, {8000, 9000}, {25, 25}}));
  EXPECT_EQ(rule.protocol, (std::vector<uint8_t>{kProtoTcp, kProtoUdp}));
  EXPECT_EQ(rule.user, (std::vector<RuleUser>{{"1000", 1000u}}));
  EXPECT_EQ(rule.during->ToString(), "mon-fri 09:00-17:00");
  EXPECT_EQ(rule.expires, absl::FromCivil(absl::CivilHour(2026, 12, 31, 17),
                                          absl::UTCTimeZone()));
  EXPECT_EQ(rule.not_user,
            (std::vector<RuleUser>{{"alice", std::nullopt}, {"7", 7u}}));
  EXPECT_EQ(rule.not_to, To({"192.0.2.7"}));
  EXPECT_EQ(rule.not_port, (std::vector<PortRange>{{8080, 8081}}));
  EXPECT_EQ(rule.interface, (std::vector<std::string>{"eth0", "wg*", "vpn"}));
  EXPECT_EQ(rule.priority, -5);
  EXPECT_FALSE(rule.enabled);
  EXPECT_FALSE(rule.log);
  EXPECT_EQ(rule.description, "why");
  EXPECT_EQ(rule.origin, "rules.toml");
}

TEST(RuleText, ShortFormsAndDefaults) {
  const RuleParse parse = ParseRules(
      "rule = [{name='a', policy='deny', app='any', to='lan', port=53, "
      "protocol='udp', user='alice'}]",
      "f");
  ASSERT_EQ(FormatRuleErrors("f", parse.errors), "");
  const Rule& rule = parse.rules.at(0);
  EXPECT_EQ(rule.to.size(), 1u);
  EXPECT_EQ(rule.port.size(), 1u);
  EXPECT_EQ(rule.user, (std::vector<RuleUser>{{"alice", std::nullopt}}));
  EXPECT_TRUE(rule.enabled && rule.log && rule.priority == 0);
}

TEST(RuleText, EmptyTextsAreNoRules) {
  for (const char* text :
       {"", "\n\n", "# only a comment", "version = 1", "\xef\xbb\xbf"}) {
    EXPECT_EQ(Errors(text), "") << text;
    EXPECT_TRUE(ParseRules(text, "f").rules.empty());
  }
}

// What is wrong in a rule that begins with three good lines, and what is said.
TEST(RuleText, ATableOfErrors) {
  const struct {
    const char* line;
    const char* errors;
  } cases[] = {
      {"polcy = 1", "f:5:1: unknown key 'polcy'; did you mean 'policy'?\n"},
      {"xyzzy = 1", "f:5:1: unknown key 'xyzzy'\n"},
      {"parent = 1",
       "f:5:1: unknown key 'parent'; this version does not support it\n"},
      {"expires = 1",
       "f:5:11: expires: must be a time such as 2026-12-31T18:00:00Z, not a "
       "number\n"},
      {"expires = 2026-12-31T18:00:00",
       "f:5:11: expires: must be a time such as 2026-12-31T18:00:00Z, not a "
       "time without Z or an offset such as +01:00\n"},
      {"rate = '10/second'", "f:5:8: rate: only rules that allow have one\n"},
      {"to = 1", "f:5:6: to: must be a string, not a number\n"},
      {"to = []",
       "f:5:6: to: the list is empty; leave the key out for no limit\n"},
      {"to = ['lan', true]", "f:5:14: to: must be a string, not a boolean\n"},
      {"to = [['lan']]", "f:5:7: to: must be a string, not a list\n"},
      {"to = 'lam'",
       "f:5:6: to: 'lam' is no destination; did you mean 'lan'?\n"},
      {"port = 1.5",
       "f:5:8: port: must be a number or a range such as \"8000-9000\", not a "
       "fraction\n"},
      {"port = 65536",
       "f:5:8: port: '65536' is no port; write a number from 0 to 65535 or a "
       "range such as \"8000-9000\"\n"},
      {"port = -1",
       "f:5:8: port: '-1' is no port; write a number from 0 to 65535 or a "
       "range such as \"8000-9000\"\n"},
      {"port = [80, '9-8']",
       "f:5:13: port: '9-8' is reversed; write \"8-9\"\n"},
      {"protocol = 'tpc'",
       "f:5:12: protocol: 'tpc' is no protocol; did you mean 'tcp'?\n"},
      {"protocol = 256",
       "f:5:12: protocol: '256' is no protocol; write tcp, udp, icmp, ... or a "
       "number from 0 to 255\n"},
      {"protocol = 1979-05-27",
       "f:5:12: protocol: must be a name such as \"tcp\" or a number, not a "
       "date or time\n"},
      {"port = 53\nprotocol = 'icmp'",
       "f:5:8: port: icmp has no ports; take `port` away or give that protocol "
       "a rule of its own\n"},
      {"user = -1", "f:5:8: user: '-1' is no uid\n"},
      {"user = true",
       "f:5:8: user: must be a user name or a uid, not a "
       "boolean\n"},
      {"user = ''", "f:5:8: user: empty; leave the key out for every user\n"},
      {"enabled = 'yes'",
       "f:5:11: enabled: must be true or false, not a string\n"},
      {"interface = 'a b'",
       "f:5:13: interface: 'a b' is no device; write a name such as \"eth0\", "
       "\"wg*\" for all that begin so, or \"vpn\"\n"},
      {"log = 1", "f:5:7: log: must be true or false, not a number\n"},
      {"priority = 'high'",
       "f:5:12: priority: must be a number, not a string\n"},
      {"priority = 3000000000",
       "f:5:12: priority: must be from -2147483648 to 2147483647\n"},
      {"direction = 'in'",
       "f:5:13: direction: 'in' is not supported; only \"out\" is\n"},
      {"sha256 = 'abc'",
       "f:5:10: sha256: 'abc' is not 64 hexadecimal digits in lower case\n"},
      {"description = ['a']",
       "f:5:15: description: must be a string, not a list\n"},
      {"name = 'twice'",
       "f:5:8: Error while parsing key-value pair: cannot "
       "redefine existing string 'name'\n"},
  };
  for (const auto& c : cases) {
    const std::string text =
        std::string("[[rule]]\nname='a'\npolicy='deny'\napp='any'\n") + c.line +
        "\n";
    EXPECT_EQ(Errors(text), c.errors) << c.line;
  }
}

TEST(RuleText, ErrorsInTheFirstLinesOfARule) {
  const struct {
    const char* text;
    const char* errors;
  } cases[] = {
      {"[[rule]]",
       "f:1:1: this rule has no 'name'\n"
       "f:1:1: this rule has no 'policy'\n"
       "f:1:1: this rule has no 'app'\n"},
      {"[[rule]]\nname='A'\npolicy='deny'\napp='any'",
       "f:2:6: name: 'A' is not a rule name; use 1 to 64 of a-z, 0-9 and "
       "'-'\n"},
      {"[[rule]]\nname='a'\npolicy='dney'\napp='any'",
       "f:3:8: policy: 'dney' is no policy; write allow, deny, reject or "
       "local-only\n"},
      {"[[rule]]\nname='a'\npolicy='ask'\napp='any'",
       "f:3:8: policy: 'ask' is not supported by this version; write allow, "
       "deny, reject or local-only\n"},
      {"[[rule]]\nname='a'\npolicy='deny'\napp='curl'",
       "f:4:5: app: 'curl' is not an absolute path; write the full path, a "
       "glob such as /opt/**/name, or \"any\"\n"},
      {"[rule]\nname='a'",
       "f:1:1: a rule begins with [[rule]], in two brackets\n"},
      {"rule = [1]",
       "f:1:9: a rule is a table; write [[rule]] and its keys below\n"},
      {"rules = 1",
       "f:1:1: unknown key 'rules'; a rule begins with "
       "[[rule]]\n"},
      {"version = 2", "f:1:11: version: only 1 is known\n"},
      {"version = '1'", "f:1:11: version: only 1 is known\n"},
      {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q = 1",
       "f:1:1: a key of more than 16 parts\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(Errors(c.text), c.errors) << c.text;
}

TEST(RuleText, AllErrorsOfAFileAreReportedInOrder) {
  const RuleParse parse = ParseRules(R"([[rule]]
name = "a
[[rule]]
name = "good"
policy = "deny"
app = "any"
[[rule]]
nam = "b"
policy = 7
port = [1, 99999, true]
[[rule]]
name = "good"
policy = "allow"
app = "any"
x = =
[[rule]]
name = "good"
policy = "allow"
app = "any"
)",
                                     "f");
  std::vector<uint32_t> lines;
  for (const RuleError& error : parse.errors) lines.push_back(error.line);
  EXPECT_EQ(lines, (std::vector<uint32_t>{2, 7, 7, 8, 9, 10, 10, 15, 17}))
      << FormatRuleErrors("f", parse.errors);
  EXPECT_EQ(parse.rules.size(), 1u);
  EXPECT_EQ(parse.errors.back().message,
            "name: 'good' is already the rule of line 4");
}

TEST(RuleText, F13_GarbageIsBoundedAndNamed) {
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "[[rule]]\nx = 1\n";
  const RuleParse parse = ParseRules(many, "f");
  EXPECT_EQ(parse.errors.size(), kMaxRuleErrors);
  EXPECT_EQ(parse.errors.back().message, "too many errors; more not shown");

  EXPECT_EQ(Errors(std::string(kMaxRuleTextBytes + 1, '\n')),
            "f:1:1: the text has 67108865 bytes; the limit is 67108864\n");
  std::string long_rule = "[[rule]]\nto = [";
  while (long_rule.size() <= kMaxOneRuleBytes) long_rule += "'10.0.0.1',\n";
  EXPECT_EQ(Errors(long_rule + "]\n"),
            "f:1:1: a rule of more than 8388608 bytes; split it\n");
  EXPECT_NE(Errors(std::string("\0\1\2", 3)), "");
  EXPECT_NE(Errors("\xff\xfe"), "");
  EXPECT_NE(Errors(std::string(100'000, '[')), "");
  EXPECT_NE(Errors("x = " + std::string(100'000, '[')), "");
  EXPECT_NE(Errors("x = " + std::string(100'000, '{')), "");
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_NE(Errors(deep + " = 1"), "");
  EXPECT_NE(Errors("[" + deep + "]"), "");
  EXPECT_NE(Errors("x = {" + deep + " = 1}"), "");
}

// A file cut at a byte where it happens to be whole again cannot be told from a
// shorter file: that is why rule files are replaced atomically. But nothing
// crashes, and no rule comes out that is not valid.
TEST(RuleText, F13_FileCutAtEveryByteNeverCrashes) {
  const std::string whole = R"([[rule]]
name = "a"
policy = "deny"
app = '/bin/\x0a'
to = ["192.0.2.0/24", "lan"]
[[rule]]
name = "b"
policy = "allow"
app = "any"
description = """two
lines"""
)";
  ASSERT_EQ(Errors(whole), "");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const RuleParse parse = ParseRules(whole.substr(0, cut), "f");
    for (const Rule& rule : parse.rules) {
      EXPECT_TRUE(ValidateRule(rule).ok());
      EXPECT_TRUE(rule.name == "a" || rule.name == "b");
    }
  }
}

TEST(RuleText, HeadersInStringsAndCommentsCutNothing) {
  const RuleParse parse = ParseRules(R"(# [[rule]]
[[ rule ]]
name = "a" # [[rule]]
description = """
[[rule]]
"""
policy = "deny"
app = '/bin/"""'
[[rule]]
name = "b"
policy = "deny"
app = "/bin/\"\"\""
description = '''
[[rule]]
it''s""" '''''
)",
                                     "f");
  EXPECT_EQ(FormatRuleErrors("f", parse.errors), "");
  ASSERT_EQ(parse.rules.size(), 2u);
  EXPECT_EQ(parse.rules[0].description, "[[rule]]\n");
  EXPECT_EQ(parse.rules[1].description, "[[rule]]\nit''s\"\"\" ''");
}

TEST(RuleText, BlocksJoinToTheText) {
  std::mt19937 random(5);
  const std::string_view pieces[] = {"[[rule]]", "\n", "\"", "\"\"\"", "'''",
                                     "'",        "\\", "#",  " ",      "a.b=1",
                                     "\r\n",     "[[", "]]"};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t n = random() % 30; n > 0; --n) {
      text += pieces[random() % std::size(pieces)];
    }
    std::string joined;
    uint32_t line = 1;
    for (const RuleBlock& block : SplitRuleBlocks(text)) {
      EXPECT_EQ(block.line, line);
      joined += block.text;
      line += static_cast<uint32_t>(
          std::count(block.text.begin(), block.text.end(), '\n'));
    }
    ASSERT_EQ(joined, text);
  }
}

class RandomRules {
 public:
  explicit RandomRules(uint32_t seed) : random_(seed) {}

  Rule Make(int number) {
    Rule rule;
    rule.name = "r-" + std::to_string(number);
    rule.policy = static_cast<RulePolicy>(Below(4));
    rule.app = App();
    rule.origin = "f";
    for (uint32_t n = Below(3); n > 0; --n) {
      rule.sha256.push_back(std::string(64, static_cast<char>('a' + Below(6))));
    }
    for (uint32_t n = Below(9); n > 0; --n) rule.to.push_back(Place());
    for (uint32_t n = Below(4); n > 0; --n) {
      const auto first = static_cast<uint16_t>(random_());
      rule.port.push_back(
          {first, static_cast<uint16_t>(first + Below(65536u - first))});
    }
    for (uint32_t n = Below(4); n > 0; --n) {
      rule.protocol.push_back(rule.port.empty()
                                  ? static_cast<uint8_t>(random_())
                                  : (Below(2) == 0 ? kProtoTcp : kProtoUdp));
    }
    if (Below(3) == 0) {
      rule.user = {Below(2) == 0 ? RuleUser{"alice \"the\\one\"", std::nullopt}
                                 : RuleUser{"1000", 1000}};
    }
    rule.priority = static_cast<int32_t>(random_());
    rule.enabled = Below(2) == 0;
    rule.log = Below(2) == 0;
    for (uint32_t n = Below(9); n > 0; --n) {
      constexpr std::string_view kOdd[] = {
          "\n", "\"", "\\", "'", "\x01", "\x7f", "\xc3\xa9", "x", "\t"};
      rule.description += kOdd[Below(std::size(kOdd))];
    }
    return rule;
  }

 private:
  uint32_t Below(uint32_t n) { return random_() % n; }

  std::string App() {
    if (Below(5) == 0) return "any";
    if (Below(5) == 0) return "/opt/**/b*[!x-z]?";
    std::string path = "/a";
    for (uint32_t n = Below(20); n > 0; --n) {
      const char byte = static_cast<char>(1 + Below(255));
      if (byte != '/' && byte != '.') path += byte;
    }
    return ExactAppText(path);
  }

  Destination Place() {
    if (Below(3) == 0) return static_cast<ScopeKeyword>(Below(4));
    const IpAddress address = Below(2) == 0 ? IpAddress::V4(random_()) : V6();
    if (Below(2) == 0) {
      const bool v4 = address.IsV4();
      const auto length =
          static_cast<uint8_t>(v4 ? 96 + Below(33) : Below(129));
      return IpPrefix{MaskAddress(address, length), length};
    }
    const IpAddress other = address.IsV4() ? IpAddress::V4(random_()) : V6();
    return AddressRange{std::min(address, other), std::max(address, other)};
  }

  IpAddress V6() {
    IpAddress address;
    for (uint8_t& byte : address.bytes) byte = static_cast<uint8_t>(random_());
    return address;
  }

  std::mt19937 random_;
};

TEST(RuleText, A38_ParseOfPrintIsTheSameRule) {
  RandomRules random(38);
  std::vector<Rule> rules;
  for (int i = 0; i < 3000; ++i) {
    rules.push_back(random.Make(i));
    ASSERT_TRUE(ValidateRule(rules.back()).ok())
        << ValidateRule(rules.back()) << PrintRules({&rules.back(), 1});
  }
  const std::string text = PrintRules(rules);
  const RuleParse parse = ParseRules(text, "f");
  ASSERT_EQ(FormatRuleErrors("f", parse.errors), "");
  ASSERT_EQ(parse.rules.size(), rules.size());
  for (size_t i = 0; i < rules.size(); ++i) {
    ASSERT_EQ(parse.rules[i], rules[i]) << PrintRules({&rules[i], 1});
  }
  EXPECT_EQ(PrintRules(parse.rules), text);
}

TEST(RuleText, A38_PathRoundTripsByteForByte) {
  const std::string path = "/tmp/\n\x1b]0;x\x07\xff\xfe/\xe2\x80\xae'\"\\*";
  const Rule rule = MakeRule("odd", RulePolicy::kDeny, ExactAppText(path));
  const std::string text = PrintRules({&rule, 1});
  for (char c : text) {
    EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << text;
  }
  const RuleParse parse = ParseRules(text, "");
  ASSERT_EQ(parse.rules.size(), 1u);
  EXPECT_EQ(AppPattern::Parse(parse.rules[0].app)->prefix(), path);
}

TEST(RuleText, PrintIsReadable) {
  Rule rule = MakeRule("curl-to-lab", RulePolicy::kAllow, "/usr/bin/curl");
  rule.to = To({"192.0.2.0/24", "lan"});
  rule.port = {{443, 443}, {8000, 9000}};
  rule.protocol = {kProtoTcp};
  rule.user = {{"alice", std::nullopt}};
  rule.description = "C:\\why";
  EXPECT_EQ(PrintRules({&rule, 1}), R"([[rule]]
name        = "curl-to-lab"
policy      = "allow"
app         = "/usr/bin/curl"
user        = "alice"
to          = ["192.0.2.0/24", "lan"]
port        = [443, "8000-9000"]
protocol    = "tcp"
description = 'C:\why'
)");
}

TEST(RuleText, TooManyRulesAreRefused) {
  std::string text;
  for (size_t i = 0; i <= kMaxRules; ++i) {
    text += "[[rule]]\nname='" + std::to_string(i) +
            "'\npolicy='deny'\napp='any'\n";
  }
  EXPECT_EQ(Errors(text), "f:400001:1: more than 100000 rules\n");
}

}  // namespace
}  // namespace sallyport
