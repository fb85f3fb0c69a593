#include "tools/import_ufw.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/text_util.h"
#include "tests/tools/import_testing.h"

namespace sallyport::cli {
namespace {

ImportResult Import(const std::string& v4, const std::string& v6 = "") {
  const std::vector<ImportFile> files = {{"user.rules", v4},
                                         {"user6.rules", v6}};
  const absl::StatusOr<ImportResult> result = ImportUfw(files, {});
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  ExpectSound(*result);
  return *result;
}

std::string Tuple(const std::string& text) {
  return "### tuple ### " + text + "\n";
}

// What one tuple becomes; else the reason.
std::string Become(const std::string& tuple) {
  const ImportResult result = Import(Tuple(tuple));
  if (!result.rules.empty()) return Bare(result.rules[0]);
  return NotesWith(result, "left out");
}

std::string Error(const std::string& text) {
  const std::vector<ImportFile> files = {{"user.rules", text}};
  return MessageOf(ImportUfw(files, {}).status());
}

TEST(ImportUfw, OutgoingRules) {
  EXPECT_EQ(Become("allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 out"),
            R"({"policy":"allow","app":"any","port":[80,443],)"
            R"("protocol":["tcp"],"to":["0.0.0.0/0"]})");
  EXPECT_EQ(Become("deny any 53 0.0.0.0/0 any 0.0.0.0/0 out"),
            R"({"policy":"deny","app":"any","port":[53],)"
            R"("protocol":["tcp","udp"],"to":["0.0.0.0/0"]})");
  EXPECT_EQ(Become("reject udp 6000:6007 192.0.2.7/24 any 0.0.0.0/0 out_eth0"),
            R"({"policy":"reject","app":"any","to":["192.0.2.0/24"],)"
            R"("port":["6000-6007"],"protocol":["udp"],"interface":["eth0"]})");
  EXPECT_EQ(Become("allow_log-all esp any 192.0.2.7 any 0.0.0.0/0 out"),
            R"({"policy":"allow","app":"any","to":["192.0.2.7"],)"
            R"("protocol":["esp"]})");
  EXPECT_EQ(Become("deny any any 0.0.0.0/0 any 0.0.0.0/0 - - out_tun0"),
            R"({"policy":"deny","app":"any","interface":["tun0"],)"
            R"("to":["0.0.0.0/0"]})");
}

TEST(ImportUfw, WhatCannotBeSaidIsLeftOut) {
  const std::string lost =
      "; rule left out: what it turned away is left to the other rules\n";
  EXPECT_EQ(Become("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"),
            "user.rules:1: rule 'allow in to 0.0.0.0/0 port 22 proto tcp from "
            "0.0.0.0/0 port any': incoming connections are left to ufw; rule "
            "left out\n");
  EXPECT_NE(Become("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0").find("incoming"),
            std::string::npos);
  EXPECT_NE(Become("route:deny any any 0.0.0.0/0 any 0.0.0.0/0 out_x")
                .find("forwarded connections are left to ufw"),
            std::string::npos);
  for (const char* tuple : {"deny tcp 1 0.0.0.0/0 any 10.0.0.7 out",
                            "deny tcp 1 0.0.0.0/0 99 0.0.0.0/0 out"}) {
    EXPECT_NE(Become(tuple).find(
                  "its own address or port is no condition here" + lost),
              std::string::npos);
  }
  EXPECT_NE(Become("limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 out").find("limit"),
            std::string::npos);
  EXPECT_NE(Become("allow tcp x 0.0.0.0/0 any 0.0.0.0/0 out")
                .find("port 'x' is no number; rule left out\n"),
            std::string::npos);
  EXPECT_NE(Become("allow tcp 1 host any 0.0.0.0/0 out")
                .find("destination 'host' is no address"),
            std::string::npos);
  EXPECT_NE(Become("allow xyz 1 0.0.0.0/0 any 0.0.0.0/0 out")
                .find("protocol 'xyz' is not known here"),
            std::string::npos);
  EXPECT_NE(Become("allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 sideways")
                .find("direction 'sideways' is not known"),
            std::string::npos);
}

TEST(ImportUfw, CommentsAreNamesAndDescriptions) {
  const ImportResult result = Import(
      Tuple("allow tcp 22 192.0.2.1 any 0.0.0.0/0 out comment=6f6c6420737368"));
  const Json rule = RuleNamed(result, "ufw-old-ssh");
  EXPECT_EQ(rule["description"], "old ssh");
  // Bytes that are no UTF-8, and a newline.
  const ImportResult odd = Import(
      Tuple("allow tcp 22 192.0.2.1 any 0.0.0.0/0 out comment=ff410a42"));
  EXPECT_EQ(odd.rules[0]["description"], "A B");
}

// Both files have most rules; a rule of one family alone must not be of both.
TEST(ImportUfw, TwinsAreOneRule) {
  const ImportResult result =
      Import(Tuple("allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 out") +
                 Tuple("deny tcp 2 0.0.0.0/0 any 0.0.0.0/0 out") +
                 Tuple("allow tcp 3 0.0.0.0/0 any 0.0.0.0/0 out"),
             Tuple("allow tcp 9 2001:db8::/32 any ::/0 out") +
                 Tuple("deny tcp 2 ::/0 any ::/0 out") +
                 Tuple("allow tcp 1 ::/0 any ::/0 out") +
                 Tuple("allow tcp 3 ::/0 any ::/0 out"));
  std::string rules;
  for (const Json& rule : result.rules) {
    rules += Concat(rule["policy"].get<std::string>(), " ", rule["port"].dump(),
                    " ", rule.value("to", Json("all")).dump(), " ",
                    rule.value("priority", 0), "\n");
  }
  // In each family as in its file: 1 2 3 and 9 2 1 3. 1 cannot be both before
  // and behind 2.
  EXPECT_EQ(rules,
            "allow [9] [\"2001:db8::/32\"] 4\n"
            "deny [2] [\"::/0\"] 3\n"
            "allow [1] \"all\" 2\n"
            "deny [2] [\"0.0.0.0/0\"] 1\n"
            "allow [3] \"all\" 0\n");
}

TEST(ImportUfw, FirstMatchBecomesPriority) {
  const ImportResult result =
      Import(Tuple("allow tcp 1 192.0.2.1 any 0.0.0.0/0 out") +
             Tuple("allow tcp 2 192.0.2.1 any 0.0.0.0/0 out") +
             Tuple("deny tcp 3 192.0.2.1 any 0.0.0.0/0 out") +
             Tuple("reject tcp 4 192.0.2.1 any 0.0.0.0/0 out"));
  std::vector<int> priorities;
  for (const Json& rule : result.rules) {
    priorities.push_back(rule.value("priority", 0));
  }
  EXPECT_EQ(priorities, (std::vector<int>{2, 2, 1, 0}));
}

TEST(ImportUfw, F13_EveryErrorHasItsPlace) {
  EXPECT_EQ(Error("*filter\n" + Tuple("garbage line")),
            "user.rules:2:1: a tuple has 6 to 9 fields, this one 2");
  EXPECT_EQ(Error(Tuple("permit tcp 1 0.0.0.0/0 any 0.0.0.0/0 out")),
            "user.rules:1:1: field 1: 'permit' is none of allow, deny, reject, "
            "limit");
  EXPECT_EQ(Error(Tuple("allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 out comment=xyz")),
            "user.rules:1:1: comment= is not hexadecimal");
}

TEST(ImportUfw, FilesAsTheyAre) {
  const std::vector<ImportFile> files = {CorpusFile("import_ufw/user.rules"),
                                         CorpusFile("import_ufw/user6.rules")};
  const auto result = ImportUfw(files, {});
  ASSERT_TRUE(result.ok()) << result.status();
  ExpectSound(*result);
  EXPECT_EQ(Bare(RuleNamed(*result, "ufw-dns-at-the-router")),
            R"({"policy":"allow","app":"any","to":["192.168.1.1"],)"
            R"("port":[53],"protocol":["tcp","udp"]})");
  // In both files.
  EXPECT_EQ(Bare(RuleNamed(*result, "ufw-deny-out-53")),
            R"({"policy":"deny","app":"any","port":[53],)"
            R"("protocol":["tcp","udp"]})");
}

}  // namespace
}  // namespace sallyport::cli
