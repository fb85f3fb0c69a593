#include "tools/import_opensnitch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/text_util.h"
#include "tests/tools/import_testing.h"

namespace sallyport::cli {
namespace {

// An operator as a rule file has it.
Json Op(const std::string& type, const std::string& operand,
        const std::string& data, bool sensitive = false) {
  return {{"type", type},
          {"operand", operand},
          {"data", data},
          {"list", nullptr},
          {"sensitive", sensitive}};
}

ImportFile File(const std::string& name, const std::string& action,
                const std::vector<Json>& ops, Json more = Json::object()) {
  Json rule = {{"name", name},
               {"enabled", true},
               {"action", action},
               {"duration", "always"}};
  rule["operator"] = ops.size() == 1 ? ops[0]
                                     : Json{{"type", "list"},
                                            {"operand", "list"},
                                            {"data", ""},
                                            {"list", ops}};
  for (const auto& [key, value] : more.items()) rule[key] = value;
  return {name + ".json", rule.dump()};
}

ImportResult Import(const std::vector<ImportFile>& files,
                    const ImportOptions& options = {}) {
  const absl::StatusOr<ImportResult> result = ImportOpenSnitch(files, options);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  ExpectSound(*result);
  return *result;
}

// The conditions that operators of one allow become; else the reason.
std::string Become(const std::vector<Json>& ops,
                   const ImportOptions& options = {}) {
  const ImportResult result = Import({File("x", "allow", ops)}, options);
  std::string out;
  for (const Json& rule : result.rules) out += Bare(rule) + "\n";
  if (out.empty()) out = NotesWith(result, "left out");
  return out.substr(0, out.size() - 1);
}

std::string Left(const std::string& why) {
  return "x.json: rule 'x': " + why + "; rule left out";
}

std::string Error(const std::string& text) {
  const std::vector<ImportFile> files = {{"f.json", text}};
  return MessageOf(ImportOpenSnitch(files, {}).status());
}

TEST(ImportOpenSnitch, SimpleOperands) {
  EXPECT_EQ(Become({Op("simple", "true", "")}),
            R"({"policy":"allow","app":"any"})");
  EXPECT_EQ(Become({Op("simple", "process.path", "/usr/bin/a [x]*")}),
            R"({"policy":"allow","app":"/usr/bin/a \\[x\\]\\*"})");
  EXPECT_EQ(Become({Op("simple", "process.parent.path", "/usr/bin/make")}),
            R"({"policy":"allow","app":"any","parent":["/usr/bin/make"]})");
  EXPECT_EQ(Become({Op("simple", "user.id", "1000")}),
            R"({"policy":"allow","app":"any","user":["1000"]})");
  EXPECT_EQ(Become({Op("simple", "user.name", "_apt")}),
            R"({"policy":"allow","app":"any","user":["_apt"]})");
  EXPECT_EQ(Become({Op("simple", "dest.host", "WWW.Example.com.")}),
            R"({"policy":"allow","app":"any","to":["=www.example.com"]})");
  EXPECT_EQ(Become({Op("simple", "dest.ip", "2001:db8::1")}),
            R"({"policy":"allow","app":"any","to":["2001:db8::1"]})");
  EXPECT_EQ(Become({Op("network", "dest.network", "10.1.2.3/16")}),
            R"({"policy":"allow","app":"any","to":["10.1.0.0/16"]})");
  EXPECT_EQ(Become({Op("simple", "dest.port", "443")}),
            R"({"policy":"allow","app":"any","port":[443]})");
  EXPECT_EQ(Become({Op("range", "dest.port", "6881 - 6889")}),
            R"({"policy":"allow","app":"any","port":["6881-6889"]})");
  EXPECT_EQ(Become({Op("simple", "iface.out", "wg0")}),
            R"({"policy":"allow","app":"any","interface":["wg0"]})");
}

TEST(ImportOpenSnitch, AllOfAListMustHold) {
  EXPECT_EQ(
      Become({Op("simple", "process.path", "/usr/bin/curl"),
              Op("simple", "true", ""), Op("regexp", "dest.port", "^(80|443)$"),
              Op("regexp", "dest.host", R"(.*\.example\.com$)"),
              Op("simple", "user.id", "0"),
              Op("regexp", "process.command", "curl -[a-z]+", true)}),
      R"({"policy":"allow","app":"/usr/bin/curl","user":["0"],)"
      R"("cmdline":"(?s)^.*(?:curl -[a-z]+).*$","to":["*.example.com"],)"
      R"("port":[80,443]})");
}

TEST(ImportOpenSnitch, AlternativesOfAPathAreRulesOfTheirOwn) {
  const ImportResult result = Import({File(
      "two", "allow", {Op("regexp", "process.path", "^/usr/bin/(a|b)$")})});
  EXPECT_EQ(Bare(RuleNamed(result, "two")),
            R"({"policy":"allow","app":"/usr/bin/a"})");
  EXPECT_EQ(Bare(RuleNamed(result, "two-2")),
            R"({"policy":"allow","app":"/usr/bin/b"})");
}

// A condition that is lost would make an allow wider.
TEST(ImportOpenSnitch, WhatCannotBeSaidIsLeftOut) {
  const Json app = Op("simple", "process.path", "/usr/bin/python3");
  const std::vector<std::pair<Json, std::string>> cases = {
      {Op("simple", "process.env.HOME", "/root"),
       "operand 'process.env.HOME': has no meaning here"},
      {Op("simple", "source.port", "68"),
       "operand 'source.port': has no meaning here"},
      {Op("network", "source.network", "10.0.0.0/8"),
       "operand 'source.network': has no meaning here"},
      {Op("simple", "iface.in", "eth0"),
       "operand 'iface.in': has no meaning here"},
      {Op("simple", "process.id", "1"),
       "operand 'process.id': the id of a process that is gone by now"},
      {Op("simple", "process.hash.md5", "0"),
       "operand 'process.hash.md5': only SHA-256 pins an app here (sha256)"},
      {Op("lists", "lists.domains", "/etc/lists"),
       "operand 'lists.domains': reads the lists of '/etc/lists'; make a list "
       "of them here, then import again with --list /etc/lists=NAME"},
      {Op("simple", "dest.host", "192.0.2.1"),
       "operand 'dest.host': '192.0.2.1' is not a DNS name"},
      {Op("simple", "dest.host", ""),
       "operand 'dest.host': '' is not a DNS name"},
      {Op("simple", "dest.ip", "192.0.2.0/24"),
       "operand 'dest.ip': '192.0.2.0/24' is no address"},
      {Op("network", "dest.network", "OFFICE"),
       "operand 'dest.network': 'OFFICE' is no network, nor an alias that is "
       "known"},
      {Op("simple", "dest.port", "70000"),
       "operand 'dest.port': '70000' is no port"},
      {Op("range", "dest.port", "9-8"),
       "operand 'dest.port': '9-8' is no range of ports"},
      {Op("simple", "user.id", "-1"),
       "operand 'user.id': '-1' is no user's id"},
      {Op("simple", "protocol", "carrier-pigeon"),
       "operand 'protocol': 'carrier-pigeon' is no protocol that is known"},
      {Op("simple", "iface.out", "vpn"),
       "operand 'iface.out': 'vpn' is no interface's name here"},
      {Op("quota", "dest.port", "1"),
       "operand 'dest.port': type 'quota' is not known for it"},
      {Op("simple", "future.thing", "1"),
       "operand 'future.thing': is not known"},
      {Op("list", "list", "[]"), "operand 'list': a list in a list"},
      {Op("regexp", "dest.host", R"(^ads\..*)"),
       "operand 'dest.host': expression '^ads\\..*' cannot be said as a "
       "list"},
      {Op("regexp", "dest.host", "(?=x)"),
       "operand 'dest.host': expression '(?=x)': column 3: this kind of group "
       "is not understood"},
      {Op("regexp", "dest.port", "^[0-9]{5}$"),
       "operand 'dest.port': expression '^[0-9]{5}$' cannot be said as a list"},
  };
  for (const auto& [op, why] : cases) {
    EXPECT_EQ(Become({app, op}), Left(why));
  }
  EXPECT_EQ(Become({Op("simple", "process.path", "curl")}),
            Left("operand 'process.path': 'curl' is not the path of an "
                 "executable"));
  EXPECT_EQ(Become({Op("simple", "process.path", "any")}),
            Left("operand 'process.path': 'any' is not the path of an "
                 "executable"));
}

TEST(ImportOpenSnitch, ACommandLineIsNeverTheOnlyCondition) {
  EXPECT_EQ(Become({Op("simple", "process.command", "curl x")}),
            Left("a command line is what the program says of itself; it "
                 "cannot be the only condition"));
  EXPECT_EQ(Become({Op("simple", "process.command", "a.b"),
                    Op("simple", "dest.port", "80")}),
            R"({"policy":"allow","app":"any","cmdline":"(?is)^a\\.b$",)"
            R"("port":[80]})");
}

// OpenSnitch makes \S of it \s.
TEST(ImportOpenSnitch, ExpressionsThatLowerCaseTurnsAround) {
  EXPECT_EQ(Become({Op("regexp", "process.path", R"(^/usr/bin/\S$)", true)}),
            R"({"policy":"allow","app":"/usr/bin/[\\x01-\\x08\\x0b\\x0e-\\x1f)"
            R"(\\x21-.0-\\xff]"})");
  EXPECT_EQ(
      Become({Op("regexp", "process.path", R"(^/usr/bin/\S+$)")}),
      Left("operand 'process.path': expression '^/usr/bin/\\S+$': OpenSnitch "
           "makes it lower case, which turns a class such as \\D into its "
           "opposite"));
  EXPECT_EQ(
      Become({Op("simple", "dest.port", "80"),
              Op("regexp", "process.command", R"(^curl \D+$)")}),
      Left("operand 'process.command': expression '^curl \\D+$': OpenSnitch "
           "makes it lower case, which may turn a class such as \\D into its "
           "opposite"));
}

// "tcp" is TCP over IPv4 there.
TEST(ImportOpenSnitch, ProtocolsNameAFamily) {
  EXPECT_EQ(Become({Op("simple", "protocol", "TCP")}),
            R"({"policy":"allow","app":"any","to":["0.0.0.0/0"],)"
            R"("protocol":["tcp"]})");
  EXPECT_EQ(Become({Op("simple", "protocol", "udp6"),
                    Op("simple", "dest.host", "example.com")}),
            R"({"policy":"allow","app":"any","to":["=example.com"],)"
            R"("not_to":["0.0.0.0/0"],"protocol":["udp"]})");
  EXPECT_EQ(Become({Op("regexp", "protocol", "^(tcp|udp)6?$")}),
            R"({"policy":"allow","app":"any","protocol":["tcp","udp"]})");
  EXPECT_EQ(Become({Op("regexp", "protocol", "^(tcp6?|udp)$")}),
            R"({"policy":"allow","app":"any","protocol":["tcp"]})"
            "\n"
            R"({"policy":"allow","app":"any","to":["0.0.0.0/0"],)"
            R"("protocol":["udp"]})");
  EXPECT_EQ(Become({Op("simple", "protocol", "icmp")}),
            R"({"policy":"allow","app":"any","protocol":["icmp"]})");
  EXPECT_EQ(Become({Op("simple", "protocol", "tcp"),
                    Op("regexp", "dest.ip", R"(^(127\.0\.0\.1|::1)$)")}),
            R"({"policy":"allow","app":"any","to":["127.0.0.1"],)"
            R"("protocol":["tcp"]})");
  EXPECT_EQ(
      Become({Op("simple", "protocol", "tcp"), Op("simple", "dest.ip", "::1")}),
      Left("its protocol, port and destination exclude each other"));
  EXPECT_EQ(Become({Op("simple", "protocol", "icmp"),
                    Op("simple", "dest.port", "80")}),
            Left("its protocol, port and destination exclude each other"));
}

TEST(ImportOpenSnitch, TwoConditionsOnOneThing) {
  EXPECT_EQ(Become({Op("network", "dest.network", "10.0.0.0/8"),
                    Op("simple", "dest.ip", "10.1.2.3")}),
            R"({"policy":"allow","app":"any","to":["10.1.2.3"]})");
  EXPECT_EQ(Become({Op("network", "dest.network", "10.0.0.0/8"),
                    Op("simple", "dest.ip", "192.0.2.1")}),
            Left("its destinations exclude each other"));
  EXPECT_EQ(Become({Op("simple", "dest.host", "example.com"),
                    Op("simple", "dest.ip", "192.0.2.1")}),
            Left("two conditions on the destination that must both hold (a "
                 "name and an address, or two names) cannot be said here"));
  EXPECT_EQ(Become({Op("simple", "process.path", "/a"),
                    Op("simple", "process.path", "/b")}),
            Left("operand 'process.path': has two conditions on the same "
                 "thing"));
  EXPECT_EQ(Become({Op("simple", "process.path", "/a"),
                    Op("simple", "process.path", "/a")}),
            R"({"policy":"allow","app":"/a"})");
}

TEST(ImportOpenSnitch, ListsThatHaveANameHere) {
  ImportOptions options;
  options.lists["/etc/lists/ads"] = "ads";
  EXPECT_EQ(Become({Op("lists", "lists.domains", "/etc/lists/ads")}, options),
            R"({"policy":"allow","app":"any","to":["list:ads"]})");
}

TEST(ImportOpenSnitch, NamesForNetworks) {
  EXPECT_EQ(
      Become({Op("network", "dest.network", "MULTICAST")}),
      R"({"policy":"allow","app":"any","to":["224.0.0.0/4","ff00::/8"]})");
  const ImportResult result =
      Import({File("x", "allow", {Op("network", "dest.network", "OFFICE")}),
              {"up/network_aliases.json",
               R"({"OFFICE": ["198.51.100.7/24", "::1", 5]})"}});
  EXPECT_EQ(Bare(RuleNamed(result, "x")),
            R"({"policy":"allow","app":"any","to":["198.51.100.0/24"]})");
}

TEST(ImportOpenSnitch, WhatElseARuleHas) {
  const Json app = Op("simple", "process.path", "/a", true);
  ImportResult result = Import({File("x", "reject", {app},
                                     {{"enabled", false},
                                      {"nolog", true},
                                      {"description", "line\none\x1b"},
                                      {"duration", "until restart"}})});
  EXPECT_EQ(RuleNamed(result, "x").dump(),
            R"({"name":"x","policy":"reject","app":"/a",)"
            R"("lifetime":"until-restart","enabled":false,"log":false,)"
            R"("description":"line one"})");
  EXPECT_TRUE(result.notes.empty());
  result = Import({File("x", "deny", {app}, {{"duration", "5m"}})});
  EXPECT_EQ(NotesWith(result, "left out"),
            "x.json: rule 'x': it is temporary ('5m') and does not say since "
            "when; rule left out: what it turned away is left to the other "
            "rules\n");
}

TEST(ImportOpenSnitch, ATemporaryRuleEndsWhenItWouldThere) {
  ImportOptions options;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2026-03-14T09:00:00Z",
                              &options.now, nullptr));
  const auto import = [&](const std::string& duration,
                          const std::string& created) {
    return Import({File("x", "allow", {Op("simple", "true", "")},
                        {{"duration", duration}, {"created", created}})},
                  options);
  };
  const ImportResult result = import("1h", "2026-03-14T09:30:53.58+01:00");
  EXPECT_EQ(Bare(RuleNamed(result, "x")),
            R"({"policy":"allow","app":"any",)"
            R"("expires":"2026-03-14T09:30:53Z"})");
  EXPECT_TRUE(result.notes.empty());
  const auto note = [&](const std::string& duration,
                        const std::string& created) {
    return NotesWith(import(duration, created), "left out");
  };
  EXPECT_EQ(note("5m", "2026-03-14T09:54:59+01:00"),
            Left("it was temporary ('5m') and has ended") + "\n");
  for (const char* duration : {"once", "inf", "-5m", "900000h"}) {
    EXPECT_EQ(note(duration, "2026-03-14T08:59:00Z"),
              Left(Concat("it is temporary ('", duration,
                          "'), which has no meaning here")) +
                  "\n");
  }
  EXPECT_EQ(note("5m", "yesterday"),
            Left("it is temporary ('5m') and does not say since when") + "\n");
}

