#include "engine/nft_socket.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

// A dump part is at most 32 KiB in current kernels (netlink's own limit).
constexpr size_t kReceiveBytes = 64 * 1024;

const nlmsgerr* ErrorOf(const nlmsghdr* header) {
  return static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
}

}  // namespace

NftBatch::NftBatch(uint16_t family) : family_(family) {
  bytes_.resize(kMaxMessageBytes);
  bytes_.resize(nftnl_batch_begin(bytes_.data(), sequence_++)->nlmsg_len);
}

void NftBatch::Add(uint16_t type, uint16_t flags,
                   const std::function<void(nlmsghdr*)>& build) {
  const size_t at = bytes_.size();
  bytes_.resize(at + kMaxMessageBytes);
  nlmsghdr* header = nftnl_nlmsg_build_hdr(
      bytes_.data() + at, type, family_,
      static_cast<uint16_t>(flags | NLM_F_ACK), sequence_++);
  build(header);
  assert(header->nlmsg_len <= kMaxMessageBytes);
  bytes_.resize(at + MNL_ALIGN(header->nlmsg_len));
}

void NftBatch::Finish(End end) {
  // Without its end the kernel validates a batch and then aborts it.
  if (end == End::kCheck) return;
  const size_t at = bytes_.size();
  bytes_.resize(at + kMaxMessageBytes);
  bytes_.resize(at +
                nftnl_batch_end(bytes_.data() + at, sequence_++)->nlmsg_len);
}

void NftSocket::Close::operator()(mnl_socket* socket) const {
  mnl_socket_close(socket);
}

absl::StatusOr<NftSocket> NftSocket::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (socket == nullptr) {
    return NftErrorToStatus(errno, "cannot open a netfilter netlink socket");
  }
  NftSocket opened(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    return NftErrorToStatus(errno, "cannot bind a netfilter netlink socket");
  }
  return opened;
}

int NftSocket::Run(NftBatch batch, NftBatch::End end) {
  batch.Finish(end);
  if (mnl_socket_sendto(socket_.get(), batch.bytes_.data(),
                        batch.bytes_.size()) < 0) {
    return errno;
  }
  int first_error = 0;
  std::vector<char> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t received = recv(mnl_socket_get_fd(socket_.get()),
                                  buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return first_error;
      return first_error != 0 ? first_error : errno;
    }
    int left = static_cast<int>(received);
    auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      if (first_error == 0) first_error = -ErrorOf(header)->error;
    }
  }
}

int NftSocket::Ask(uint16_t type, uint16_t family, bool dump,
                   const std::function<void(nlmsghdr*)>& build,
                   const std::function<void(const nlmsghdr*)>& each) {
  std::vector<char> buffer(kReceiveBytes);
  const auto flags = static_cast<uint16_t>(dump ? NLM_F_DUMP : NLM_F_ACK);
  nlmsghdr* request =
      nftnl_nlmsg_build_hdr(buffer.data(), type, family, flags, ++sequence_);
  build(request);
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) {
    return errno;
  }
  bool interrupted = false;
  for (;;) {
    const ssize_t received = recv(mnl_socket_get_fd(socket_.get()),
                                  buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    int left = static_cast<int>(received);
    auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence_) continue;
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) return -ErrorOf(header)->error;
      if (header->nlmsg_type == NLMSG_DONE) return interrupted ? EINTR : 0;
      each(header);
    }
  }
}

absl::Status NftErrorToStatus(int error, const char* what) {
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          what,
          ": changing the kernel's ruleset needs CAP_NET_ADMIN; run as "
          "root, or by the service unit, which grants it"));
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
      return absl::UnimplementedError(absl::StrCat(
          what,
          ": the kernel has no netfilter netlink; load module nfnetlink "
          "(CONFIG_NETFILTER_NETLINK)"));
    case EOPNOTSUPP:
      return absl::UnimplementedError(absl::StrCat(
          what,
          ": the kernel has no nf_tables for family inet; load module "
          "nf_tables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)"));
    default:
      return absl::ErrnoToStatus(error, what);
  }
}

}  // namespace sallyport
