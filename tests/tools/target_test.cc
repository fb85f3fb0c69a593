#include "tools/target.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "rules/app_pattern.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

class ResolveAppTest : public testing::Test {
 protected:
  ResolveAppTest() {
    std::string pattern = (fs::temp_directory_path() / "sp-target-XXXXXX");
    directory_ = fs::canonical(mkdtemp(pattern.data()));
  }
  ~ResolveAppTest() override { fs::remove_all(directory_); }

  std::string MakeFile(std::string_view name) {
    const fs::path path = directory_ / name;
    std::ofstream(path) << "x";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }

  fs::path directory_;
};

TEST_F(ResolveAppTest, LinksAreFollowedAndTold) {
  const std::string real = MakeFile("python3.11");
  fs::create_symlink("python3.11", directory_ / "python3");
  const auto name = ResolveApp((directory_ / "python3").string());
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->app, real);
  EXPECT_NE(name->note.find("python3.11"), std::string::npos);
  EXPECT_EQ(ResolveApp(real)->note, "");
}

TEST_F(ResolveAppTest, A38_AFileThatLooksLikeAGlobIsMeantByteForByte) {
  for (std::string_view name :
       {"a*b", "[x]", "q?", "back\\slash", "new\nline", "\xff\xfe"}) {
    const std::string path = MakeFile(name);
    const auto app = ResolveApp(path);
    ASSERT_TRUE(app.ok());
    EXPECT_EQ(app->path, path);
    const auto pattern = AppPattern::Parse(app->app);
    ASSERT_TRUE(pattern.ok()) << app->app;
    EXPECT_EQ(pattern->kind(), AppPattern::Kind::kExact);
    EXPECT_TRUE(pattern->Matches(path));
  }
}

TEST_F(ResolveAppTest, WhatIsNoFile) {
  EXPECT_EQ(ResolveApp("any")->app, "any");
  EXPECT_EQ(ResolveApp("/opt/**/x*")->app, "/opt/**/x*");
  const auto later = ResolveApp((directory_ / "later").string());
  ASSERT_TRUE(later.ok());
  EXPECT_EQ(later->app, (directory_ / "later").string());
  EXPECT_NE(later->note.find("does not exist"), std::string::npos);
  EXPECT_FALSE(ResolveApp("").ok());
  EXPECT_FALSE(ResolveApp("no-such-program-anywhere").ok());
}

TEST(ParseHostPort, Forms) {
  const struct {
    const char *typed, *host;
    int port;
  } kGood[] = {
      {"192.0.2.1", "192.0.2.1", -1},
      {"192.0.2.1:53", "192.0.2.1", 53},
      {"[::1]:53", "::1", 53},
      {"[::1]", "::1", -1},
      {"2001:db8::1", "2001:db8::1", -1},
      {"name.example:0", "name.example", 0},
      {"name:65535", "name", 65535},
  };
  for (const auto& c : kGood) {
    const auto got = ParseHostPort(c.typed);
    ASSERT_TRUE(got.ok()) << c.typed;
    EXPECT_EQ(got->host, c.host);
    EXPECT_EQ(got->port, c.port);
  }
  for (const char* bad : {"", ":53", "[::1", "[::1]x", "[]:1", "a:", "a:x",
                          "a:65536", "a:-1", "a:+1", "a: 1"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sallyport::cli
