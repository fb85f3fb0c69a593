#include "tools/import_portmaster.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rules/text_util.h"
#include "tests/tools/import_testing.h"
#include "tools/portmaster_endpoint.h"
#include "tools/yaml_json.h"

namespace sallyport::cli {
namespace {

ImportResult Import(const std::string& text, ImportOptions options = {}) {
  const auto result = ImportPortmaster({"p", text}, options);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return {};
  ExpectSound(*result);
  return *result;
}

std::string Endpoint(std::string_view line, const ImportOptions& options = {}) {
  Json rule = Json::object();
  const std::string problem = ReadPortmasterEndpoint(line, options, &rule);
  return problem.empty() ? rule.dump() : problem;
}

std::string Error(const std::string& text) {
  return MessageOf(ImportPortmaster({"p", text}, {}).status());
}

TEST(PortmasterEndpoint, EveryKindOfEntity) {
  EXPECT_EQ(Endpoint("+ *"), R"({"policy":"allow"})");
  EXPECT_EQ(Endpoint("- 192.0.2.7"),
            R"({"policy":"reject","to":["192.0.2.7"]})");
  EXPECT_EQ(Endpoint("- 192.0.2.7/24"),
            R"({"policy":"reject","to":["192.0.2.0/24"]})");
  EXPECT_EQ(Endpoint("+ example.com"),
            R"({"policy":"allow","to":["=example.com"]})");
  EXPECT_EQ(Endpoint("+ .Example.com."),
            R"({"policy":"allow","to":["example.com"]})");
  EXPECT_EQ(Endpoint("+ *.example.com"),
            R"({"policy":"allow","to":["*.example.com"]})");
  EXPECT_EQ(Endpoint("- DE"), R"({"policy":"reject","to":["country:DE"]})");
  EXPECT_EQ(Endpoint("- C:EU"), R"({"policy":"reject","to":["continent:EU"]})");
  EXPECT_EQ(Endpoint("- AS64496"), R"({"policy":"reject","to":["as:64496"]})");
  EXPECT_EQ(Endpoint("+ Localhost"), R"({"policy":"allow","to":["loopback"]})");
  // RFC 6598 is LAN there, Internet here.
  EXPECT_EQ(Endpoint("+ internet"), R"({"policy":"allow","to":["internet"],)"
                                    R"("not_to":["100.64.0.0/10"]})");
  EXPECT_EQ(Endpoint("+ LAN"),
            R"({"policy":"allow","to":["lan","100.64.0.0/10","224.0.0.0/8",)"
            R"("239.0.0.0/8","255.255.255.255","ff00::/14","ff04::/15"]})");
  ImportOptions options;
  options.lists["MAL"] = "malware";
  EXPECT_EQ(Endpoint("- L:MAL", options),
            R"({"policy":"reject","to":["list:malware"]})");
}

TEST(PortmasterEndpoint, ProtocolsAndPorts) {
  EXPECT_EQ(Endpoint("+ * TCP/443  # why, not"),
            R"({"policy":"allow","protocol":["tcp"],"port":[443]})");
  EXPECT_EQ(Endpoint("+ * */HTTPS"), R"({"policy":"allow","port":[443]})");
  EXPECT_EQ(Endpoint("+ * 17/50000-55000"),
            R"({"policy":"allow","protocol":["udp"],"port":["50000-55000"]})");
  EXPECT_EQ(Endpoint("+ * TCP/HTTP-HTTPS"),
            R"({"policy":"allow","protocol":["tcp"],"port":["80-443"]})");
  EXPECT_EQ(Endpoint("+ * TCP/SMTP-SSL"),
            R"({"policy":"allow","protocol":["tcp"],"port":[465]})");
  EXPECT_EQ(Endpoint("+ 1.1.1.1 ICMP"),
            R"({"policy":"allow","to":["1.1.1.1"],"protocol":["icmp"]})");
  EXPECT_EQ(Endpoint("+ * ICMP6"),
            R"({"policy":"allow","protocol":["icmpv6"]})");
}

TEST(PortmasterEndpoint, WhatCannotBeSaid) {
  EXPECT_EQ(Endpoint("+ *ample.com"),
            "'*ample.com': a part of a name cannot be said here");
  EXPECT_EQ(Endpoint("- example.*"),
            "'example.*': a part of a name cannot be said here");
  EXPECT_EQ(Endpoint("- L:TRAC"),
            "list 'TRAC' is Portmaster's own; make a list here, then import "
            "again with --list TRAC=NAME");
  EXPECT_EQ(Endpoint("+ ! LAN"), "'!' is not known");
  EXPECT_EQ(Endpoint("* +"), "must begin with + or -");
  EXPECT_EQ(Endpoint("+ # nothing"),
            "must be + or -, what it is about, and perhaps PROTOCOL/PORT");
  EXPECT_EQ(Endpoint("+ * *"), "a protocol of '*' needs a port");
  EXPECT_EQ(Endpoint("+ * ICMP/80"), "protocol 'ICMP' has no ports");
  EXPECT_EQ(Endpoint("+ * TCP/NOPE"), "port 'NOPE' is not known");
  EXPECT_EQ(Endpoint("+ * TCP/9-8"), "port '9-8' is not known");
  EXPECT_EQ(Endpoint("+ * XYZ/80"), "protocol 'XYZ' is not known");
}

constexpr char kProfile[] = R"(type: profile
name: My App
fingerprints:
  - {type: path, operation: equals, value: /usr/bin/app}
  - {type: tag, key: snap-name, operation: equals, value: app}
config:
  filter:
    endpoints: ['+ .example.com', '- *']
)";

TEST(ImportPortmaster, EveryAppOfAProfileGetsEveryRule) {
  const ImportResult result = Import(kProfile);
  std::string rules;
  for (const Json& rule : result.rules) {
    rules += Concat(rule["name"].get<std::string>(), " ",
                    rule.value("priority", 0), " ", Bare(rule), "\n");
  }
  EXPECT_EQ(rules,
            "my-app 1 {\"policy\":\"allow\",\"app\":\"/usr/bin/app\","
            "\"to\":[\"example.com\"]}\n"
            "my-app-2 1 {\"policy\":\"allow\",\"app\":\"snap:app\","
            "\"to\":[\"example.com\"]}\n"
            "my-app-3 0 {\"policy\":\"reject\",\"app\":\"/usr/bin/app\"}\n"
            "my-app-4 0 {\"policy\":\"reject\",\"app\":\"snap:app\"}\n");
  EXPECT_EQ(RuleNamed(result, "my-app")["description"],
            "Portmaster: + .example.com");
}

TEST(ImportPortmaster, AppsThatCannotBeSaidGetNone) {
  const ImportResult result = Import(R"({"type": "profile", "name": "x",
      "fingerprints": [
        {"type": "cmdline", "operation": "equals", "value": "x --y"},
        {"type": "env", "key": "A", "operation": "equals", "value": "1"},
        {"type": "path", "operation": "equals", "value": "relative"},
        {"type": "tag", "key": "app-image-path", "operation": "equals",
         "value": "/home/a/b.AppImage"}],
      "config": {"filter": {"endpoints": ["+ *"]}}})");
  EXPECT_TRUE(result.rules.empty());
  EXPECT_NE(NotesWith(result,
                      "fingerprints[0]: cmdline equals 'x --y' is what "
                      "the program says of itself"),
            "");
  EXPECT_NE(NotesWith(result, "fingerprints[3]: tag app-image-path equals"),
            "");
  EXPECT_NE(NotesWith(result, "no fingerprint is left"), "");
}

