#include "src/api_peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sallyport {
namespace {

Peer MakePeer(uid_t uid, gid_t gid, std::vector<gid_t> groups) {
  Peer peer;
  peer.uid = uid;
  peer.gid = gid;
  peer.groups = std::move(groups);
  return peer;
}

TEST(ApiPeer, Tiers) {
  struct {
    Peer peer;
    std::optional<gid_t> control;
    Tier tier;
  } cases[] = {
      {MakePeer(0, 0, {}), std::nullopt, Tier::kControl},
      {MakePeer(1000, 1000, {}), 50, Tier::kOwnFlows},
      {MakePeer(1000, 50, {}), 50, Tier::kControl},
      {MakePeer(1000, 1000, {4, 50}), 50, Tier::kControl},
      {MakePeer(1000, 1000, {4, 50}), std::nullopt, Tier::kOwnFlows},
      // Group 0 is no control group, whoever is in it.
      {MakePeer(1000, 0, {0}), std::nullopt, Tier::kOwnFlows},
      {MakePeer(65534, 65534, {}), 50, Tier::kOwnFlows},
  };
  for (const auto& c : cases) EXPECT_EQ(TierOf(c.peer, c.control), c.tier);
}

TEST(ApiPeer, ComesFromTheKernel) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  absl::StatusOr<Peer> peer = ReadPeer(fds[0], std::nullopt);
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->pid, getpid());
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->gid, getegid());
  close(fds[0]);
  close(fds[1]);
  EXPECT_FALSE(ReadPeer(fds[0], std::nullopt).ok());
}

}  // namespace
}  // namespace sallyport
