#include "src/api_router.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "rules/builtin_rules.h"
#include "src/api_handlers.h"
#include "tests/src/api_fixture.h"
#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using nlohmann::json;

class OtherUserTest : public ApiTest {
 protected:
  OtherUserTest() {
    peer_.uid = 1000;
    peer_.tier = Tier::kOwnFlows;
  }
};

constexpr char kRule[] =
    R"({"name":"r","policy":"deny","app":"/usr/bin/curl"})";

TEST_F(ApiTest, VersionStatusMetrics) {
  const json version = Ask("GET", "/v1/version");
  EXPECT_EQ(version["api"], 1);
  EXPECT_TRUE(version["commit"].is_string());
  const json status = Ask("GET", "/v1/status");
  for (const char* key :
       {"enforcing", "summary", "mode", "default", "unattributed", "on_failure",
        "divert", "queues", "attribution", "rules", "history", "pid",
        "uptime_s", "namespace", "canary"}) {
    EXPECT_TRUE(status.contains(key)) << key;
  }
  EXPECT_EQ(status["rules"]["last_error"],
            "/etc/sallyport/secret.toml:1:1: wrong");
  EXPECT_EQ(Call("GET", "/metrics").body, "sallyport_up 1\n");
}

TEST_F(ApiTest, RuleLivesThroughTheApi) {
  const json added = Ask("POST", "/v1/rules", kRule, {}, 201);
  EXPECT_EQ(added["name"], "r");
  EXPECT_EQ(added["read_only"], false);
  EXPECT_EQ(Ask("GET", "/v1/rules/r"), added);
  EXPECT_EQ(Ask("POST", "/v1/rules", kRule, {}, 409)["code"], "exists");
  EXPECT_EQ(Ask("PATCH", "/v1/rules/r", R"({"enabled":false})")["enabled"],
            false);
  json whole = added;
  whole["policy"] = "allow";
  EXPECT_EQ(Ask("PUT", "/v1/rules/r", whole.dump())["policy"], "allow");
  EXPECT_EQ(Ask("GET", "/v1/rules/r")["enabled"], true);
  EXPECT_EQ(Ask("DELETE", "/v1/rules/r")["removed"], "r");
  Ask("DELETE", "/v1/rules/r", "", {}, 404);
  EXPECT_EQ(published, 4);
  EXPECT_EQ(log.size(), 6u);  // also what was refused
  EXPECT_NE(log[0].find("uid 0"), std::string::npos);
}

TEST_F(ApiTest, ListIsInOrderOfPrecedence) {
  Ask("POST", "/v1/rules", R"({"name":"low","policy":"deny","app":"any"})", {},
      201);
  Ask("POST", "/v1/rules",
      R"({"name":"high","policy":"deny","app":"any","priority":5})", {}, 201);
  const json list = Ask("GET", "/v1/rules");
  ASSERT_EQ(list["rules"].size(), 3u);
  EXPECT_EQ(list["rules"][0]["name"], "high");
  EXPECT_EQ(list["rules"][0]["index"], 0);
  EXPECT_TRUE(list["error"].is_null());
}

TEST_F(ApiTest, DryRunChecksAndChangesNothing) {
  Ask("POST", "/v1/rules", kRule, {{"dry_run", "1"}});
  Ask("GET", "/v1/rules/r", "", {}, 404);
  EXPECT_EQ(published, 0);
  EXPECT_TRUE(log.empty());
}

TEST_F(ApiTest, AdminsRulesAreReadOnly) {
  dir.Write("etc/a.toml",
            "[[rule]]\nname = \"a\"\npolicy = \"deny\"\napp = \"any\"\n");
  EXPECT_EQ(Ask("POST", "/v1/rules/reload")["reloaded"], true);
  EXPECT_EQ(Ask("GET", "/v1/rules/a")["read_only"], true);
  Ask("DELETE", "/v1/rules/a", "", {}, 403);
  Ask("PATCH", "/v1/rules/a", R"({"enabled":false})", {}, 403);
  Ask("DELETE", "/v1/rules/" + std::string(kBuiltinLoopbackName), "", {}, 403);
}

