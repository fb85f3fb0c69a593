#ifndef SALLYPORT_ENGINE_PACKET_QUEUE_H_
#define SALLYPORT_ENGINE_PACKET_QUEUE_H_

// PacketQueue: one kernel queue of packets that wait for a verdict. Receive is
// for the one worker thread that owns the queue; Answer, Wake and counters may
// be called from any thread. Kernel surface: the real one is Nfqueue
// (engine/nfqueue.h), the fake is in tests/engine.

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "rules/verdict.h"

namespace sallyport {

// A packet as received. `bytes` borrows from the queue's receive buffer until
// the next Receive.
struct QueuedPacket {
  uint32_t id = 0;      // the kernel's name for it in this queue
  uint32_t length = 0;  // real length; `bytes` is the captured part
  std::span<const uint8_t> bytes;
  uint32_t mark = 0;
  uint32_t out_ifindex = 0;
  std::optional<uint32_t> uid;  // NFQA_UID: the socket's, at enqueue time
};

// What the kernel is told about one packet.
struct PacketAnswer {
  uint32_t id = 0;
  uint32_t mark = 0;  // the packet's mark as received
  Verdict verdict = Verdict::kDeny;
};

// Packets taken by one Receive. Larger batches save system calls under load
// but make the first packet of a batch wait for the last.
inline constexpr size_t kMaxBatch = 32;

enum class ReceiveStatus : uint8_t {
  kPackets,  // at least one packet
  kWoken,    // Wake was called, or only control messages came
  kFailed,   // the socket is unusable; errno is kept in counters
};

struct QueueCounters {
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> truncated{0};  // longer than the receive buffer
  std::atomic<uint64_t> vanished{0};   // ENOENT to a verdict (CASES B19)
  std::atomic<uint64_t> overflows{0};  // ENOBUFS (CASES F05)
  std::atomic<uint64_t> send_errors{0};
  std::atomic<int> last_errno{0};
};

class PacketQueue {
 public:
  virtual ~PacketQueue() = default;

  // Waits for packets; writes up to packets.size() and their number.
  virtual ReceiveStatus Receive(std::span<QueuedPacket> packets,
                                size_t* count) = 0;
  // One system call for all. REQUIRES: answers.size() <= kMaxBatch.
  virtual void Answer(std::span<const PacketAnswer> answers) = 0;
  // Makes a Receive that waits, or the next one, return kWoken.
  virtual void Wake() = 0;
  virtual const QueueCounters& counters() const = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_PACKET_QUEUE_H_
