// Changes that are made whole, for a time, or for what somebody has read.

#include <gtest/gtest.h>

#include "tests/src/api_fixture.h"

namespace sallyport {
namespace {

using nlohmann::json;

constexpr char kRule[] =
    R"({"name":"r","policy":"deny","app":"/usr/bin/curl"})";

json TomlBody(const std::string& text) { return {{"text", text}}; }

std::string TomlRule(const std::string& name) {
  return "[[rule]]\nname = \"" + name +
         "\"\npolicy = \"deny\"\napp = \"/bin/x\"\n";
}

TEST_F(ApiTest, ModeToBeConfirmed) {
  const json status =
      Ask("PUT", "/v1/mode", R"({"mode":"enforce","confirm_seconds":60})");
  EXPECT_EQ(status["mode"], "enforce");
  EXPECT_EQ(status["pending_change"]["what"], "mode monitor -> enforce");
  EXPECT_EQ(status["pending_change"]["seconds_left"], 60);
  EXPECT_EQ(status["pending_change"]["asked_by_uid"], 0);
  EXPECT_NE(log.at(0).find("to be confirmed"), std::string::npos);
  const json refused = Ask(
      "PUT", "/v1/mode", R"({"mode":"lockdown","confirm_seconds":5})", {}, 409);
  EXPECT_EQ(refused["code"], "conflict");
  EXPECT_NE(refused["message"].get<std::string>().find(
                "mode monitor -> enforce, asked for by uid 0, waits"),
            std::string::npos);
  EXPECT_EQ(Ask("POST", "/v1/confirm")["confirmed"], "mode monitor -> enforce");
  EXPECT_TRUE(Ask("GET", "/v1/status")["pending_change"].is_null());
  EXPECT_EQ(Ask("POST", "/v1/confirm", "{}", {}, 409)["code"], "conflict");
  EXPECT_EQ(settings.mode, Mode::kEnforce);
  EXPECT_EQ(changes,
            (std::vector<std::string>{"mode monitor -> enforce: applied",
                                      "mode monitor -> enforce: confirmed"}));
}

TEST_F(ApiTest, ChangeIsTakenBackWhenAskedAndInTime) {
  Ask("PUT", "/v1/mode", R"({"mode":"enforce","confirm_seconds":60})");
  EXPECT_EQ(Ask("POST", "/v1/confirm", R"({"keep":false})")["taken_back"],
            "mode monitor -> enforce");
  EXPECT_EQ(settings.mode, Mode::kMonitor);
  Ask("PUT", "/v1/mode", R"({"mode":"enforce","confirm_seconds":2})");
  timer.Pass(absl::Seconds(2));
  ASSERT_TRUE(timer.Rings());
  confirmation->OnAlarm();
  EXPECT_EQ(settings.mode, Mode::kMonitor);
  EXPECT_EQ(Ask("POST", "/v1/confirm", "", {}, 409)["message"],
            "nothing waits to be confirmed (mode monitor -> enforce has gone "
            "back: not confirmed in time)");
}

TEST_F(ApiTest, F28_BadWindowsAndBodiesNameTheField) {
  for (const char* seconds : {"0", "-1", "86401", "1.5", "\"60\"", "null",
                              "true", "1e30", "18446744073709551615"}) {
    const std::string field = R"("confirm_seconds":)" + std::string(seconds);
    EXPECT_EQ(Ask("PUT", "/v1/mode", R"({"mode":"enforce",)" + field + "}", {},
                  400)["field"],
              "confirm_seconds")
        << seconds;
    EXPECT_EQ(Ask("POST", "/v1/rules/import", R"({"rules":[],)" + field + "}",
                  {}, 400)["field"],
              "confirm_seconds");
  }
  EXPECT_EQ(Ask("POST", "/v1/confirm", R"({"keep":1})", {}, 400)["field"],
            "keep");
  EXPECT_EQ(Ask("POST", "/v1/confirm", R"({"x":1})", {}, 400)["field"], "x");
  EXPECT_EQ(settings.mode, Mode::kMonitor);
}

TEST_F(ApiTest, ImportOfTextAndOfRules) {
  const json first = Ask("POST", "/v1/rules/import",
                         TomlBody(TomlRule("a") + TomlRule("b")).dump());
  EXPECT_EQ(first["added"], (json{"a", "b"}));
  EXPECT_EQ(first["rules"].size(), 2u);
  EXPECT_EQ(first["rules"][0]["read_only"], false);
  EXPECT_EQ(published, 1);
  const json second =
      Ask("POST", "/v1/rules/import",
          json{{"rules", {json::parse(kRule), Ask("GET", "/v1/rules/a")}},
               {"replace", true}}
              .dump());
  EXPECT_EQ(second["added"], json{"r"});
  EXPECT_EQ(second["removed"], json{"b"});
  EXPECT_EQ(second["unchanged"], 1);
  EXPECT_EQ(published, 2);
  EXPECT_EQ(log.size(), 6u);  // and one for each rule
}

TEST_F(ApiTest, ImportIsAllOrNothingAndSaysWhatIsWrong) {
  Ask("POST", "/v1/rules", kRule, {}, 201);
  const struct {
    json body;
    int status;
    const char* field;
    const char* message;
  } cases[] = {
      {TomlBody(TomlRule("a") + "[[rule]]\nname = 5\n"), 400, "text",
       "text:6:"},
      {TomlBody(TomlRule("a") + TomlRule("r")), 409, "name", "'r' is already"},
      {{{"rules", {json::parse(kRule), {{"policy", "deny"}}}}},
       400,
       "rules[1].app",
       "is missing"},
      {{{"rules", {{{"policy", "deny"}, {"app", "any"}, {"to", 5}}}}},
       400,
       "rules[0].to",
       "must be"},
      {{{"rules", {5}}}, 400, "rules[0]", "must be an object"},
      {{{"rules", "x"}}, 400, "rules", "must be a list"},
      {{{"text", 5}}, 400, "text", "must be a string"},
      {json::object(), 400, "text", "either text"},
      {{{"text", ""}, {"rules", json::array()}}, 400, "text", "either text"},
      {{{"rules", json::array()}, {"replace", 1}}, 400, "replace", "true or"},
      {{{"rules", json::array()}, {"colour", 1}}, 400, "colour", "unknown"},
  };
  for (const auto& c : cases) {
    const json error =
        Ask("POST", "/v1/rules/import", c.body.dump(), {}, c.status);
    EXPECT_EQ(error["field"], c.field) << c.body;
    EXPECT_NE(error["message"].get<std::string>().find(c.message),
              std::string::npos)
        << error;
  }
  EXPECT_EQ(published, 1);
  EXPECT_EQ(Ask("POST", "/v1/rules/import", TomlBody(TomlRule("a")).dump(),
                {{"dry_run", "1"}})["added"],
            json{"a"});
  EXPECT_EQ(published, 1);
}

TEST_F(ApiTest, ImportToBeConfirmed) {
  Ask("POST", "/v1/rules", kRule, {}, 201);
  json body = TomlBody(TomlRule("a"));
  body["replace"] = true;
  body["confirm_seconds"] = 60;
  EXPECT_EQ(Ask("POST", "/v1/rules/import", body.dump())["to_be_confirmed"],
            true);
  EXPECT_EQ(Ask("GET", "/v1/status")["pending_change"]["what"],
            "import of rules (1 added, 0 changed, 1 removed)");
  Ask("GET", "/v1/rules/r", "", {}, 404);
  EXPECT_NE(Ask("DELETE", "/v1/rules/a", "", {}, 409)["message"]
                .get<std::string>()
                .find("import of rules (1 added"),
            std::string::npos);
  timer.Pass(absl::Seconds(60));
  confirmation->OnAlarm();
  Ask("GET", "/v1/rules/r");
  Ask("GET", "/v1/rules/a", "", {}, 404);
}

TEST_F(ApiTest, TwoEditsOfWhatWasReadOnce) {
  const std::string tag = Call("POST", "/v1/rules", kRule).etag;
  EXPECT_EQ(tag.size(), 34u);
  EXPECT_EQ(Call("GET", "/v1/rules/r").etag, tag);
  if_match_ = tag;
  const ApiResponse first = Call("PATCH", "/v1/rules/r", R"({"priority":1})");
  EXPECT_EQ(first.status, 200);
  EXPECT_NE(first.etag, tag);
  for (const auto& [method, body] :
       {std::pair("PATCH", R"({"priority":2})"), std::pair("PUT", kRule),
        std::pair("DELETE", "")}) {
    const json error = Ask(method, "/v1/rules/r", body, {}, 412);
    EXPECT_EQ(error["code"], "newer");
    EXPECT_EQ(error["message"],
              "rule 'r' changed since you read it: it is now " + first.etag +
                  "; nothing is changed, read again");
  }
  EXPECT_EQ(Ask("GET", "/v1/rules/r")["priority"], 1);
  if_match_ = "\"x\", " + first.etag;
  Ask("PUT", "/v1/rules/r", kRule);
  if_match_ = "*";
  Ask("DELETE", "/v1/rules/r");
  Ask("DELETE", "/v1/rules/r", "", {}, 404);
  if_match_ = "r";
  Ask("PATCH", "/v1/rules/r", R"({"priority":2})", {}, 400);
}

TEST_F(ApiTest, AddingForASetThatWasRead) {
  const std::string tag = Call("GET", "/v1/rules").etag;
  if_match_ = tag;
  Ask("POST", "/v1/rules", kRule, {}, 201);
  const json other = TomlBody(TomlRule("a"));
  EXPECT_EQ(Ask("POST", "/v1/rules/import", other.dump(), {}, 412)["code"],
            "newer");
  Ask("POST", "/v1/rules", R"({"name":"s","policy":"deny","app":"any"})", {},
      412);
  if_match_ = Call("GET", "/v1/rules").etag;
  EXPECT_NE(if_match_, tag);
  const ApiResponse imported = Call("POST", "/v1/rules/import", other.dump());
  EXPECT_EQ(imported.status, 200) << imported.body;
  if_match_.clear();
  EXPECT_EQ(imported.etag, Call("GET", "/v1/rules").etag);
}

}  // namespace
}  // namespace sallyport
