#include "src/namespace_lock.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <string>

namespace sallyport {
namespace {

TEST(NamespaceLock, F11_TheSecondOneIsToldWhoHoldsIt) {
  if (unshare(CLONE_NEWNET) != 0) {
    GTEST_SKIP() << "skipped: needs root to make a network namespace";
  }
  auto first = NamespaceLock::Take();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE((*first)->is_held());
  const auto second = NamespaceLock::Take();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(second.status().message().find(std::to_string(getpid())),
            std::string::npos)
      << second.status();

  // Another namespace is another world; and a lock ends with its holder.
  first->reset();
  EXPECT_TRUE(NamespaceLock::Take().ok());
}

}  // namespace
}  // namespace sallyport