TEST(ImportPortmaster, PathsAsPrefixesAndExpressions) {
  const ImportResult result = Import(R"({"type": "profile", "name": "x",
      "fingerprints": [
        {"type": "path", "operation": "prefix", "value": "/opt/a b/"},
        {"type": "path", "operation": "regex", "value": "^/usr/bin/(c|d)$"},
        {"type": "tag", "key": "python-script", "operation": "equals",
         "value": "/srv/x.py"}],
      "config": {"filter/endpoints": ["- *"]}})");
  std::string apps;
  for (const Json& rule : result.rules) {
    apps += rule["app"].get<std::string>() + "\n";
  }
  EXPECT_EQ(apps, "/opt/a b/**\n/usr/bin/c\n/usr/bin/d\nscript:/srv/x.py\n");
}

// Settings do not say whose they are; everybody's would be a wider allow.
TEST(ImportPortmaster, SettingsNeedAnApp) {
  const std::string text =
      R"({"type": "settings", "config": {"filter": {"endpoints": ["+ *"]}}})";
  EXPECT_EQ(Error(text),
            "p: field type: settings do not say for which app they are; add "
            "--app any if they are the global ones, else --app APP");
  ImportOptions options;
  options.app = "any";
  EXPECT_EQ(Import(text, options).rules[0]["app"], "any");
  EXPECT_EQ(Import(R"({"type": "single-setting", "id": "filter/blockInternet",
                       "value": true})",
                   options)
                .rules[0]["policy"],
            "reject");
}