TEST(ImportOpenSnitch, AnInterfaceIsOneDevice) {
  EXPECT_EQ(Become({Op("regexp", "iface.out", "^(wg0|tun0)$")}),
            R"({"policy":"allow","app":"any","interface":["wg0","tun0"]})");
  for (const char* name : {"vpn", "wg*", "", "a/b", "0123456789abcdef"}) {
    EXPECT_NE(Become({Op("simple", "iface.out", name)})
                  .find("is no interface's name here"),
              std::string::npos)
        << name;
  }
}

// As older versions write it.
TEST(ImportOpenSnitch, AListAsAText) {
  const std::string list =
      R"([{"type":"simple","operand":"process.path","data":"/a"},)"
      R"({"type":"simple","operand":"dest.port","data":"23"}])";
  EXPECT_EQ(Become({Op("list", "list", list)}),
            R"({"policy":"allow","app":"/a","port":[23]})");
  EXPECT_EQ(Become({Op("list", "list", "")}),
            Left("its list of operands is empty, which matches everything"));
}

TEST(ImportOpenSnitch, UpperAndLowerCaseIsSaidOnce) {
  const ImportResult result =
      Import({File("a", "allow", {Op("simple", "process.path", "/a")}),
              File("b", "allow", {Op("simple", "process.path", "/b")}),
              File("c", "allow", {Op("simple", "process.path", "/c", true)})});
  EXPECT_NE(NotesWith(result, "byte for byte").find("2 rules meet paths"),
            std::string::npos);
}

