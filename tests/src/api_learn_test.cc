// GET /v1/learn, POST /v1/learn/apply, DELETE /v1/learn.

#include <gtest/gtest.h>

#include "src/learn_log.h"
#include "src/learn_view.h"
#include "tests/src/api_fixture.h"
#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using nlohmann::json;

class ApiLearnTest : public ::testing::Test, protected ApiFixture {
 protected:
  ApiLearnTest() : learn(dir / "learned.db") {
    context.learn = &learn;
    settings.mode = Mode::kLearn;
    settings.default_verdict = Verdict::kDeny;
  }

  json Ask(const std::string& method, const std::string& path,
           const std::string& body = "",
           std::map<std::string, std::string> query = {}, int expected = 200) {
    ApiRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.query = std::move(query);
    request.peer.tier = tier;
    const ApiResponse response = RouteRequest(context, std::move(request));
    EXPECT_EQ(response.status, expected) << path << " " << response.body;
    const json parsed = json::parse(response.body, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << response.body;
    return response.status < 400 ? parsed : parsed["error"];
  }

  void See(std::string path, uint32_t address, uint16_t port = 443) {
    DecisionRecord record =
        testing::MakeRecordOf(Verdict::kAllow, std::move(path), 1000);
    record.decision.mode = Mode::kLearn;
    record.decision.judged = Verdict::kDeny;
    record.decision.reason = Reason::kDefault;
    record.flow.dst = IpAddress::V4(address);
    record.flow.dst_port = port;
    learn.Record(record);
  }

  Tier tier = Tier::kControl;
  LearnLog learn;
};

constexpr uint32_t kOne = 0xc0000201;  // 192.0.2.1
constexpr uint32_t kTwo = 0xc0000202;
constexpr uint32_t kLan = 0x0a000001;  // 10.0.0.1

TEST_F(ApiLearnTest, NothingSeen) {
  const json answer = Ask("GET", "/v1/learn");
  EXPECT_EQ(answer["mode"], "learn");
  EXPECT_EQ(answer["default"], "deny");
  EXPECT_EQ(answer["rules"], json::array());
  EXPECT_EQ(answer["destinations"], 0);
  EXPECT_EQ(answer["error"], nullptr);
  EXPECT_FALSE(answer.contains("seen"));
  EXPECT_EQ(Ask("POST", "/v1/learn/apply", "{}")["added"], json::array());
  EXPECT_EQ(Ask("DELETE", "/v1/learn")["forgotten"], 0);
}

TEST_F(ApiLearnTest, WhatWasSeenIsProposedAndAppliedAsOneChange) {
  See("/usr/bin/curl", kOne);
  See("/usr/bin/curl", kTwo);
  See("/usr/bin/ssh", kLan, 22);
  const json answer = Ask("GET", "/v1/learn");
  ASSERT_EQ(answer["rules"].size(), 2u);
  const json& curl = answer["rules"][0];
  EXPECT_EQ(curl["name"], "learn-curl-1");
  EXPECT_EQ(curl["policy"], "allow");
  EXPECT_EQ(curl["app"], "/usr/bin/curl");
  EXPECT_EQ(curl["to"], json({"192.0.2.1", "192.0.2.2"}));
  EXPECT_EQ(curl["port"], json({443}));
  EXPECT_EQ(curl["protocol"], json({"tcp"}));
  EXPECT_EQ(curl["flows"], 2);
  EXPECT_EQ(curl["first_seen"], "2023-11-14T22:13:20.123456Z");
  EXPECT_EQ(answer["fewest"], true);

  const json applied = Ask("POST", "/v1/learn/apply", "{}");
  ASSERT_EQ(applied["added"].size(), 2u);
  EXPECT_EQ(published, 1);
  EXPECT_TRUE(rules->Find("learn-curl-1").ok());
  EXPECT_TRUE(rules->Find("learn-ssh-1").ok());
  EXPECT_EQ(rules->Find("learn-curl-1")->rule.description, curl["description"]);
  EXPECT_EQ(log.size(), 2u);

  // Rules say it now; new things get names of their own.
  const json after = Ask("GET", "/v1/learn");
  EXPECT_EQ(after["rules"], json::array());
  EXPECT_EQ(after["decided"], 3);
  See("/usr/bin/curl", kOne, 80);
  EXPECT_EQ(Ask("GET", "/v1/learn")["rules"][0]["name"], "learn-curl-2");
}

TEST_F(ApiLearnTest, ADenyRuleMadeMeanwhileIsNotUndone) {
  See("/usr/bin/curl", kOne);
  Ask("POST", "/v1/rules",
      R"({"name":"no-curl","policy":"deny","app":"/usr/bin/curl"})", {}, 201);
  EXPECT_EQ(Ask("POST", "/v1/learn/apply", "{}")["added"], json::array());
}

TEST_F(ApiLearnTest, SomeRulesByNameOrApp) {
  See("/usr/bin/curl", kOne);
  See("/usr/bin/ssh", kLan, 22);
  See("/opt/a\nb", kLan, 22);
  for (const char* app : {"/opt/a\nb", "/opt/a\\x0ab"}) {
    const json one = Ask("GET", "/v1/learn", "", {{"app", app}});
    ASSERT_EQ(one["rules"].size(), 1u);
    EXPECT_EQ(one["rules"][0]["app"], "/opt/a\\x0ab");
  }
  EXPECT_EQ(Ask("GET", "/v1/learn", "", {{"app", "/bin/no"}})["rules"],
            json::array());
  EXPECT_EQ(Ask("POST", "/v1/learn/apply",
                R"({"rules":["learn-ssh-1","learn-no-1"]})", {}, 404)["code"],
            "not_found");
  EXPECT_EQ(published, 0);
  const json applied =
      Ask("POST", "/v1/learn/apply", R"({"rules":["learn-ssh-1"]})");
  ASSERT_EQ(applied["added"].size(), 1u);
  EXPECT_EQ(applied["added"][0]["app"], "/usr/bin/ssh");
  const json curl =
      Ask("POST", "/v1/learn/apply", R"({"app":"/usr/bin/curl"})");
  ASSERT_EQ(curl["added"].size(), 1u);
  EXPECT_EQ(curl["added"][0]["name"], "learn-curl-1");
  EXPECT_EQ(Ask("POST", "/v1/learn/apply", R"({"rules":[]})")["added"],
            json::array());
}

TEST_F(ApiLearnTest, AProposalThatHasChangedIsNotApplied) {
  See("/usr/bin/curl", kOne);
  const std::string id = Ask("GET", "/v1/learn")["proposal"];
  EXPECT_EQ(id.size(), 16u);
  See("/usr/bin/curl", kOne);  // the same once more changes nothing
  EXPECT_EQ(Ask("GET", "/v1/learn")["proposal"], id);
  See("/usr/bin/curl", kTwo);
  const std::string body = json({{"proposal", id}}).dump();
  EXPECT_EQ(Ask("POST", "/v1/learn/apply", body, {}, 409)["code"], "conflict");
  EXPECT_EQ(published, 0);
  const std::string now =
      json({{"proposal", Ask("GET", "/v1/learn")["proposal"]}}).dump();
  EXPECT_EQ(Ask("POST", "/v1/learn/apply", now)["added"].size(), 1u);
}

TEST_F(ApiLearnTest, OptionsGroup) {
  See("/usr/bin/curl", kLan);
  See("/usr/bin/curl", kLan + 1);
  const json grouped =
      Ask("GET", "/v1/learn", "", {{"group_addresses", "1"}, {"by_user", "1"}});
  EXPECT_EQ(grouped["rules"][0]["to"], json({"lan"}));
  EXPECT_EQ(grouped["rules"][0]["user"], json({"1000"}));
  EXPECT_EQ(grouped["options"]["group_addresses"], true);
  const json applied =
      Ask("POST", "/v1/learn/apply",
          R"({"group_addresses":true,"by_user":true,"group_names":false})");
  EXPECT_EQ(applied["added"][0]["to"], json({"lan"}));
  EXPECT_EQ(applied["added"][0]["user"], json({"1000"}));
}

TEST_F(ApiLearnTest, SeenListsWhatWasSeen) {
  See("/usr/bin/curl", kOne);
  See("/usr/bin/ssh", kTwo, 22);
  json seen = Ask("GET", "/v1/learn", "", {{"seen", "1"}})["seen"];
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0]["app"], "/usr/bin/curl");
  EXPECT_EQ(seen[0]["to"], "192.0.2.1");
  EXPECT_EQ(seen[0]["service"], "tcp 443");
  EXPECT_EQ(seen[0]["uid"], 1000);
  EXPECT_EQ(seen[0]["flows"], 1);
  seen = Ask("GET", "/v1/learn", "",
             {{"seen", "1"}, {"app", "/usr/bin/ssh"}})["seen"];
  EXPECT_EQ(seen.size(), 1u);
}

