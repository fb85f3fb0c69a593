#include "proc/process_events.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proc/unique_fd.h"

namespace sallyport {
namespace {

using proc::UniqueFd;
using proc::WorkBudget;

// Bytes; some 10,000 events.
constexpr int kReceiveBufferBytes = 4 << 20;
// One turn: at most so many batches, and /proc calls for what they tell (some
// 4 ms): the ruleset waits for its turn on the same thread. What is left is
// done in the next one, or by the lookup that needs it.
constexpr int kMaxBatches = 4;
constexpr size_t kBatch = 64;
constexpr int kCallsPerTurn = 1024;

// Of kthreadd, which never leaves the first namespace and which, other than
// init, is never closed to us (a container's pid 2 leads nowhere new).
constexpr char kInitialNamespace[] = "/proc/2/ns/net";

// A connector message as it lies in a datagram.
constexpr size_t kEventAt = sizeof(nlmsghdr) + sizeof(cn_msg);
constexpr size_t kDataAt = kEventAt + offsetof(proc_event, event_data);

// Values of proc_event::what; older headers keep them inside the struct.
constexpr uint32_t kNone = 0, kFork = 1, kExec = 2, kExit = 0x80000000;

// Between is_behind_ and the queue, which is the kernel's: ThreadSanitizer
// could not see that, and GCC refuses fences with it.
void FullFence() {
#ifndef __SANITIZE_THREAD__
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

absl::Status LastError(const char* what) {
  return absl::UnavailableError(
      absl::StrCat("process events: ", what, ": ", std::strerror(errno)));
}

// Births and deaths of threads are left out in the kernel: they would wake us
// for nothing. Classic BPF loads words in network order, and so compares them.
bool KeepProcessesOnly(int fd) {
  constexpr uint32_t kChildPid = kDataAt + 8, kChildTgid = kDataAt + 12;
  constexpr uint32_t kPid = kDataAt, kTgid = kDataAt + 4;
  // Jumps count instructions from the next one.
  std::array<sock_filter, 15> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kEventAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(kNone), 11, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(kExec), 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(kExit), 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(kFork), 0, 9),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kChildPid),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kChildTgid),
      BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPid),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kTgid),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                    sizeof(program)) == 0;
}

bool Listen(int fd) {
  struct {
    nlmsghdr header;
    uint8_t message[sizeof(cn_msg) + sizeof(uint32_t)];
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = NLMSG_DONE;
  cn_msg message{};
  message.id = {CN_IDX_PROC, CN_VAL_PROC};
  message.len = sizeof(uint32_t);
  const uint32_t operation = PROC_CN_MCAST_LISTEN;
  std::memcpy(request.message, &message, sizeof(message));
  std::memcpy(request.message + sizeof(message), &operation, sizeof(operation));
  return send(fd, &request, sizeof(request), 0) >= 0;
}

class ProcConnector : public ProcessEventSource {
 public:
  explicit ProcConnector(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const override { return fd_.get(); }

  int Read(std::span<ProcessEvent> events) override {
    size_t count = 0;
    // What went wrong behind the events of the last call.
    if (pending_error_ != 0) return -std::exchange(pending_error_, 0);
    while (count < events.size()) {
      std::array<uint8_t, 512> datagram;
      ssize_t got =
          recv(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        if (errno == EAGAIN) break;
        if (count == 0) return -errno;
        pending_error_ = errno;
        break;
      }
      if (Parse({datagram.data(), static_cast<size_t>(got)}, &events[count])) {
        ++count;
      }
    }
    return static_cast<int>(count);
  }

  // poll and not recv, which would take the word of a loss (ENOBUFS) away.
  bool is_drained() const override {
    pollfd fd{fd_.get(), POLLIN, 0};
    return poll(&fd, 1, 0) == 0;
  }

  // The kernel says nothing at all where it does not let us listen.
  bool IsAnswered() {
    std::array<uint8_t, 512> datagram;
    ssize_t got =
        recv(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    return got >= static_cast<ssize_t>(kDataAt + sizeof(uint32_t));
  }

 private:
  static bool Parse(std::span<const uint8_t> datagram, ProcessEvent* event) {
    if (datagram.size() < kDataAt + 16) return false;
    auto word = [&](size_t at) {
      uint32_t value;
      std::memcpy(&value, datagram.data() + at, sizeof(value));
      return value;
    };
    switch (word(kEventAt)) {
      case kFork:
        *event = {ProcessEvent::Kind::kFork,
                  static_cast<int32_t>(word(kDataAt + 12))};
        return true;
      case kExec:
        *event = {ProcessEvent::Kind::kExec,
                  static_cast<int32_t>(word(kDataAt + 4))};
        return true;
      case kExit:
        *event = {ProcessEvent::Kind::kExit,
                  static_cast<int32_t>(word(kDataAt + 4))};
        return true;
      default:
        return false;
    }
  }

  UniqueFd fd_;
  int pending_error_ = 0;  // errno; the reader's own
};

absl::StatusOr<std::unique_ptr<ProcessEventSource>> OpenHere() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                     NETLINK_CONNECTOR));
  if (!fd.ok()) return LastError("socket");
  int bytes = kReceiveBufferBytes;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
  if (!KeepProcessesOnly(fd.get())) return LastError("filter");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    if (errno != EPERM) return LastError("bind");
    return absl::PermissionDeniedError(
        "process events: missing CAP_NET_ADMIN in the initial user namespace");
  }
  if (!Listen(fd.get())) return LastError("no connector in this namespace");
  auto source = std::make_unique<ProcConnector>(std::move(fd));
  if (!source->IsAnswered()) {
    return absl::UnavailableError(
        "process events: not in the initial user and pid namespaces, or the "
        "kernel lacks CONFIG_PROC_EVENTS");
  }
  return source;
}

