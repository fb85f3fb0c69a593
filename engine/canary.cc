#include "engine/canary.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/clock.h"

namespace sallyport {
namespace {

constexpr size_t kIpv4AndUdpHeaderBytes = 28;

}  // namespace

Canary::Canary(uint16_t queue_count, MarkBits marks)
    : marks_(marks), nonce_(0), seen_(queue_count) {
  if (getrandom(&nonce_, sizeof(nonce_), 0) != sizeof(nonce_)) {
    nonce_ = static_cast<uint64_t>(MonotonicNs());
  }
}

Canary::~Canary() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Canary::Send() {
  if (fd_ < 0) {
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return absl::ErrnoToStatus(errno, "canary socket");
    const uint32_t mark = marks_.canary();
    if (setsockopt(fd_, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
      const int error = errno;
      close(fd_);
      fd_ = -1;
      return absl::ErrnoToStatus(error, "canary mark (CAP_NET_ADMIN)");
    }
  }
  const Tag tag{nonce_, round_.fetch_add(1, std::memory_order_relaxed) + 1};
  for (size_t i = 0; i < seen_.size(); ++i) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(kCanaryPortBase + i));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (sendto(fd_, &tag, sizeof(tag), 0, reinterpret_cast<sockaddr*>(&to),
               sizeof(to)) < 0) {
      return absl::ErrnoToStatus(
          errno, absl::StrCat("canary to queue ", i,
                              " (is loopback up? ip link set lo up)"));
    }
  }
  return absl::OkStatus();
}

bool Canary::AllBack() const {
  const uint64_t round = round_.load(std::memory_order_relaxed);
  if (round == 0) return false;
  for (const auto& seen : seen_) {
    if (seen.load(std::memory_order_relaxed) != round) return false;
  }
  return true;
}

bool Canary::Recognise(const QueuedPacket& packet, const Flow& flow,
                       uint16_t queue) {
  if ((packet.mark & marks_.mask) != marks_.canary()) return false;
  Tag tag;
  if (flow.protocol != kProtoUdp || queue >= seen_.size() ||
      flow.dst_port != kCanaryPortBase + queue ||
      packet.bytes.size() < kIpv4AndUdpHeaderBytes + sizeof(tag)) {
    return true;  // only somebody with CAP_NET_ADMIN can set the mark: dropped
  }
  memcpy(&tag, packet.bytes.data() + kIpv4AndUdpHeaderBytes, sizeof(tag));
  if (tag.nonce == nonce_) {
    seen_[queue].store(tag.round, std::memory_order_relaxed);
    if (AllBack()) {
      last_back_ns_.store(MonotonicNs(), std::memory_order_relaxed);
    }
  }
  return true;
}

}  // namespace sallyport