TEST(ImportOpenSnitch, OrderBecomesPriority) {
  const Json app = Op("simple", "process.path", "/a", true);
  const ImportResult result =
      Import({File("9-allow", "allow", {app}), File("5-deny", "deny", {app}),
              File("4-allow-first", "allow", {app}, {{"precedence", true}}),
              File("3-deny", "deny", {app}), File("2-reject", "reject", {app}),
              File("1-allow", "allow", {app}), File("6-deny", "deny", {app})});
  std::string order;
  for (const Json& rule : result.rules) {
    order += Concat(rule["name"].get<std::string>(), " ",
                    rule.value("priority", 0), "\n");
  }
  EXPECT_EQ(order,
            "2-reject 4\n"
            "3-deny 3\n"
            "4-allow-first 2\n"
            "5-deny 1\n"
            "6-deny 1\n"
            "1-allow 0\n"
            "9-allow 0\n");
  EXPECT_EQ(NotesWith(result, "order of the source"),
            "the order of the source became priorities from 4 (asked first) to "
            "0 (asked last); neighbours of the same policy share one\n");
}

// A priority of 1000 would count in lockdown.
TEST(ImportOpenSnitch, PrioritiesStayBelowLockdown) {
  std::vector<ImportFile> files;
  for (int i = 0; i < 1200; ++i) {
    files.push_back(File(Concat("r", 1000 + i), i % 2 == 0 ? "deny" : "reject",
                         {Op("simple", "process.path", "/a", true)}));
  }
  const ImportResult result = Import(files);
  EXPECT_EQ(result.rules.front()["priority"], 999);
  EXPECT_EQ(result.rules.back()["priority"], 999 - 1199);
  ImportOptions options;
  options.base_priority = 5;
  EXPECT_EQ(Import({files[0]}, options).rules[0]["priority"], 5);
}

