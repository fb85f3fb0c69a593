#ifndef SALLYPORT_ENGINE_NETLINK_CONNTRACK_H_
#define SALLYPORT_ENGINE_NETLINK_CONNTRACK_H_

// NetlinkConntrack: the real Conntrack, ctnetlink through libmnl. Needs
// CAP_NET_ADMIN. Errors: PermissionDenied; Unimplemented where the kernel lacks
// ctnetlink (CONFIG_NF_CT_NETLINK, module nf_conntrack_netlink).

#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "engine/conntrack.h"

struct mnl_socket;
struct nlmsghdr;

namespace sallyport {

class NetlinkConntrack final : public Conntrack {
 public:
  static absl::StatusOr<std::unique_ptr<NetlinkConntrack>> Open();
  ~NetlinkConntrack() override;

  absl::StatusOr<ConntrackDump> Dump(uint32_t mask, uint32_t value) override;
  absl::Status Delete(const ConntrackEntry& entry) override;
  absl::StatusOr<size_t> SetMark(std::span<const ConntrackEntry> entries,
                                 uint32_t mask, uint32_t value) override;

 private:
  explicit NetlinkConntrack(mnl_socket* socket) : socket_(socket) {}

  mnl_socket* const socket_;
  uint32_t sequence_ = 0;
};

// One conntrack message; nullopt if it lacks a tuple we understand. Pure.
std::optional<ConntrackEntry> ParseConntrackEntry(const nlmsghdr* header);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_NETLINK_CONNTRACK_H_