TEST_F(ApiTest, F13_ReloadOfABrokenFileTellsWhere) {
  dir.Write("etc/a.toml", "[[rule]]\nname = 5\n");
  const json error = Ask("POST", "/v1/rules/reload", "", {}, 400);
  EXPECT_NE(error["message"].get<std::string>().find("a.toml:2:8"),
            std::string::npos)
      << error;
  EXPECT_FALSE(Ask("GET", "/v1/rules")["error"].is_null());
}

TEST_F(ApiTest, CheckSaysLineAndColumn) {
  json good = {{"text",
                "[[rule]]\nname = \"r\"\npolicy = \"deny\"\n"
                "app = \"any\"\n"}};
  EXPECT_EQ(Ask("POST", "/v1/rules/check", good.dump())["ok"], true);
  json bad = {{"text", "\n[[rule]]\nname = 5\n"}};
  const json answer = Ask("POST", "/v1/rules/check", bad.dump());
  EXPECT_EQ(answer["ok"], false);
  EXPECT_GT(answer["errors"].size(), 0u);
  EXPECT_TRUE(answer["errors"][0]["line"].is_number());
}

TEST_F(ApiTest, ModeIsSetAndRemembered) {
  EXPECT_EQ(Ask("PUT", "/v1/mode", R"({"mode":"enforce"})")["mode"], "enforce");
  EXPECT_EQ(settings.mode, Mode::kEnforce);
  EXPECT_NE(log.at(0).find("monitor -> enforce"), std::string::npos);
  for (const char* body : {"{}", R"({"mode":"x"})", R"({"mode":1})"}) {
    EXPECT_EQ(Ask("PUT", "/v1/mode", body, {}, 400)["field"], "mode");
  }
  EXPECT_EQ(
      Ask("PUT", "/v1/mode", R"({"mode":"monitor","x":1})", {}, 400)["field"],
      "x");
}

TEST_F(ApiTest, ExplainJudgesAsPacketsAreJudged) {
  settings.mode = Mode::kEnforce;
  Ask("POST", "/v1/rules",
      R"({"name":"web","policy":"deny","app":"/usr/bin/nothing-here",
          "port":443,"protocol":"tcp"})",
      {}, 201);
  const json answer = Ask("POST", "/v1/explain",
                          R"({"app":"/usr/bin/nothing-here","to":"192.0.2.1",
                              "port":443,"protocol":"tcp"})");
  EXPECT_EQ(answer["verdict"], "deny");
  EXPECT_EQ(answer["judged"], "deny");
  EXPECT_EQ(answer["reason"], "rule");
  EXPECT_EQ(answer["rule"], "web");
  EXPECT_EQ(answer["mode"], "enforce");
  EXPECT_EQ(answer["winner"]["name"], "web");
  EXPECT_GE(answer["text"].size(), 2u);
  const json other = Ask("POST", "/v1/explain",
                         R"({"app":"/usr/bin/nothing-here","to":"192.0.2.1",
                             "port":80})");
  EXPECT_EQ(other["verdict"], "allow");
  EXPECT_TRUE(other["winner"].is_null());
  EXPECT_EQ(other["losers"][0]["rule"], "web");
}

TEST_F(ApiTest, ExplainFollowsLinksAndHashes) {
  settings.mode = Mode::kEnforce;
  const std::string file = dir.Write("prog", "abc");
  ASSERT_EQ(symlink(file.c_str(), (dir / "link").c_str()), 0);
  const json rule = {
      {"name", "pinned"},
      {"policy", "reject"},
      {"app", file},
      {"sha256",  // of "abc": FIPS 180-4, the first example
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}};
  Ask("POST", "/v1/rules", rule.dump(), {}, 201);
  const json body = {{"app", dir / "link"}, {"to", "2001:db8::1"}};
  EXPECT_EQ(Ask("POST", "/v1/explain", body.dump())["verdict"], "reject");
  dir.Write("prog", "abcd");
  EXPECT_EQ(Ask("POST", "/v1/explain", body.dump())["verdict"], "allow");
  unlink(file.c_str());
  Ask("POST", "/v1/explain", body.dump());
}