TEST(ImportOpenSnitch, NamesAreMadeFitAndUnique) {
  const Json app = Op("simple", "process.path", "/a", true);
  const ImportResult result = Import(
      {File("Allow Curl!", "allow", {app}), File("allow_curl", "allow", {app}),
       File("\xd0\xb8", "allow", {app}),
       File(std::string(100, 'x'), "allow", {app}),
       File(std::string(101, 'x'), "allow", {app})});
  std::string names;
  for (const Json& rule : result.rules) {
    names += rule["name"].get<std::string>() + "\n";
  }
  EXPECT_EQ(names, Concat("allow-curl\nallow-curl-2\n", std::string(64, 'x'),
                          "\n", std::string(57, 'x'), "-2\nrule\n"));
}

TEST(ImportOpenSnitch, TheLastOfTwinsCounts) {
  ImportFile first = File("x", "allow", {Op("simple", "dest.port", "1")});
  ImportFile second = File("x", "allow", {Op("simple", "dest.port", "2")});
  second.name = "y.json";
  const ImportResult result = Import({second, first});
  ASSERT_EQ(result.rules.size(), 1U);
  EXPECT_EQ(result.rules[0]["port"], Json::array({2}));
  EXPECT_EQ(NotesWith(result, "also in"),
            "x.json: rule 'x': a rule of that name is also in y.json, which "
            "OpenSnitch reads later; rule left out\n");
}

