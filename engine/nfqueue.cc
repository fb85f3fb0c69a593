#include "engine/nfqueue.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/adaptive_spin.h"
#include "engine/packet.h"
#include "engine/queue_message.h"
#include "engine/queue_table.h"

namespace sallyport {
namespace {

// Headers and attributes around the copied bytes are below 250; with these
// 2 KiB nothing is ever cut off, and if it were, MSG_TRUNC is noticed.
constexpr size_t kReceiveBytes = 2048;
static_assert(kReceiveBytes >= 2 * (kCopyRangeBytes + 256));

// A queue of 4096 messages of about 1 KiB of kernel memory each, doubled.
constexpr int kReceiveBufferBytes = 8 << 20;

// One verdict: nlmsghdr 16 + nfgenmsg 4 + verdict 12 + mark 8 + nested ct 20.
constexpr size_t kVerdictBytes = 64;

// Sequence numbers tell replies apart: verdicts carry none.
constexpr uint32_t kWakeSequence = 0x57414b45;
constexpr uint32_t kConfigSequence = 1;

absl::Status BindError(int error, uint16_t number) {
  const std::string queue = absl::StrCat("queue ", number, ": ");
  switch (error) {
    case EPERM:
    case EBUSY: {
      const auto holder = FindQueue(number);
      if (holder.has_value()) {
        return absl::AlreadyExistsError(absl::StrCat(
            queue, "already taken by the process with netlink port ",
            holder->portid,
            " (another firewall, or a second sallyportd in "
            "this network namespace); choose another --queue-base"));
      }
      return absl::PermissionDeniedError(
          absl::StrCat(queue, "not permitted: CAP_NET_ADMIN is needed"));
    }
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EINVAL:
      return absl::UnimplementedError(absl::StrCat(
          queue,
          "the kernel has no nfnetlink_queue (module nfnetlink_queue, "
          "option CONFIG_NETFILTER_NETLINK_QUEUE)"));
    default:
      return absl::ErrnoToStatus(error, absl::StrCat(queue, "bind"));
  }
}

class NfqueueSocket {
 public:
  NfqueueSocket() = default;
  ~NfqueueSocket() {
    if (fd_ >= 0) close(fd_);
  }
  NfqueueSocket(const NfqueueSocket&) = delete;
  NfqueueSocket& operator=(const NfqueueSocket&) = delete;

  int fd() const { return fd_; }

  absl::Status Open() {
    fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd_ < 0) {
      if (errno == EPROTONOSUPPORT) {
        return absl::UnimplementedError(
            "the kernel has no nfnetlink (module nfnetlink, option "
            "CONFIG_NETFILTER_NETLINK)");
      }
      return absl::ErrnoToStatus(errno, "netfilter netlink socket");
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    // Connected to the kernel: nobody else's datagrams can reach us.
    if (connect(fd_, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)) <
        0) {
      return absl::ErrnoToStatus(errno, "netfilter netlink connect");
    }
    const int one = 1;
    setsockopt(fd_, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    // An overrun is seen in the queue's own drop counters, which say how many;
    // ENOBUFS would say only that (CASES F05).
    setsockopt(fd_, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
    const int bytes = kReceiveBufferBytes;
    if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) <
        0) {
      // No CAP_NET_ADMIN in the initial user namespace: as far as rmem_max.
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    return absl::OkStatus();
  }

  // Sends one config message and waits for its ack. 0, or the errno.
  int Configure(nlmsghdr* message) {
    message->nlmsg_flags |= NLM_F_ACK;
    message->nlmsg_seq = kConfigSequence;
    if (send(fd_, message, message->nlmsg_len, 0) < 0) return errno;
    alignas(NLMSG_ALIGNTO) char buffer[8192];
    for (;;) {
      const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
      if (got < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      const auto* reply = reinterpret_cast<const nlmsghdr*>(buffer);
      int left = static_cast<int>(got);
      for (; mnl_nlmsg_ok(reply, left); reply = mnl_nlmsg_next(reply, &left)) {
        if (reply->nlmsg_type != NLMSG_ERROR ||
            reply->nlmsg_seq != kConfigSequence) {
          continue;
        }
        const auto* error =
            static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(reply));
        return -error->error;
      }
    }
  }

