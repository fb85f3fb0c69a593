#include "src/api_json.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

std::string Nested(int levels) {
  // The object is the first level.
  return "{\"a\":" + std::string(static_cast<size_t>(levels - 1), '[') +
         std::string(static_cast<size_t>(levels - 1), ']') + "}";
}

TEST(ApiJson, F28_DepthIsBounded) {
  EXPECT_TRUE(ParseJsonObject(Nested(kMaxJsonDepth)).ok());
  EXPECT_FALSE(ParseJsonObject(Nested(kMaxJsonDepth + 1)).ok());
  // Brackets in strings do not count.
  EXPECT_TRUE(
      ParseJsonObject("{\"a\":\"" + std::string(100, '[') + "\\\"[[[[\"}")
          .ok());
}

TEST(ApiJson, F28_WhatIsNoObject) {
  for (const char* text : {"", " ", "[]", "1", "null", "\"a\"", "{", "}",
                           "{\"a\"}", "{\"a\":}", "{a:1}", "{}{}", "{\"a\":1,}",
                           "{\"a\":\"\\", "\"", "{\"a\":\"\x80\"}"}) {
    EXPECT_FALSE(ParseJsonObject(text).ok()) << text;
  }
  EXPECT_TRUE(ParseJsonObject(" {} ").ok());
}

TEST(ApiJson, DuplicateKeysAreNamed) {
  EXPECT_EQ(FieldOf(ParseJsonObject(R"({"a":1,"b":2,"a":3})").status()), "a");
  EXPECT_EQ(FieldOf(ParseJsonObject(R"({"a":{"c":1,"c":3}})").status()), "c");
  EXPECT_TRUE(ParseJsonObject(R"({"a":{"b":1},"b":[{"b":1},{"b":1}]})").ok());
}

TEST(ApiJson, PrintingNeverFails) {
  EXPECT_NE(PrintJson({{"a", "\xff\xfe"}}), "");
}

TEST(ApiJson, A38_MessagesAreMadeSafeOnce) {
  EXPECT_EQ(SafeMessage("a.toml:1: got 'x\\x1b'\nb"),
            "a.toml:1: got 'x\\x1b'\nb");
  EXPECT_EQ(SafeMessage("\x1b[31m\xff\xe2\x80\xae\x7f\r\xc3\xa4"),
            "\\x1b[31m\\xff\\xe2\\x80\\xae\\x7f\\x0d\xc3\xa4");
}

TEST(ApiJson, FieldTravelsWithTheStatus) {
  EXPECT_EQ(FieldOf(FieldError("to", "x")), "to");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("x")), "");
}

}  // namespace
}  // namespace sallyport