// Portmaster's default allows what its filter lists do not block.
TEST(ImportPortmaster, TheDefaultIsNotWiderThanItWas) {
  const auto config = [](const std::string& more) {
    ImportOptions options;
    options.app = "any";
    options.lists["MAL"] = "mal";
    return Import(
        Concat(R"({"type": "settings", "config": {"filter": {)", more, "}}}"),
        options);
  };
  ImportResult result = config(R"("defaultAction": "permit")");
  EXPECT_TRUE(result.rules.empty());
  EXPECT_NE(NotesWith(result, "filter lists do not block"), "");
  result = config(R"("defaultAction": "permit", "lists": [])");
  ASSERT_EQ(result.rules.size(), 1U);
  EXPECT_EQ(Bare(result.rules[0]), R"({"policy":"allow","app":"any"})");
  result = config(R"("defaultAction": "permit", "lists": ["MAL"])");
  EXPECT_EQ(result.rules.size(), 2U);
  result = config(R"("defaultAction": "permit", "lists": ["MAL", "TRAC"])");
  ASSERT_EQ(result.rules.size(), 1U);
  EXPECT_EQ(result.rules[0]["policy"], "reject");
  EXPECT_EQ(config(R"("defaultAction": "ask")").rules.size(), 0U);
  EXPECT_EQ(config(R"("defaultAction": "block")").rules[0]["policy"], "reject");
}

TEST(ImportPortmaster, SecurityLevelsOfOlderVersions) {
  ImportOptions options;
  options.app = "any";
  const ImportResult result = Import(
      R"({"type": "settings", "config": {"filter":
          {"blockLocal": 0, "blockLAN": 7, "blockInternet": 4}}})",
      options);
  EXPECT_EQ(result.rules.size(), 2U);
  EXPECT_NE(NotesWith(result, "filter/blockInternet: 4 blocks in some"), "");
}

TEST(ImportPortmaster, F13_EveryErrorHasItsPlace) {
  EXPECT_EQ(Error("type: [a"),
            "p:2:1: no YAML: did not find expected ',' or ']'");
  EXPECT_EQ(Error("a: b\na: c"), "p:2:1: key 'a' twice");
  EXPECT_EQ(Error("a: &x 1"), "p:1:4: anchors and aliases are not read");
  EXPECT_EQ(Error("a: *x"), "p:1:4: anchors and aliases are not read");
  EXPECT_EQ(Error("a: 1\n---\nb: 2"), "p:2:1: a second document");
  EXPECT_EQ(Error("[a, b]: 1"), "p:1:1: a key must be a text");
  EXPECT_EQ(Error("- 1"), "p:1:1: must be a mapping with a type");
  EXPECT_EQ(Error(""), "p:1:1: must be a mapping with a type");
  EXPECT_EQ(Error("{\"type\": \n}").substr(0, 15), "p:2:1: no JSON:");
  EXPECT_EQ(Error("type: other"),
            "p: field type: 'other' is none of profile, settings, "
            "single-setting");
  EXPECT_EQ(Error("type: profile"), "p: field fingerprints: must be a list");
  EXPECT_EQ(Error("{\"type\": \"profile\", \"fingerprints\": [{\"type\": 1}]}"),
            "p: field fingerprints[0]: must be a string");
  const std::string head =
      "{\"type\": \"profile\", \"fingerprints\": [], \"config\": ";
  EXPECT_EQ(Error(head + "5}"), "p: field config: must be a mapping");
  EXPECT_EQ(Error(head + R"({"filter/endpoints": [5]}})"),
            "p: field filter/endpoints[0]: must be a text");
  EXPECT_EQ(Error(head + R"({"filter/blockLAN": "yes"}})"),
            "p: field filter/blockLAN: must be true or false");
  EXPECT_EQ(Error(head + R"({"filter/defaultAction": "maybe"}})"),
            "p: field filter/defaultAction: 'maybe' is none of permit, block, "
            "ask");
  std::string deep = "a: ";
  for (int i = 0; i < 100; ++i) deep += "[";
  EXPECT_EQ(Error(deep), "p:1:36: nested deeper than 32 levels");
}

TEST(YamlJson, ScalarsOfTheCoreSchema) {
  const auto json = ParseImportYaml({"y", R"(a: true
b: "true"
c: 17
d: '17'
e: ~
f:
g: |-
    two
    lines
h: 0x10
i: yes
j: -5
k: [1, {x: y}]
)"});
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->dump(),
            R"({"a":true,"b":"true","c":17,"d":"17","e":null,"f":null,)"
            R"("g":"two\nlines","h":"0x10","i":"yes","j":-5,)"
            R"("k":[1,{"x":"y"}]})");
}

TEST(ImportPortmaster, FilesAsTheyAre) {
  const auto profile =
      ImportPortmaster(CorpusFile("import_portmaster/firefox.yaml"), {});
  ASSERT_TRUE(profile.ok()) << profile.status();
  ExpectSound(*profile);
  EXPECT_NE(NotesWith(*profile, "filter/blockP2P, filter/serviceEndpoints"),
            "");
  EXPECT_EQ(Bare(profile->rules.back()),
            R"({"policy":"reject","app":"/home/?*/firefox/firefox-bin"})");
  ImportOptions options;
  options.app = "any";
  const auto global =
      ImportPortmaster(CorpusFile("import_portmaster/global.json"), options);
  ASSERT_TRUE(global.ok()) << global.status();
  ExpectSound(*global);
  EXPECT_EQ(global->rules.size(), 4U);
}

}  // namespace
}  // namespace sallyport::cli