 private:
  int fd_ = -1;
};

int SetFlags(NfqueueSocket& socket, uint16_t number, uint32_t flags,
             uint32_t mask) {
  alignas(NLMSG_ALIGNTO) char buffer[256];
  nlmsghdr* message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
  mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
  mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(mask));
  return socket.Configure(message);
}

int Bind(NfqueueSocket& socket, uint16_t number) {
  alignas(NLMSG_ALIGNTO) char buffer[256];
  nlmsghdr* message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
  nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
  return socket.Configure(message);
}

class Nfqueue final : public PacketQueue {
 public:
  explicit Nfqueue(const NfqueueOptions& options) : options_(options) {
    for (size_t i = 0; i < kMaxBatch; ++i) {
      vectors_[i] = {buffers_[i].data(), kReceiveBytes};
      headers_[i] = {};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  absl::Status Open() {
    if (absl::Status status = socket_.Open(); !status.ok()) return status;
    if (int error = Bind(socket_, options_.number); error != 0) {
      return BindError(error, options_.number);
    }
    alignas(NLMSG_ALIGNTO) char buffer[256];
    nlmsghdr* message =
        nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, options_.number);
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, kCopyRangeBytes);
    if (int error = socket_.Configure(message); error != 0) {
      return absl::ErrnoToStatus(error, "queue copy range");
    }
    if (int error = SetMaxLength(kConfigSequence); error != 0) {
      return absl::ErrnoToStatus(error, "queue length");
    }
    uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID;
    if (options_.on_failure == FailPosture::kOpen) {
      flags |= NFQA_CFG_F_FAIL_OPEN;
    }
    if (int error = SetFlags(socket_, options_.number, flags, flags);
        error != 0) {
      return absl::ErrnoToStatus(error, "queue flags (GSO, UID_GID)");
    }
    return absl::OkStatus();
  }

  ReceiveStatus Receive(std::span<QueuedPacket> packets,
                        size_t* count) override {
    *count = 0;
    const unsigned room =
        static_cast<unsigned>(std::min(packets.size(), kMaxBatch));
    const int got = ReceiveDatagrams(room);
    if (got < 0) return ReceiveError(errno);
    for (int i = 0; i < got; ++i) {
      if ((headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        counters_.truncated.fetch_add(1, std::memory_order_relaxed);
        // What there is of it is read all the same: the id comes first, and
        // every id wants an answer (CASES B15).
        reinterpret_cast<nlmsghdr*>(buffers_[i].data())->nlmsg_len =
            headers_[i].msg_len;
      }
      TakeDatagram(buffers_[i].data(), headers_[i].msg_len, packets, count);
    }
    if (*count == 0) return ReceiveStatus::kWoken;
    counters_.received.fetch_add(*count, std::memory_order_relaxed);
    return ReceiveStatus::kPackets;
  }

  void Answer(std::span<const PacketAnswer> answers) override {
    alignas(NLMSG_ALIGNTO) char buffer[kMaxBatch * kVerdictBytes];
    char* end = buffer;
    for (const PacketAnswer& answer : answers) end = PutVerdict(end, answer);
    const size_t bytes = static_cast<size_t>(end - buffer);
    while (send(socket_.fd(), buffer, bytes, 0) < 0) {
      if (errno == EINTR) continue;
      counters_.send_errors.fetch_add(1, std::memory_order_relaxed);
      counters_.last_errno.store(errno, std::memory_order_relaxed);
      return;
    }
  }

  void Wake() override {
    // The kernel's ack to any config message wakes the receiver; setting the
    // length again changes nothing.
    SetMaxLength(kWakeSequence);
  }

  const QueueCounters& counters() const override { return counters_; }

 private:
  // Number of datagrams, or -1 and errno.
  int ReceiveDatagrams(unsigned room) {
    int got = -1;
    if (spin_.Begin()) {
      do {
        got = recvmmsg(socket_.fd(), headers_.data(), room, MSG_DONTWAIT,
                       nullptr);
      } while (got < 0 && errno == EAGAIN && spin_.KeepOn());
      if (got < 0 && errno != EAGAIN) return got;
    }
    const bool sleeps = got < 0;
    if (sleeps) {
      got = recvmmsg(socket_.fd(), headers_.data(), room, MSG_WAITFORONE,
                     nullptr);
    }
    spin_.End(sleeps);
    return got;
  }

  int SetMaxLength(uint32_t sequence) {
    alignas(NLMSG_ALIGNTO) char buffer[256];
    nlmsghdr* message =
        nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, options_.number);
    nfq_nlmsg_cfg_put_qmaxlen(message, options_.max_length);
    if (sequence == kConfigSequence) return socket_.Configure(message);
    message->nlmsg_flags |= NLM_F_ACK;
    message->nlmsg_seq = sequence;
    return send(socket_.fd(), message, message->nlmsg_len, 0) < 0 ? errno : 0;
  }