TEST_F(ApiLearnTest, WhatNoRuleCoversIsListed) {
  DecisionRecord record = testing::MakeRecord(Verdict::kAllow);
  record.decision.mode = Mode::kLearn;
  record.decision.reason = Reason::kUnattributed;
  record.ownership.owners.clear();
  learn.Record(record);
  const json answer = Ask("GET", "/v1/learn");
  EXPECT_EQ(answer["rules"], json::array());
  ASSERT_EQ(answer["unnamed"].size(), 1u);
  EXPECT_EQ(answer["unnamed"][0]["why"], "nobody");
  EXPECT_EQ(answer["unnamed"][0]["flows"], 1);
}

TEST_F(ApiLearnTest, ClearForgets) {
  See("/usr/bin/curl", kOne);
  See("/usr/bin/ssh", kTwo, 22);
  EXPECT_EQ(
      Ask("DELETE", "/v1/learn", "", {{"app", "/usr/bin/ssh"}})["forgotten"],
      1);
  EXPECT_EQ(Ask("DELETE", "/v1/learn", "", {{"app", ""}}, 400)["field"], "app");
  EXPECT_EQ(Ask("GET", "/v1/learn")["destinations"], 1);
  EXPECT_EQ(Ask("DELETE", "/v1/learn")["forgotten"], 1);
  EXPECT_EQ(Ask("GET", "/v1/learn")["destinations"], 0);
}

