#include "src/api_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0 ? st.st_mode : 0;
}

TEST(ApiSocket, MadeForRootAndTheGroupAlone) {
  TempDir dir;
  const mode_t old = umask(0);
  auto socket = ListeningSocket::Open(dir / "run/s", getegid(), false);
  umask(old);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(ModeOf(dir / "run/s") & 07777, 0660u);
  EXPECT_EQ(ModeOf(dir / "run") & 07777, 0755u);
  socket->reset();
  EXPECT_EQ(ModeOf(dir / "run/s"), 0u);
  // Without a group: nobody but us.
  socket = ListeningSocket::Open(dir / "run/s", std::nullopt, false);
  EXPECT_EQ(ModeOf(dir / "run/s") & 07777, 0600u);
  socket->reset();
  socket = ListeningSocket::Open(dir / "run/s", std::nullopt, true);
  EXPECT_EQ(ModeOf(dir / "run/s") & 07777, 0666u);
}

TEST(ApiSocket, F11_SecondDaemonIsRefusedAndToldWhoHoldsIt) {
  TempDir dir;
  auto first = ListeningSocket::Open(dir / "s", std::nullopt, false);
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = ListeningSocket::Open(dir / "s", std::nullopt, false);
  ASSERT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(absl::StrContains(second.status().message(),
                                absl::StrCat("process ", getpid())))
      << second.status();
  EXPECT_TRUE(S_ISSOCK(ModeOf(dir / "s")));
  first->reset();
  EXPECT_TRUE(ListeningSocket::Open(dir / "s", std::nullopt, false).ok());
}

// Somebody who listens there without our lock: an older daemon, another
// program.
TEST(ApiSocket, F11_ListenerWithoutLockIsNotPushedAside) {
  TempDir dir;
  const std::string path = dir / "s";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  ASSERT_EQ(listen(fd, 1), 0);
  auto ours = ListeningSocket::Open(path, std::nullopt, false);
  EXPECT_TRUE(absl::IsAlreadyExists(ours.status())) << ours.status();
  EXPECT_TRUE(
      absl::StrContains(ours.status().message(), absl::StrCat(getpid())));
  close(fd);  // what a killed daemon leaves
  EXPECT_TRUE(S_ISSOCK(ModeOf(path)));
  EXPECT_TRUE(ListeningSocket::Open(path, std::nullopt, false).ok());
}

TEST(ApiSocket, WhatIsNoSocketStays) {
  TempDir dir;
  dir.Write("s", "precious");
  EXPECT_FALSE(ListeningSocket::Open(dir / "s", std::nullopt, false).ok());
  EXPECT_EQ(ReadWhole(dir / "s"), "precious");
}

TEST(ApiSocket, UnsafePlacesAreRefused) {
  TempDir dir;
  const std::string open_dir = dir.MakeDir("open");
  chmod(open_dir.c_str(), 0777);
  EXPECT_FALSE(
      ListeningSocket::Open(open_dir + "/s", std::nullopt, false).ok());
  EXPECT_FALSE(ListeningSocket::Open("relative", std::nullopt, false).ok());
  EXPECT_FALSE(ListeningSocket::Open("", std::nullopt, false).ok());
  EXPECT_FALSE(
      ListeningSocket::Open(dir / std::string(200, 'x'), std::nullopt, false)
          .ok());
  EXPECT_FALSE(ListeningSocket::Open(dir / "a/b/s", std::nullopt, false).ok());
}

TEST(ApiSocket, SquattersSocketIsNotRemovedByUs) {
  TempDir dir;
  auto socket = ListeningSocket::Open(dir / "s", std::nullopt, false);
  ASSERT_TRUE(socket.ok());
  unlink((dir / "s").c_str());
  dir.Write("s", "another's");
  socket->reset();
  EXPECT_EQ(ReadWhole(dir / "s"), "another's");
}

}  // namespace
}  // namespace sallyport
