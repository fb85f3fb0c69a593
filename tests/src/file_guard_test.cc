#include "src/file_guard.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

std::string MessageOfReading(const std::string& path, size_t cap = 1000) {
  return std::string(ReadGuardedFile(path, cap).status().message());
}

TEST(FileGuard, ReadsAWholeFile) {
  TempDir dir;
  const std::string content("a\0b", 3);
  const std::string path = dir.Write("f", content);
  EXPECT_EQ(*ReadGuardedFile(path, 3), content);
  EXPECT_EQ(*ReadGuardedFile(dir.Write("empty", ""), 3), "");
}

TEST(FileGuard, F15_WritableByOthersIsRefused) {
  TempDir dir;
  const std::string path = dir.Write("f", "x");
  for (mode_t mode : {0666, 0620, 0602, 0777}) {
    chmod(path.c_str(), mode);
    EXPECT_EQ(ReadGuardedFile(path, 10).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(MessageOfReading(path).find("chmod go-w"), std::string::npos);
  }
  for (mode_t mode : {0400, 0600, 0644, 0755}) {
    chmod(path.c_str(), mode);
    EXPECT_TRUE(ReadGuardedFile(path, 10).ok()) << std::oct << mode;
  }
}

TEST(FileGuard, F15_SymlinkIsRefused) {
  TempDir dir;
  const std::string path = dir.Write("f", "x");
  ASSERT_EQ(symlink(path.c_str(), (dir / "link").c_str()), 0);
  EXPECT_NE(MessageOfReading(dir / "link").find("symbolic link"),
            std::string::npos);
}

TEST(FileGuard, F15_HardLinkIsRefused) {
  TempDir dir;
  const std::string path = dir.Write("f", "x");
  ASSERT_EQ(link(path.c_str(), (dir / "g").c_str()), 0);
  EXPECT_NE(MessageOfReading(path).find("2 hard links"), std::string::npos);
}

TEST(FileGuard, F15_OtherOwnerIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  TempDir dir;
  const std::string path = dir.Write("f", "x");
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_NE(MessageOfReading(path).find("owned by user 12345"),
            std::string::npos);
}

TEST(FileGuard, OtherKindsAreRefusedWithoutWaiting) {
  TempDir dir;
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_NE(MessageOfReading(dir / "fifo").find("not a regular file"),
            std::string::npos);
  EXPECT_NE(MessageOfReading(dir.path()).find("not a regular file"),
            std::string::npos);
}

TEST(FileGuard, F13_TooLargeIsRefused) {
  TempDir dir;
  const std::string path = dir.Write("f", std::string(11, 'x'));
  EXPECT_TRUE(ReadGuardedFile(path, 11).ok());
  EXPECT_EQ(ReadGuardedFile(path, 10).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(FileGuard, MissingIsNotFound) {
  TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(ReadGuardedFile(dir / "no", 1).status()));
  EXPECT_TRUE(absl::IsNotFound(CheckGuardedDirectory(dir / "no")));
}

TEST(FileGuard, F15_Directories) {
  TempDir dir;
  const std::string sub = dir.MakeDir("sub");
  EXPECT_TRUE(CheckGuardedDirectory(sub).ok());
  chmod(sub.c_str(), 01777);  // as /tmp: anybody could plant a file
  EXPECT_FALSE(CheckGuardedDirectory(sub).ok());
  chmod(sub.c_str(), 0755);
  ASSERT_EQ(symlink(sub.c_str(), (dir / "link").c_str()), 0);
  EXPECT_FALSE(CheckGuardedDirectory(dir / "link").ok());
  EXPECT_FALSE(CheckGuardedDirectory(dir.Write("file", "")).ok());
}

}  // namespace
}  // namespace sallyport
