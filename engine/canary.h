#ifndef SALLYPORT_ENGINE_CANARY_H_
#define SALLYPORT_ENGINE_CANARY_H_

// Canary: a tagged packet of our own per queue, sent over loopback, that must
// come back through that queue's worker (CASES F12). It proves that the
// ruleset diverts, the queue delivers and the worker lives. It never arrives
// anywhere: the worker drops it.
//
// Send and AllSeenSince are for one control thread; Recognise is for workers.

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "engine/divert.h"
#include "engine/packet_queue.h"
#include "rules/flow.h"

namespace sallyport {

// UDP port of queue 0's canary, on 127.0.0.1; queue i has the i-th after it.
// Nothing listens there; the packet's mark, not the port, makes it a canary.
inline constexpr uint16_t kCanaryPortBase = 40000;

class Canary {
 public:
  Canary(uint16_t queue_count, MarkBits marks);
  ~Canary();
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;

  // One packet to each queue. Unavailable if loopback is down.
  absl::Status Send();
  // The round of the last Send has come back through every queue.
  bool AllBack() const;
  // When the last complete round came back, CLOCK_MONOTONIC; 0: never.
  int64_t last_back_ns() const {
    return last_back_ns_.load(std::memory_order_relaxed);
  }

  // True if `packet` is ours, whatever queue it came from; only one with this
  // process's nonce counts as back.
  bool Recognise(const QueuedPacket& packet, const Flow& flow, uint16_t queue);

 private:
  struct Tag {
    uint64_t nonce;
    uint64_t round;
  };

  const MarkBits marks_;
  uint64_t nonce_;
  int fd_ = -1;
  std::atomic<uint64_t> round_{0};
  // Last round seen per queue. relaxed throughout: each value stands alone.
  std::vector<std::atomic<uint64_t>> seen_;
  std::atomic<int64_t> last_back_ns_{0};
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_CANARY_H_
