#include "src/dir_watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// True if a burst ended before `longest` was over.
bool WaitForBurst(DirWatch& watch, milliseconds longest = milliseconds(5000)) {
  const auto end = steady_clock::now() + longest;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd fd = {watch.fd(), POLLIN, 0};
    if (poll(&fd, 1, static_cast<int>(left.count())) <= 0) return false;
    if (watch.HandleReadable()) return true;
  }
}

bool IsQuiet(DirWatch& watch) {
  return !WaitForBurst(watch, DirWatch::kQuiet * 2);
}

TEST(DirWatch, OneBurstForManyChanges) {
  TempDir dir;
  auto watch = DirWatch::Open({dir.path()});
  ASSERT_TRUE(watch.ok());
  EXPECT_TRUE(IsQuiet(**watch));
  for (int i = 0; i < 100; ++i) {
    dir.Write("r" + std::to_string(i) + ".toml", "x");
  }
  EXPECT_TRUE(WaitForBurst(**watch));
  EXPECT_TRUE(IsQuiet(**watch));
}

TEST(DirWatch, EveryKindOfChangeIsSeen) {
  TempDir dir;
  dir.Write("a.toml", "x");
  auto watch = DirWatch::Open({dir.path() + "/"});
  ASSERT_TRUE(watch.ok());
  chmod((dir / "a.toml").c_str(), 0666);
  EXPECT_TRUE(WaitForBurst(**watch)) << "chmod";
  rename((dir / "a.toml").c_str(), (dir / "b.toml").c_str());
  EXPECT_TRUE(WaitForBurst(**watch)) << "rename";
  rename((dir / "b.toml").c_str(), (dir / "b.off").c_str());
  EXPECT_TRUE(WaitForBurst(**watch)) << "rename away";
  dir.Write("c.toml", "x");
  EXPECT_TRUE(WaitForBurst(**watch)) << "create";
  unlink((dir / "c.toml").c_str());
  EXPECT_TRUE(WaitForBurst(**watch)) << "unlink";
}

TEST(DirWatch, OtherFilesDoNotWakeUs) {
  TempDir dir;
  auto watch = DirWatch::Open({dir.path()});
  ASSERT_TRUE(watch.ok());
  dir.Write("a.toml.swp", "x");
  dir.Write(".a.toml.Xa1b2c.tmp", "x");
  dir.Write("4913", "x");
  EXPECT_TRUE(IsQuiet(**watch));
}

TEST(DirWatch, DirectoryThatIsMadeLater) {
  TempDir dir;
  auto watch = DirWatch::Open({dir / "etc/sallyport/rules.d"});
  ASSERT_TRUE(watch.ok());
  dir.Write("unrelated.toml", "x");
  EXPECT_TRUE(IsQuiet(**watch));
  for (const char* part : {"etc", "etc/sallyport", "etc/sallyport/rules.d"}) {
    ASSERT_EQ(mkdir((dir / part).c_str(), 0755), 0);
    EXPECT_TRUE(WaitForBurst(**watch)) << part;
  }
  dir.Write("etc/sallyport/rules.d/a.toml", "x");
  EXPECT_TRUE(WaitForBurst(**watch));
}

TEST(DirWatch, DirectoryThatIsReplaced) {
  TempDir dir;
  dir.MakeDir("rules.d");
  dir.MakeDir("new.d");
  auto watch = DirWatch::Open({dir / "rules.d"});
  ASSERT_TRUE(watch.ok());
  rename((dir / "rules.d").c_str(), (dir / "old.d").c_str());
  rename((dir / "new.d").c_str(), (dir / "rules.d").c_str());
  EXPECT_TRUE(WaitForBurst(**watch));
  dir.Write("rules.d/a.toml", "x");
  EXPECT_TRUE(WaitForBurst(**watch));
  dir.Write("old.d/b.toml", "x");
  EXPECT_TRUE(IsQuiet(**watch));
  std::filesystem::remove_all(dir / "rules.d");
  EXPECT_TRUE(WaitForBurst(**watch));
}

TEST(DirWatch, EndlessChangesEndTheBurstAllTheSame) {
  TempDir dir;
  auto watch = DirWatch::Open({dir.path()});
  ASSERT_TRUE(watch.ok());
  const auto end = steady_clock::now() + DirWatch::kLongest * 10;
  bool ended = false;
  while (!ended && steady_clock::now() < end) {
    dir.Write("a.toml", "x");
    ended = (*watch)->HandleReadable();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace sallyport
