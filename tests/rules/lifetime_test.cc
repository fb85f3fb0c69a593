#include "rules/lifetime.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(Lifetime, NamesRoundTripAndNothingElseIsOne) {
  for (Lifetime lifetime : kLifetimes) {
    EXPECT_EQ(ParseLifetime(LifetimeName(lifetime)), lifetime);
  }
  EXPECT_EQ(ParseLifetime("until-exit"), Lifetime::kUntilExit);
  for (const char* bad : {"", "Always", "always ", "until_exit", "forever"}) {
    EXPECT_EQ(ParseLifetime(bad), std::nullopt) << bad;
  }
  EXPECT_STREQ(LifetimeName(static_cast<Lifetime>(99)), "once");
}

}  // namespace
}  // namespace sallyport
