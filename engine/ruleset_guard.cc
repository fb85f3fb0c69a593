#include "engine/ruleset_guard.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "engine/divert_ruleset.h"
#include "engine/nft_socket.h"

namespace sallyport {
namespace {

// Room for the events of a flush of some thousand rules while we repair.
constexpr int kReceiveBufferBytes = 1 << 20;
// The kernel sends at most 8 KiB of events in one datagram.
constexpr size_t kDatagramBytes = 64 * 1024;
// Somebody who changes our table in a loop must not keep us here for ever; the
// events of his next change call us again.
constexpr int kMaxRepairAttempts = 8;

static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 &&
                  NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
                  NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 &&
                  NFTA_FLOWTABLE_TABLE == 1,
              "the table's name is attribute 1 of every event");

int MatchTableName(const nlattr* attribute, void* ours) {
  if (mnl_attr_get_type(attribute) != NFTA_TABLE_NAME) return MNL_CB_OK;
  const std::string_view name(
      static_cast<const char*>(mnl_attr_get_payload(attribute)),
      mnl_attr_get_payload_len(attribute));
  *static_cast<bool*>(ours) = name.substr(0, name.find('\0')) == kTableName;
  return MNL_CB_STOP;
}

bool IsAboutOurTable(const nlmsghdr* header) {
  if (NFNL_SUBSYS_ID(header->nlmsg_type) != NFNL_SUBSYS_NFTABLES) return false;
  if (NFNL_MSG_TYPE(header->nlmsg_type) == NFT_MSG_NEWGEN) return false;
  if (mnl_nlmsg_get_payload_len(header) < sizeof(nfgenmsg)) return false;
  const auto* generic =
      static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header));
  if (generic->nfgen_family != NFPROTO_INET) return false;
  bool ours = false;
  mnl_attr_parse(header, sizeof(nfgenmsg), MatchTableName, &ours);
  return ours;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RulesetGuard>> RulesetGuard::Open() {
  mnl_socket* socket =
      mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) {
    return NftErrorToStatus(errno, "cannot listen to changes of the ruleset");
  }
  std::unique_ptr<RulesetGuard> guard(new RulesetGuard(socket));
  // Without the privilege the default size has to do; an overflow is noticed.
  setsockopt(guard->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
             sizeof(kReceiveBufferBytes));
  int group = NFNLGRP_NFTABLES;
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group,
                            sizeof(group)) < 0) {
    return NftErrorToStatus(errno, "cannot listen to changes of the ruleset");
  }
  return guard;
}

RulesetGuard::~RulesetGuard() { mnl_socket_close(socket_); }

int RulesetGuard::fd() const { return mnl_socket_get_fd(socket_); }

RulesetGuard::Seen RulesetGuard::HandleReadable() {
  alignas(nlmsghdr) std::array<char, kDatagramBytes> buffer;
  Seen seen = Seen::kNothing;
  for (;;) {
    const ssize_t received =
        recv(fd(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return seen;
      seen = Seen::kOverflow;
      if (errno != ENOBUFS) return seen;
      continue;
    }
    const auto length = static_cast<size_t>(received);
    if (length > buffer.size()) {
      seen = Seen::kOverflow;  // a datagram we could not take whole
    } else if (seen == Seen::kNothing &&
               TouchesOurTable(std::span(buffer.data(), length))) {
      seen = Seen::kTouched;
    }
  }
}

bool TouchesOurTable(std::span<const char> bytes) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data());
  int left = static_cast<int>(bytes.size());
  for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
    if (IsAboutOurTable(header)) return true;
  }
  return false;
}

absl::StatusOr<bool> RepairIfDamaged(Divert& divert) {
  absl::Status status;
  for (int attempt = 0; attempt < kMaxRepairAttempts; ++attempt) {
    absl::StatusOr<bool> intact = divert.Verify();
    if (!intact.ok()) return intact.status();
    if (*intact) return attempt > 0;
    status = divert.Install();
    if (status.ok()) return true;
    if (!absl::IsAborted(status)) return status;  // changed again meanwhile
  }
  return status;
}

}  // namespace sallyport