TEST_F(ApiLearnTest, BadQuestionsNameTheField) {
  const struct {
    const char* body;
    const char* field;
  } cases[] = {
      {R"({"rules":"x"})", "rules"},   {R"({"rules":[1]})", "rules"},
      {R"({"app":1})", "app"},         {R"({"proposal":1})", "proposal"},
      {R"({"by_user":1})", "by_user"}, {R"({"seen":true})", "seen"},
      {R"({"what":1})", "what"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Ask("POST", "/v1/learn/apply", c.body, {}, 400)["field"], c.field)
        << c.body;
  }
  EXPECT_EQ(Ask("GET", "/v1/learn", "", {{"by_user", "2"}}, 400)["field"],
            "by_user");
  Ask("GET", "/v1/learn", "", {{"limit", "2"}}, 400);
  Ask("PUT", "/v1/learn", "{}", {}, 405);
}

TEST_F(ApiLearnTest, OthersMayNot) {
  tier = Tier::kOwnFlows;
  Ask("GET", "/v1/learn", "", {}, 403);
  Ask("POST", "/v1/learn/apply", "{}", {}, 403);
  Ask("DELETE", "/v1/learn", "", {}, 403);
}

TEST_F(ApiLearnTest, WithoutALogItSaysSo) {
  context.learn = nullptr;
  Ask("GET", "/v1/learn", "", {}, 503);
  Ask("POST", "/v1/learn/apply", "{}", {}, 503);
  Ask("DELETE", "/v1/learn", "", {}, 503);
}

}  // namespace
}  // namespace sallyport
