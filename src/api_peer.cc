#include "src/api_peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sallyport {

Tier TierOf(const Peer& peer, std::optional<gid_t> control_gid) {
  if (peer.uid == 0) return Tier::kControl;
  if (!control_gid.has_value()) return Tier::kOwnFlows;
  if (peer.gid == *control_gid ||
      std::find(peer.groups.begin(), peer.groups.end(), *control_gid) !=
          peer.groups.end()) {
    return Tier::kControl;
  }
  return Tier::kOwnFlows;
}

absl::StatusOr<Peer> ReadPeer(int fd, std::optional<gid_t> control_gid) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return absl::ErrnoToStatus(errno, "SO_PEERCRED");
  }
  Peer peer;
  peer.pid = credentials.pid;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  // Asked with no room first: ERANGE tells the size.
  length = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) != 0 &&
      errno == ERANGE) {
    peer.groups.resize(length / sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(),
                   &length) != 0) {
      return absl::ErrnoToStatus(errno, "SO_PEERGROUPS");
    }
  }
  peer.tier = TierOf(peer, control_gid);
  return peer;
}

}  // namespace sallyport