TEST_F(ApiTest, F28_ExplainNamesTheFieldAtFault) {
  const std::pair<const char*, const char*> cases[] = {
      {"to", R"({"app":"/bin/x"})"},
      {"to", R"({"to":"example.com"})"},
      {"to", R"({"to":5})"},
      {"app", R"({"to":"::1","app":5})"},
      {"app", R"({"to":"::1","app":"relative"})"},
      {"app", R"({"to":"::1","app":"/usr/*"})"},
      {"port", R"({"to":"::1","port":65536})"},
      {"port", R"({"to":"::1","port":-1})"},
      {"port", R"({"to":"::1","port":"x"})"},
      {"protocol", R"({"to":"::1","protocol":"x"})"},
      {"protocol", R"({"to":"::1","protocol":256})"},
      {"user", R"({"to":"::1","user":"no-such-user-here"})"},
      {"user", R"({"to":"::1","user":[]})"},
      {"colour", R"({"to":"::1","colour":1})"},
  };
  for (const auto& [field, body] : cases) {
    EXPECT_EQ(Ask("POST", "/v1/explain", body, {}, 400)["field"], field)
        << body;
  }
}

TEST_F(ApiTest, ViolationsComeFromTheHistory) {
  const int64_t now_ns = absl::ToUnixNanos(context.now());
  const int64_t minute_ns = 60'000'000'000;
  const std::vector<StoredEvent> events = {
      {now_ns - 10 * minute_ns, true, 1000, "/bin/a", R"({"n":1})"},
      {now_ns - minute_ns, true, 1000, "/bin/a", R"({"n":2})"},
      {now_ns, true, 1001, "/bin/b", R"({"n":3})"}};
  ASSERT_TRUE(history->Append(events).ok());
  const auto numbers = [this](std::map<std::string, std::string> query) {
    std::string out;
    const json answer = Ask("GET", "/v1/violations", "", std::move(query));
    for (const json& event : answer["violations"]) out += event["n"].dump();
    return out;
  };
  EXPECT_EQ(numbers({}), "123");
  EXPECT_EQ(numbers({{"since", "5m"}}), "23");
  EXPECT_EQ(numbers({{"app", "/bin/a"}}), "12");
  EXPECT_EQ(numbers({{"limit", "1"}}), "3");
  peer_.tier = Tier::kOwnFlows;
  peer_.uid = 1000;
  EXPECT_EQ(numbers({}), "12");
  context.history = nullptr;
  Ask("GET", "/v1/violations", "", {}, 503);
}

TEST_F(ApiTest, SinceIsADurationOrAMoment) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(*ParseSince("30s", now), now - absl::Seconds(30));
  EXPECT_EQ(*ParseSince("5m", now), now - absl::Minutes(5));
  EXPECT_EQ(*ParseSince("2h", now), now - absl::Hours(2));
  EXPECT_EQ(*ParseSince("7d", now), now - absl::Hours(168));
  EXPECT_EQ(*ParseSince("2023-11-14T22:13:20Z", now), now);
  EXPECT_EQ(*ParseSince("2023-11-14T23:13:20.5+01:00", now),
            now + absl::Milliseconds(500));
  for (const char* bad :
       {"", "5", "m", "-5m", "5 m", "+5m", "5y", "tomorrow", "1.5h",
        "99999999999999999999s", "2023-11-14", "5mm"}) {
    EXPECT_EQ(Ask("GET", "/v1/violations", "",
                  {{"since", *bad == '\0' ? "x" : bad}}, 400)["field"],
              "since")
        << bad;
  }
}

TEST_F(ApiTest, EventsAndStats) {
  feed.Publish(testing::MakeRecordOf(Verdict::kAllow, "/bin/a", 1000), "");
  feed.Publish(testing::MakeRecordOf(Verdict::kDeny, "/bin/b", 1001), "");
  stats.Count(testing::MakeRecordOf(Verdict::kDeny, "/bin/b", 1001));
  EXPECT_EQ(Ask("GET", "/v1/events")["events"].size(), 2u);
  EXPECT_EQ(
      Ask("GET", "/v1/events", "", {{"type", "violations"}})["events"].size(),
      1u);
  EXPECT_EQ(Ask("GET", "/v1/events", "", {{"limit", "1"}})["events"].size(),
            1u);
  EXPECT_EQ(Ask("GET", "/v1/stats")["flows"]["deny"], 1);
  Ask("GET", "/v1/events", "", {{"type", "x"}}, 400);
  Ask("GET", "/v1/events", "", {{"follow", "x"}}, 400);
  Ask("GET", "/v1/events", "", {{"limit", "0"}}, 400);
}

TEST_F(ApiTest, FollowIsAStream) {
  ApiResponse response =
      Call("GET", "/v1/events", "", {{"follow", "1"}, {"type", "all"}});
  ASSERT_NE(response.stream, nullptr);
  EXPECT_EQ(response.content_type, "text/event-stream");
  int wakes = 0;
  response.stream->Start([&wakes] { ++wakes; });
  EXPECT_NE(response.stream->Next()->find(":"), std::string::npos);
  EXPECT_EQ(*response.stream->Next(), "");
  feed.Publish(testing::MakeRecord(), R"({"a":1})");
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(*response.stream->Next(), "event: flow\ndata: {\"a\":1}\n\n");
  EXPECT_EQ(*response.stream->Next(), "");
  response.stream.reset();
  feed.Publish(testing::MakeRecord(), R"({"a":1})");
  EXPECT_EQ(wakes, 1);
}

TEST_F(ApiTest, F27_TooManyFollowersAreRefused) {
  std::vector<ApiResponse> open;
  for (size_t i = 0; i < EventFeed::kMaxSubscribers; ++i) {
    open.push_back(Call("GET", "/v1/events", "", {{"follow", "1"}}));
    ASSERT_NE(open.back().stream, nullptr);
  }
  Ask("GET", "/v1/events", "", {{"follow", "1"}}, 503);
}

TEST_F(OtherUserTest, MayDoWhatItsTierSays) {
  size_t refused = 0;
  for (const ApiRoute& route : ApiRoutes()) {
    std::string path = route.path;
    if (path.find('{') != path.npos) path = "/v1/rules/r";
    const ApiResponse response = Call(route.method, path, "{}");
    EXPECT_EQ(response.status == 403, route.tier > Tier::kOwnFlows)
        << route.method << " " << path;
    refused += response.status == 403 ? 1 : 0;
  }
  EXPECT_EQ(published, 0);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(log.size(), refused);
}

TEST_F(OtherUserTest, SeesNoPathsAndOnlyItsOwnFlows) {
  EXPECT_EQ(Call("GET", "/v1/status").body.find("secret"), std::string::npos);
  feed.Publish(testing::MakeRecordOf(Verdict::kAllow, "/bin/a", 1000), "");
  feed.Publish(testing::MakeRecordOf(Verdict::kDeny, "/bin/b", 1001), "");
  stats.Count(testing::MakeRecordOf(Verdict::kDeny, "/bin/b", 1001));
  const json events = Ask("GET", "/v1/events")["events"];
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["app"]["path"], "/bin/a");
  EXPECT_EQ(Call("GET", "/v1/stats").body.find("/bin/b"), std::string::npos);
  ApiResponse live = Call("GET", "/v1/events", "", {{"follow", "1"}});
  live.stream->Start([] {});
  live.stream->Next();
  feed.Publish(testing::MakeRecordOf(Verdict::kDeny, "/bin/b", 1001), "{}");
  EXPECT_EQ(*live.stream->Next(), "");
}

TEST_F(ApiTest, F28_UnknownPathsMethodsAndParameters) {
  for (const char* path :
       {"/", "", "/v1", "/v1/", "/v2/status", "/v1/rules/", "/v1/rules/a/b",
        "/v1/status/", "//v1/status", "/v1/rules/check/x"}) {
    Ask("GET", path, "", {}, 404);
  }
  const ApiResponse wrong = Call("BREW", "/v1/rules");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.allow, "GET, POST");
  EXPECT_EQ(Ask("GET", "/v1/status", "", {{"x", "1"}}, 400)["field"], "x");
  for (const char* name : {"../../etc/passwd", "A", "\n", "x y"}) {
    Ask("GET", std::string("/v1/rules/") + name, "", {}, 404);
  }
}

TEST_F(ApiTest, F28_BadBodies) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  const std::string bodies[] = {"",
                                "{",
                                "[]",
                                "null",
                                "5",
                                "\"x\"",
                                std::string(1, '\0'),
                                "{\"name\":\"r\"} x",
                                "{\"name\":\"\xff\xfe\"}",
                                R"({"policy":"deny","policy":"allow"})",
                                R"({"a":{"b":1,"b":2}})",
                                std::string(100'000, '['),
                                deep,
                                "{\"a\":1e99999}",
                                "{\"a\":\"\\ud800\"}"};
  for (const std::string& body : bodies) {
    const json error = Ask("POST", "/v1/rules", body, {}, 400);
    EXPECT_EQ(error["code"], "invalid");
    EXPECT_LT(error["message"].get<std::string>().size(), 300u);
  }
  EXPECT_EQ(published, 0);
}

TEST_F(ApiTest, A38_HostileNamesInErrorsAreEscaped) {
  const ApiResponse response = Call("GET", "/v1/\x1b[31m\xff\xe2\x80\xae\n");
  EXPECT_EQ(response.status, 404);
  for (const char* bad : {"\x1b", "\xff", "\xe2\x80\xae", "\n"}) {
    EXPECT_EQ(response.body.find(bad), std::string::npos) << response.body;
  }
  Call("POST", "/v1/rules",
       R"({"policy":"deny","app":"any","\u001b\u202e":1})");
  for (const std::string& line : log) {
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST_F(ApiTest, HistoryIsVerified) {
  std::vector<StoredEvent> events(
      3,
      StoredEvent{.time_ns = 1'700'000'000, .violation = true, .json = "{}"});
  ASSERT_TRUE(history->Append(events).ok());
  json verified = Ask("GET", "/v1/history/verify");
  EXPECT_EQ(verified["intact"], true);
  EXPECT_EQ(verified["chains"][0]["records"], 3);
  const json head = Ask("GET", "/v1/history/head")["heads"][0];
  EXPECT_EQ(head["id"], 3);
  EXPECT_EQ(head["hash"], verified["chains"][0]["head"]["hash"]);
  const std::string hash = head["hash"];
  verified = Ask("GET", "/v1/history/verify", "", {{"head", hash}});
  EXPECT_EQ(verified["heads"][0]["found"], true);
  verified = Ask("GET", "/v1/history/verify", "",
               {{"head", hash + "," + std::string(64, '0')}});
  EXPECT_EQ(verified["intact"], false);
  EXPECT_EQ(verified["heads"][1]["found"], false);
  for (const std::string& wrong : {std::string(), std::string("x"), hash + ",",
                                   "," + hash, std::string(64, 'g')}) {
    EXPECT_EQ(
        Ask("GET", "/v1/history/verify", "", {{"head", wrong}}, 400)["field"],
        "head");
  }
  std::string many = hash;
  for (int i = 0; i < 20; ++i) many += "," + hash;
  Ask("GET", "/v1/history/verify", "", {{"head", many}}, 400);
}

TEST_F(ApiTest, HistoryThatIsNotThere) {
  std::filesystem::remove(dir / "history.db");
  Ask("GET", "/v1/history/verify", "", {}, 404);
  context.history = nullptr;
  Ask("GET", "/v1/history/verify", "", {}, 503);
  Ask("GET", "/v1/history/head", "", {}, 503);
  Ask("GET", "/v1/history/rules", "", {}, 503);
}

TEST_F(ApiTest, ChangesOfRulesAreKeptApartFromViolations) {
  const int64_t now_ns = absl::ToUnixNanos(context.now());
  const StoredEvent events[] = {
      {.time_ns = now_ns, .violation = true, .json = "{\"n\":1}"},
      {.time_ns = now_ns,
       .violation = true,
       .json = "{\"n\":2}",
       .kind = StoredKind::kRulesChanged}};
  ASSERT_TRUE(history->Append(events).ok());
  EXPECT_EQ(Ask("GET", "/v1/violations")["violations"],
            json::parse(R"([{"n":1}])"));
  EXPECT_EQ(Ask("GET", "/v1/history/rules")["events"],
            json::parse(R"([{"n":2}])"));
  EXPECT_EQ(
      Ask("GET", "/v1/history/rules", "", {{"since", "5m"}})["events"].size(),
      1u);
  Ask("GET", "/v1/history/rules", "", {{"since", "x"}}, 400);
}

TEST_F(OtherUserTest, HistoryIsNotTheirs) {
  for (const char* path :
       {"/v1/history/verify", "/v1/history/head", "/v1/history/rules"}) {
    Ask("GET", path, "", {}, 403);
  }
}

}  // namespace
}  // namespace sallyport