  ReceiveStatus ReceiveError(int error) {
    if (error == EINTR) return ReceiveStatus::kWoken;
    counters_.last_errno.store(error, std::memory_order_relaxed);
    if (error == ENOBUFS) {
      counters_.overflows.fetch_add(1, std::memory_order_relaxed);
      return ReceiveStatus::kWoken;
    }
    return ReceiveStatus::kFailed;
  }

  // Usually one message; nothing says it must be.
  void TakeDatagram(const char* data, size_t bytes,
                    std::span<QueuedPacket> packets, size_t* count) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(data);
    int left = static_cast<int>(bytes);
    for (; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_ERROR) {
        TakeError(message);
      } else if (*count < packets.size() &&
                 ParseQueuedPacket(message, &packets[*count])) {
        ++*count;
      }
    }
  }

  void TakeError(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr)) return;
    const auto* error =
        static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    if (error->error == -ENOENT) {
      counters_.vanished.fetch_add(1, std::memory_order_relaxed);
    } else if (error->error != 0) {
      counters_.send_errors.fetch_add(1, std::memory_order_relaxed);
      counters_.last_errno.store(-error->error, std::memory_order_relaxed);
    }
  }

  char* PutVerdict(char* at, const PacketAnswer& answer) const {
    nlmsghdr* message = nfq_nlmsg_put(at, NFQNL_MSG_VERDICT, options_.number);
    const int verdict = answer.verdict == Verdict::kDeny ? NF_DROP : NF_ACCEPT;
    nfq_nlmsg_verdict_put(message, static_cast<int>(answer.id), verdict);
    const uint32_t foreign = answer.mark & ~options_.marks.mask;
    if (answer.verdict == Verdict::kReject) {
      nfq_nlmsg_verdict_put_mark(message, foreign | options_.marks.rejected());
    } else if (answer.verdict == Verdict::kAllow) {
      PutSettle(message, foreign);
    }
    return at + NLMSG_ALIGN(message->nlmsg_len);
  }

  void PutSettle(nlmsghdr* message, uint32_t foreign_mark) const {
    switch (options_.settle) {
      case SettleBy::kSecondChain:
        return;
      case SettleBy::kConntrackAttribute: {
        nlattr* nest = mnl_attr_nest_start(message, NFQA_CT);
        mnl_attr_put_u32(message, CTA_MARK, htonl(options_.marks.allowed()));
        mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(options_.marks.mask));
        mnl_attr_nest_end(message, nest);
        return;
      }
      case SettleBy::kPacketMark:
        // A changed mark makes the kernel route the packet anew (nf_reroute).
        // A packet that carries somebody's mark must not be: it may be policy
        // routed (wg-quick). It stays unsettled, each of its flow is judged.
        if (foreign_mark == 0) {
          nfq_nlmsg_verdict_put_mark(message, options_.marks.allowed());
        }
        return;
    }
  }

  const NfqueueOptions options_;
  NfqueueSocket socket_;
  AdaptiveSpin spin_;  // the receiver's own
  QueueCounters counters_;
  // Worker thread only:
  std::array<std::array<char, kReceiveBytes>, kMaxBatch> buffers_;
  std::array<iovec, kMaxBatch> vectors_;
  std::array<mmsghdr, kMaxBatch> headers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PacketQueue>> OpenNfqueue(
    const NfqueueOptions& options) {
  auto queue = std::make_unique<Nfqueue>(options);
  if (absl::Status status = queue->Open(); !status.ok()) return status;
  return queue;
}

absl::StatusOr<bool> ProbeConntrackAttribute(uint16_t number) {
  NfqueueSocket socket;
  if (absl::Status status = socket.Open(); !status.ok()) return status;
  if (int error = Bind(socket, number); error != 0) {
    return BindError(error, number);
  }
  // EAGAIN: the kernel loaded ctnetlink just now and wants to be asked again.
  int error = EAGAIN;
  for (int tries = 0; tries < 3 && error == EAGAIN; ++tries) {
    error =
        SetFlags(socket, number, NFQA_CFG_F_CONNTRACK, NFQA_CFG_F_CONNTRACK);
  }
  return error == 0;
}

}  // namespace sallyport