// On a thread of its own: a network namespace belongs to a thread.
absl::StatusOr<std::unique_ptr<ProcessEventSource>> OpenInInitialNamespace() {
  UniqueFd initial(open(kInitialNamespace, O_RDONLY | O_CLOEXEC));
  if (!initial.ok()) return LastError(kInitialNamespace);
  absl::StatusOr<std::unique_ptr<ProcessEventSource>> source =
      absl::UnavailableError("");
  std::thread([&] {
    if (setns(initial.get(), CLONE_NEWNET) != 0) {
      source = LastError("not in the initial network namespace");
    } else {
      source = OpenHere();
    }
  }).join();
  return source;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProcessEventSource>> OpenProcessEvents() {
  auto source = OpenHere();
  return source.ok() ? std::move(source) : OpenInInitialNamespace();
}

bool ProcessEventFeed::is_all_heard() const {
  if (!source_->is_drained()) return false;
  // In this order: what was taken from the source before we found it empty
  // was taken while is_behind_ was set.
  FullFence();
  return !is_behind_.load(std::memory_order_acquire);
}

absl::Status ProcessEventFeed::HandleReadable() {
  is_behind_.store(true, std::memory_order_relaxed);
  FullFence();
  bool is_told_all = false;
  absl::Status status = TellTable(&is_told_all);
  // Stays behind for ever if the source is broken.
  if (is_told_all) is_behind_.store(false, std::memory_order_release);
  return status;
}

absl::Status ProcessEventFeed::TellTable(bool* is_told_all) {
  std::array<ProcessEvent, kBatch> events;
  WorkBudget budget = WorkBudget::Calls(kCallsPerTurn);
  for (int n = 0; n < kMaxBatches; ++n) {
    const int count = source_->Read(events);
    if (count == -ENOBUFS) {
      ++losses_;
      is_lost_ = true;
      continue;
    }
    if (count < 0) {
      errno = -count;
      return LastError("read");
    }
    if (count == 0) {
      // Only an empty socket tells of the next loss (af_netlink.c,
      // netlink_overrun), so only now is a fresh look worth something.
      if (is_lost_ && !table_->Resync().ok()) return absl::OkStatus();
      is_lost_ = false;
      *is_told_all = true;
      return absl::OkStatus();
    }
    Tell({events.data(), static_cast<size_t>(count)}, &budget);
  }
  return absl::OkStatus();
}

void ProcessEventFeed::Tell(std::span<const ProcessEvent> events,
                            WorkBudget* budget) {
  for (const ProcessEvent& event : events) {
    if (event.kind == ProcessEvent::Kind::kFork) table_->OnFork(event.pid);
  }
  table_->CatchUp(ProcessTable::Lane::kSlow, budget);
  for (const ProcessEvent& event : events) {
    if (event.kind == ProcessEvent::Kind::kExec) {
      table_->OnExec(event.pid, budget);
    }
  }
  for (const ProcessEvent& event : events) {
    if (event.kind == ProcessEvent::Kind::kExit) table_->OnExit(event.pid);
  }
}

}  // namespace sallyport
