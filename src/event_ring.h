#ifndef SALLYPORT_SRC_EVENT_RING_H_
#define SALLYPORT_SRC_EVENT_RING_H_

// EventRing: the bounded way from the threads that judge to the one thread
// that writes events down. OnDecision may be called from any number of
// threads; it never waits, locks or allocates, and makes at most one system
// call (a write to an eventfd, only if the consumer sleeps). Pop and ArmWake
// belong to one consumer thread. A full ring drops the record and counts it;
// records of flows that were plainly allowed are dropped already when the ring
// is more than three quarters full, so that violations still find room.
//
//   while (!stopping) {
//     while (ring.Pop(&record)) Write(record);
//     if (ring.ArmWake()) poll(wake_fd and stop fd);
//   }
//
// A bounded queue after D. Vyukov: positions count up for ever, position p is
// slot p mod capacity, and its lap is p / capacity. Invariants:
//  1. turn[s] is even: slot s is free and waits for lap turn[s] / 2. Odd: it
//     holds a record of lap turn[s] / 2. Fresh zero pages thus mean "free,
//     lap 0", and nothing has to be touched to make a ring.
//  2. Only the producer that moved head_ from p to p + 1 writes record p, and
//     only while turn is 2 * lap; it then sets turn to 2 * lap + 1.
//  3. Only the consumer reads record p, at turn 2 * lap + 1, destroys it, and
//     later sets turn to 2 * lap + 2. "Later": it gives slots back a chunk at
//     a time, after the chunk's memory has gone back to the kernel, so what is
//     resident is what is waiting and a few chunks, not the last burst.
//  4. tail_ <= head_ <= released_ + capacity.
//  5. sleeping_ changes only by exchange. Whoever turns it from true to false
//     owes one write to the eventfd (the consumer, if it is he: none).
// Memory orders, one reason each:
//  - turn: store release, load acquire: who sees the slot change hands sees
//    the record written (or destroyed) before.
//  - head_: relaxed CAS: it only hands out positions; turn carries the data.
//  - sleeping_: exchange acq_rel on both sides. All exchanges are in one
//    order: a producer's after the consumer's sees true and wakes him; one
//    before it is seen by the consumer, and with it (acquire) the record, when
//    he looks at the ring once more.
//  - released_: store release, load relaxed: a hint how full the ring is; an
//    old value only makes it look fuller. (Release costs nothing and keeps it
//    from running ahead of the turns.)
//  - dropped_: relaxed: a count.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/decision_sink.h"

namespace sallyport {

class EventRing final : public DecisionSink {
 public:
  static constexpr size_t kDefaultCapacity = 65'536;  // records; DESIGN, Limits

  // REQUIRES: capacity is a power of two. Throws std::system_error if there is
  // no memory or no file descriptor; happens at start only.
  explicit EventRing(size_t capacity = kDefaultCapacity);
  ~EventRing() override;  // REQUIRES: no thread is in OnDecision
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  void OnDecision(DecisionRecord&& record) override;

  // Consumer. False: nothing there. Records of one producer come in order.
  bool Pop(DecisionRecord* record);

  // Consumer, when Pop said false: asks to be woken through wake_fd(). False:
  // something came in meanwhile; do not sleep, call Pop.
  bool ArmWake();

  // Readable once a record came in after ArmWake() returned true.
  int wake_fd() const { return wake_fd_; }

  // Records that found no room. Any thread.
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  size_t capacity() const { return capacity_; }

 private:
  bool Push(DecisionRecord&& record);
  DecisionRecord* RecordAt(uint64_t position) const;
  std::atomic_ref<uint32_t> TurnAt(uint64_t position) const;
  uint32_t FreeTurn(uint64_t position) const;
  bool HasNext() const;
  void ReleaseChunk();

  // Constant after construction.
  const size_t capacity_;
  const size_t chunk_;  // slots given back at once; a power of two
  int lap_shift_ = 0;   // log2 of capacity_
  int wake_fd_ = -1;
  uint32_t* turns_ = nullptr;     // capacity_ of them
  std::byte* records_ = nullptr;  // capacity_ times sizeof(DecisionRecord)

  // Written by producers (and sleeping_ by the consumer, seldom).
  alignas(64) std::atomic<uint64_t> head_{0};
  std::atomic<bool> sleeping_{false};
  std::atomic<uint64_t> dropped_{0};

  // Written by the consumer; read by producers.
  alignas(64) std::atomic<uint64_t> released_{0};

  // The consumer's own.
  alignas(64) uint64_t tail_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_RING_H_
