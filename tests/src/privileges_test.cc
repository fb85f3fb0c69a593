#include "src/privileges.h"

#include <cap-ng.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

namespace sallyport {
namespace {

// Each runs in a process of its own: there is no way back.

void KeepOnly(std::initializer_list<unsigned> capabilities) {
  capng_clear(CAPNG_SELECT_CAPS);
  for (unsigned capability : capabilities) {
    capng_update(CAPNG_ADD,
                 static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                 capability);
  }
  capng_apply(CAPNG_SELECT_CAPS);
}

void CheckWith(std::initializer_list<unsigned> capabilities) {
  KeepOnly(capabilities);
  const absl::Status status = CheckPrivileges();
  std::fprintf(stderr, "%s", std::string(status.message()).c_str());
  _exit(absl::IsPermissionDenied(status) ? 4 : 0);
}

TEST(Privileges, F32_EachMissingOneIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give rights up";
  EXPECT_EXIT(CheckWith({CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH}),
              ::testing::ExitedWithCode(0), "^$");
  EXPECT_EXIT(CheckWith({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH}),
              ::testing::ExitedWithCode(4), "missing privilege: CAP_NET_ADMIN");
  EXPECT_EXIT(CheckWith({CAP_NET_ADMIN, CAP_DAC_READ_SEARCH}),
              ::testing::ExitedWithCode(4),
              "missing privilege: CAP_SYS_PTRACE");
  EXPECT_EXIT(CheckWith({CAP_NET_ADMIN, CAP_SYS_PTRACE}),
              ::testing::ExitedWithCode(4),
              "missing privilege: CAP_DAC_READ_SEARCH");
  EXPECT_EXIT(CheckWith({}), ::testing::ExitedWithCode(4),
              "CAP_NET_ADMIN.*CAP_SYS_PTRACE.*CAP_DAC_READ_SEARCH.*sudo");
}

void DropAndLook() {
  if (!DropOtherPrivileges("/nonexistent", "/nonexistent/s").ok()) _exit(1);
  if (!CheckPrivileges().ok()) _exit(2);
  capng_get_caps_process();
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const bool needed = capability == CAP_NET_ADMIN ||
                        capability == CAP_SYS_PTRACE ||
                        capability == CAP_DAC_READ_SEARCH;
    for (capng_type_t type :
         {CAPNG_EFFECTIVE, CAPNG_PERMITTED, CAPNG_BOUNDING_SET}) {
      if (capng_have_capability(type, capability) && !needed) _exit(3);
    }
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) _exit(4);
  _exit(0);
}

TEST(Privileges, DropKeepsThreeAndNoMore) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EXIT(DropAndLook(), ::testing::ExitedWithCode(0), "");
}

void DropWithoutSetpcap() {
  KeepOnly({CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH});
  const absl::Status status =
      DropOtherPrivileges("/nonexistent", "/nonexistent/s");
  std::fprintf(stderr, "%s", std::string(status.message()).c_str());
  _exit(status.ok() && CheckPrivileges().ok() ? 0 : 1);
}

// As the unit starts us: without CAP_SETPCAP the bounding set is not ours.
TEST(Privileges, DropWorksWithTheThreeAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EXIT(DropWithoutSetpcap(), ::testing::ExitedWithCode(0), "^$");
}

}  // namespace
}  // namespace sallyport
