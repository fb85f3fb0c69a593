#include "src/user_names.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(UserNames, NamesAndNumbers) {
  EXPECT_EQ(*UserIdOf("root"), 0u);
  EXPECT_EQ(*UserIdOf("0"), 0u);
  EXPECT_EQ(*UserIdOf("54321"), 54321u);  // need not exist
  EXPECT_EQ(UserNameOf(0), "root");
  EXPECT_EQ(GroupIdOf("root"), 0u);
}

TEST(UserNames, UnknownIsNamed) {
  const absl::Status status = UserIdOf("no-such-user-here").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_NE(status.message().find("no-such-user-here"),
            absl::string_view::npos);
  EXPECT_EQ(UserNameOf(3'999'999'999), "");
  EXPECT_FALSE(GroupIdOf("no-such-group-here").has_value());
}

TEST(UserNames, WhatIsNoUid) {
  EXPECT_FALSE(UserIdOf("").ok());
  EXPECT_FALSE(UserIdOf("4294967295").ok());  // (uid_t)-1: nobody
  EXPECT_FALSE(UserIdOf("99999999999").ok());
  EXPECT_FALSE(UserIdOf("-1").ok());
}

}  // namespace
}  // namespace sallyport