TEST(ImportOpenSnitch, F13_EveryErrorHasItsPlace) {
  EXPECT_EQ(Error("{\n \"name\": \"x\",\n oops}").substr(0, 21),
            "f.json:3:2: no JSON: ");
  EXPECT_EQ(Error("[]"), "f.json:1:1: must be an object { ... }");
  EXPECT_EQ(Error("{}"), "f.json: field name: is missing");
  EXPECT_EQ(Error(R"({"name": 5})"), "f.json: field name: must be a string");
  EXPECT_EQ(Error(R"({"name": "x", "action": "ask"})"),
            "f.json: field action: 'ask' is none of allow, deny, reject");
  EXPECT_EQ(Error(R"({"name": "x", "action": "allow", "enabled": "yes"})"),
            "f.json: field enabled: must be true or false");
  EXPECT_EQ(Error(R"({"name": "x", "action": "allow"})"),
            "f.json: field operator: must be an object { ... }");
  EXPECT_EQ(Error(R"({"name": "x", "action": "allow",
                      "operator": {"type": "list", "list": [{"type": 1}]}})"),
            "f.json: field operator.list[0].type: must be a string");
  EXPECT_EQ(Error(R"({"name": "x", "action": "allow",
                      "operator": {"type": "list", "data": "[1"}})")
                .substr(0, 38),
            "f.json: field operator.data:1:3: no JS");
  EXPECT_EQ(Error(std::string(100, '[')),
            "f.json:1:33: nested deeper than 32 levels");
  EXPECT_EQ(Error(R"({"name": "x", "action": 1e999})").substr(0, 12),
            "f.json:1:1: ");
}

