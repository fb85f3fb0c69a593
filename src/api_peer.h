#ifndef SALLYPORT_SRC_API_PEER_H_
#define SALLYPORT_SRC_API_PEER_H_

// Who is at the other end of the control socket, and what that one may do.
// Taken from the kernel at connect (SO_PEERCRED, SO_PEERGROUPS), never from
// the message. Pure but for ReadPeer; any thread.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport {

// Each tier may do what those below it may.
enum class Tier : uint8_t {
  kOwnFlows,  // version, status without paths, events of the own uid
  kControl,   // root and the control group: everything
};

struct Peer {
  pid_t pid = 0;  // for messages; never to authorise by
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  Tier tier = Tier::kOwnFlows;

  // Set if only this uid's flows may be shown.
  std::optional<uint32_t> only_uid() const {
    if (tier >= Tier::kControl) return std::nullopt;
    return uid;
  }
};

// The control group's id; unset if that group does not exist.
Tier TierOf(const Peer& peer, std::optional<gid_t> control_gid);

absl::StatusOr<Peer> ReadPeer(int fd, std::optional<gid_t> control_gid);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_API_PEER_H_
