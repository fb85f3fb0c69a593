#include "src/atomic_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

size_t Entries(const std::string& directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(directory)) {
    ++count;
  }
  return count;
}

TEST(AtomicFile, ReplacesTheWholeContent) {
  TempDir dir;
  AtomicFileWriter writer;
  ASSERT_TRUE(writer.Write(dir / "f", std::string(100'000, 'a')).ok());
  ASSERT_TRUE(writer.Write(dir / "f", "b").ok());
  EXPECT_EQ(ReadWhole(dir / "f"), "b");
  EXPECT_EQ(Entries(dir.path()), 1u);  // no temporary is left
  struct stat st;
  ASSERT_EQ(stat((dir / "f").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST(AtomicFile, RemoveOfNothingIsNoError) {
  TempDir dir;
  AtomicFileWriter writer;
  EXPECT_TRUE(writer.Remove(dir / "f").ok());
  ASSERT_TRUE(writer.Write(dir / "f", "x").ok());
  EXPECT_TRUE(writer.Remove(dir / "f").ok());
  EXPECT_EQ(Entries(dir.path()), 0u);
}

TEST(AtomicFile, DirectoryThatIsNotThere) {
  TempDir dir;
  AtomicFileWriter writer;
  EXPECT_FALSE(writer.Write(dir / "no/f", "x").ok());
}

TEST(AtomicFile, ManyAtOnce) {
  for (int count : {0, 1, 8, 9, 50}) {
    TempDir dir;
    AtomicFileWriter writer;
    std::vector<FileChange> changes;
    for (int i = 0; i < count; ++i) {
      const std::string name = std::to_string(i);
      if (i % 3 != 2) dir.Write(name, "old");
      changes.push_back({dir / name, std::nullopt});
      if (i % 3 != 0) changes.back().content = "new " + name;
    }
    ASSERT_TRUE(writer.Apply(changes).ok());
    size_t left = 0;
    for (int i = 0; i < count; ++i) {
      const std::string name = std::to_string(i);
      EXPECT_EQ(ReadWhole(dir / name), i % 3 == 0 ? "" : "new " + name);
      left += i % 3 != 0;
    }
    EXPECT_EQ(Entries(dir.path()), left) << count;
  }
}

TEST(AtomicFile, ManyAtOnceAreNotBegunIfOneCannotBeWritten) {
  TempDir dir;
  AtomicFileWriter writer;
  dir.Write("a", "old");
  dir.Write("b", "old");
  const FileChange changes[] = {{dir / "a", "new"},
                                {dir / "b", std::nullopt},
                                {dir / ("c/" + std::string(300, 'x')), "new"}};
  EXPECT_FALSE(writer.Apply(changes).ok());
  EXPECT_EQ(ReadWhole(dir / "a"), "old");
  EXPECT_EQ(ReadWhole(dir / "b"), "old");
  EXPECT_EQ(Entries(dir.path()), 2u);
}

// Exit code 0: the old content stood, the error was told, nothing was left.
void WriteMoreThanAllowed(const std::string& directory) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{4096, 4096};
  setrlimit(RLIMIT_FSIZE, &limit);
  AtomicFileWriter writer;
  const absl::Status status =
      writer.Write(directory + "/f", std::string(10'000, 'n'));
  const bool told = !status.ok();
  const bool kept = ReadWhole(directory + "/f") == "old";
  _exit(told && kept && Entries(directory) == 1 ? 0 : 1);
}

TEST(AtomicFile, F16_WriteThatFailsHalfwayLeavesTheOldFile) {
  TempDir dir;
  AtomicFileWriter writer;
  ASSERT_TRUE(writer.Write(dir / "f", "old").ok());
  EXPECT_EXIT(WriteMoreThanAllowed(dir.path()), ::testing::ExitedWithCode(0),
              "");
}

}  // namespace
}  // namespace sallyport