// Errors of all files are told at once; then nothing is imported.
TEST(ImportOpenSnitch, F13_OneBrokenFileIsAllOfThem) {
  const std::vector<ImportFile> files = {
      File("x", "allow", {Op("simple", "true", "")}),
      {"a.json", "{}"},
      {"b.json", "x"}};
  const std::string error = MessageOf(ImportOpenSnitch(files, {}).status());
  EXPECT_NE(error.find("a.json: field name"), error.npos);
  EXPECT_NE(error.find("\nb.json:1:1: no JSON"), error.npos);
}

TEST(ImportOpenSnitch, A38_HostileTextsStayOnTheirLine) {
  const ImportResult result =
      Import({File("x\n\x1b[2Jrule", "deny",
                   {Op("simple", "process.env.A\nB", "\xe2\x80\xae")})});
  ASSERT_FALSE(result.notes.empty());
  EXPECT_EQ(result.notes[0].find('\x1b'), std::string::npos);
}

TEST(ImportOpenSnitch, ADirectoryAsItIs) {
  const ImportResult result = Import(CorpusFiles("import_opensnitch/rules"));
  EXPECT_GE(result.rules.size(), 25U);
  EXPECT_EQ(Bare(RuleNamed(result, "allow-dns-lan")),
            R"({"policy":"allow","app":"/usr/lib/systemd/systemd-resolved",)"
            R"("to":["10.0.0.0/8","172.16.0.0/12","192.168.0.0/16",)"
            R"("127.0.0.0/8","fc00::/7"],"port":[53],)"
            R"("protocol":["tcp","udp"]})");
  for (const char* lost :
       {"020-deny-ads", "030-deny-bad-nets", "allow-hash", "allow-home-env",
        "allow-host-and-ip", "allow-once", "allow-pid", "allow-source-port",
        "allow-wget-command"}) {
    EXPECT_NE(NotesWith(result, Concat("rule '", lost, "'")), "") << lost;
    EXPECT_TRUE(RuleNamed(result, lost).is_null()) << lost;
  }
}

}  // namespace
}  // namespace sallyport::cli
