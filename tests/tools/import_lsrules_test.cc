#include "tools/import_lsrules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/text_util.h"
#include "tests/tools/import_testing.h"

namespace sallyport::cli {
namespace {

ImportResult Import(const Json& group, const ImportOptions& options = {}) {
  const auto result = ImportLsrules({"g.lsrules", group.dump()}, options);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  ExpectSound(*result);
  return *result;
}

// What one rule becomes; else why it is left out.
std::string Become(const Json& rule, const ImportOptions& options = {}) {
  const ImportResult result =
      Import({{"name", "g"}, {"rules", Json::array({rule})}}, options);
  if (!result.rules.empty()) return Bare(result.rules[0]);
  const std::string notes = NotesWith(result, "left out");
  const std::string head = "g.lsrules: rule 'rules[0] g-1': ";
  return notes.substr(0, head.size()) == head ? notes.substr(head.size())
                                              : notes;
}

std::string Error(const std::string& text) {
  return MessageOf(ImportLsrules({"g.lsrules", text}, {}).status());
}

TEST(ImportLsrules, RulesOfEveryKind) {
  EXPECT_EQ(Become({{"action", "allow"},
                    {"process", "/usr/bin/curl"},
                    {"remote-hosts", "a.example.com, B.example.com"},
                    {"ports", "443"},
                    {"protocol", "tcp"}}),
            R"({"policy":"allow","app":"/usr/bin/curl",)"
            R"("to":["=a.example.com","=b.example.com"],"port":[443],)"
            R"("protocol":["tcp"]})");
  EXPECT_EQ(Become({{"action", "deny"},
                    {"process", "any"},
                    {"remote-domains", {"example.com"}}}),
            R"({"policy":"deny","app":"any","to":["example.com"]})");
  EXPECT_EQ(Become({{"action", "allow"},
                    {"remote-addresses", "10.0.0.1-10.0.0.9,192.0.2.7/24"}}),
            R"({"policy":"allow","app":"any",)"
            R"("to":["10.0.0.1-10.0.0.9","192.0.2.0/24"]})");
  EXPECT_EQ(
      Become({{"action", "allow"}, {"remote", "bonjour"}, {"ports", 5353}}),
      R"({"policy":"allow","app":"any","to":["224.0.0.251","ff02::fb"],)"
      R"("port":[5353]})");
  EXPECT_EQ(Become({{"action", "allow"},
                    {"process", "/usr/bin/git"},
                    {"via", "/usr/bin/ssh"},
                    {"owner", "alice"}}),
            R"({"policy":"allow","app":"/usr/bin/ssh",)"
            R"("parent":["/usr/bin/git"],"user":["alice"]})");
  EXPECT_EQ(Become({{"action", "allow"},
                    {"disabled", true},
                    {"ports", "80-90,443"},
                    {"protocol", "17"},
                    {"creationDate", 5}}),
            R"({"policy":"allow","app":"any","port":["80-90",443],)"
            R"("protocol":["udp"],"enabled":false})");
}

// A condition that is lost would make an allow wider.
TEST(ImportLsrules, WhatCannotBeSaidIsLeftOut) {
  const std::pair<Json, std::string> cases[] = {
      {{{"process", "any"}}, "to ask is no policy of an imported rule"},
      {{{"action", "allow"},
        {"process", "/Applications/A.app/Contents/MacOS/A"}},
       "process '/Applications/A.app/Contents/MacOS/A' is no program of this "
       "system"},
      {{{"action", "allow"}, {"process", "identifier.X/com.y"}},
       "process 'identifier.X/com.y' is no program of this system"},
      {{{"action", "allow"}, {"process", "/usr/bin/*"}},
       "process '/usr/bin/*' is no program of this system"},
      {{{"action", "allow"}, {"via", "x"}},
       "process 'x' is no program of this system"},
      {{{"action", "allow"}, {"owner", "me"}},
       "owner me: say who that is with --user NAME"},
      {{{"action", "allow"}, {"remote", "local-net"}},
       "remote local-net is the networks this machine is in; lan here is all "
       "private networks, which is more"},
      {{{"action", "allow"}, {"remote", "dns-servers"}},
       "remote 'dns-servers' has no meaning here"},
      {{{"action", "allow"}, {"remote", nullptr}}, "remote is null"},
      {{{"action", "allow"}, {"remote-hosts", nullptr}},
       "remote-hosts is null"},
      {{{"action", "allow"}, {"remote-hosts", Json::array()}},
       "remote-hosts must be a text or a list of texts"},
      {{{"action", "allow"}, {"remote-hosts", "*.example.com"}},
       "remote-hosts: '*.example.com' is no name"},
      {{{"action", "allow"}, {"remote-addresses", "10.0.0.9-10.0.0.1"}},
       "remote-addresses: '10.0.0.9-10.0.0.1' is no address or range"},
      {{{"action", "allow"}, {"remote-hosts", "a"}, {"remote-domains", "b"}},
       "it names more than one kind of remote"},
      {{{"action", "allow"}, {"direction", "incoming"}},
       "incoming connections are not judged"},
      {{{"action", "allow"}, {"ports", ""}}, "ports: '' is no port"},
      {{{"action", "allow"}, {"ports", Json::array()}}, "ports is empty"},
      {{{"action", "allow"}, {"protocol", "icmp"}, {"ports", "80"}},
       "a protocol without ports, and ports"},
      {{{"action", "allow"}, {"protocol", Json::array()}},
       "protocol must be a name or a number"},
      {{{"action", "allow"}, {"owner", 501}}, "owner must be a string"},
      {{{"action", "allow"}, {"only-at", "home"}},
       "key 'only-at' is not known"},
      {{{"action", "allow"}, {"priority", "urgent"}},
       "priority 'urgent' is not known"},
  };
  for (const auto& [rule, why] : cases) {
    const std::string more =
        rule.contains("action")
            ? "; rule left out\n"
            : "; rule left out: what it turned away is left to the other "
              "rules\n";
    EXPECT_EQ(Become(rule), why + more);
  }
}

TEST(ImportLsrules, WhoIsMe) {
  ImportOptions options;
  options.user = "alice";
  EXPECT_EQ(Become({{"action", "allow"}, {"owner", "me"}}, options),
            R"({"policy":"allow","app":"any","user":["alice"]})");
}

TEST(ImportLsrules, ANarrowerDenyIsSaid) {
  const ImportResult result =
      Import({{"rules",
               {{{"action", "deny"}, {"process", "/x"}, {"notes", "a\nb"}},
                {{"action", "deny"},
                 {"process", "/x"},
                 {"owner", "system"},
                 {"direction", "both"},
                 {"remote", "local-net"}}}}});
  EXPECT_NE(NotesWith(result,
                      "rule 'rules[0] a': meets what the program "
                      "starts too"),
            "");
  EXPECT_NE(NotesWith(result, "owner system is read as root alone"), "");
  EXPECT_NE(NotesWith(result, "direction both"), "");
  EXPECT_NE(NotesWith(result, "denies all private networks"), "");
}

// Here the app counts before the destination, there it is the other way round:
// without priorities the browser's allow would win over the blocklist.
TEST(ImportLsrules, OrderIsLittleSnitchs) {
  const ImportResult result =
      Import({{"name", "g"},
              {"rules",
               {{{"action", "allow"}, {"process", "/x"}, {"notes", "app"}},
                {{"action", "deny"}, {"notes", "everything"}},
                {{"action", "allow"},
                 {"process", "/x"},
                 {"priority", "high"},
                 {"notes", "high"}},
                {{"action", "deny"},
                 {"process", "/x"},
                 {"remote-hosts", "a.b"},
                 {"notes", "host"}},
                {{"action", "allow"},
                 {"remote-addresses", "192.0.2.1"},
                 {"notes", "address"}},
                {{"action", "allow"},
                 {"remote-domains", {"b", "c"}},
                 {"notes", "domains"}}}},
              {"denied-remote-domains", {"ads.example"}}});
  std::string order;
  for (const Json& rule : result.rules) {
    order += Concat(rule["name"].get<std::string>(), " ",
                    rule.value("priority", 0), "\n");
  }
  EXPECT_EQ(order,
            "high 3\n"
            "address 3\n"
            "host 2\n"
            "g-denied-remote-domains 2\n"
            "domains 1\n"
            "app 1\n"
            "everything 0\n");
}

TEST(ImportLsrules, BlocklistsAreCutToRulesThatFit) {
  Json names = Json::array();
  for (int i = 0; i < 25'000; ++i) names.push_back(Concat("n", i, ".example"));
  names.push_back("not a name");
  const ImportResult result =
      Import({{"name", "big"}, {"denied-remote-domains", names}});
  ASSERT_EQ(result.rules.size(), 3U);
  EXPECT_EQ(result.rules[0]["to"].size(), 10'000U);
  EXPECT_EQ(result.rules[2]["to"].size(), 5'000U);
  EXPECT_EQ(result.rules[2]["name"], "big-denied-remote-domains-3");
  EXPECT_LT(result.rules[0].dump().size(), size_t{1} << 20);
  EXPECT_NE(NotesWith(result, "'not a name' is left out: it is no name"), "");
}

TEST(ImportLsrules, F13_EveryErrorHasItsPlace) {
  EXPECT_EQ(Error("[]"), "g.lsrules:1:1: must be an object { ... }");
  EXPECT_EQ(Error("{\n\n\"rules\": 5,}").substr(0, 24),
            "g.lsrules:3:12: no JSON:");
  EXPECT_EQ(Error(R"({"rules": {}})"),
            "g.lsrules: field rules: must be a list [ ... ]");
  EXPECT_EQ(
      Error(R"({"rules": [{}, 5], "name": 1, "denied-remote-hosts": 1.5})"),
      "g.lsrules: field name: must be a string\n"
      "g.lsrules: field rules[1]: must be an object { ... }\n"
      "g.lsrules: field denied-remote-hosts: must be a list of texts");
}

TEST(ImportLsrules, AFileAsItIs) {
  const auto result =
      ImportLsrules(CorpusFile("import_lsrules/workstation.lsrules"), {});
  ASSERT_TRUE(result.ok()) << result.status();
  ExpectSound(*result);
  EXPECT_EQ(Bare(RuleNamed(*result, "trackers")),
            R"({"policy":"deny","app":"any",)"
            R"("to":["tracker.example","ads.example"]})");
  EXPECT_NE(NotesWith(*result, "a mac app"), "");
}

}  // namespace
}  // namespace sallyport::cli
