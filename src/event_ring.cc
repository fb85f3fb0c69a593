#include "src/event_ring.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

namespace sallyport {
namespace {

// Zero pages that cost nothing until touched. No huge pages: touching one
// record would make two megabytes resident.
void* MapZeroPages(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "event ring");
  }
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  return memory;
}

// Slots given back to producers at once: some 100 KiB. A whole number of pages
// of 4 KiB, whatever a record's size is, as long as that is a multiple of 8.
constexpr size_t kChunkSlots = 512;
constexpr long kPageBytes = 4096;
static_assert(sizeof(DecisionRecord) % 8 == 0);
// Chunks before the consumer that are made resident ahead of the producers:
// 2,048 records, twice what a batching interval brings at 50,000 a second.
constexpr size_t kChunksAhead = 4;

// Where pages are bigger, and in small rings (tests), each slot is given back
// at once and its memory stays.
size_t ChunkOf(size_t capacity) {
  const bool by_chunk =
      capacity >= 64 * kChunkSlots && sysconf(_SC_PAGESIZE) == kPageBytes;
  return by_chunk ? kChunkSlots : 1;
}

}  // namespace

EventRing::EventRing(size_t capacity)
    : capacity_(capacity),
      chunk_(ChunkOf(capacity)),
      lap_shift_(std::countr_zero(capacity)) {
  assert(std::has_single_bit(capacity));
  // Both mappings live as long as the process where a constructor throws: it
  // is at start, and main ends.
  turns_ = static_cast<uint32_t*>(MapZeroPages(capacity_ * sizeof(uint32_t)));
  records_ =
      static_cast<std::byte*>(MapZeroPages(capacity_ * sizeof(DecisionRecord)));
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
}

EventRing::~EventRing() {
  DecisionRecord record;
  while (Pop(&record)) {
  }
  close(wake_fd_);
  munmap(records_, capacity_ * sizeof(DecisionRecord));
  munmap(turns_, capacity_ * sizeof(uint32_t));
}

DecisionRecord* EventRing::RecordAt(uint64_t position) const {
  const size_t slot = position & (capacity_ - 1);
  return reinterpret_cast<DecisionRecord*>(records_ +
                                           slot * sizeof(DecisionRecord));
}

std::atomic_ref<uint32_t> EventRing::TurnAt(uint64_t position) const {
  return std::atomic_ref<uint32_t>(turns_[position & (capacity_ - 1)]);
}

// Laps wrap around at 2^31: 2^47 records later, and then equal means equal
// still, since at most two laps are in the ring at once.
uint32_t EventRing::FreeTurn(uint64_t position) const {
  return static_cast<uint32_t>(position >> lap_shift_) * 2;
}

void EventRing::OnDecision(DecisionRecord&& record) {
  if (!Push(std::move(record))) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // Invariant 5: who takes `true` away writes. The exchange also tells a
  // consumer that is about to sleep of the record (see the header).
  if (sleeping_.exchange(false, std::memory_order_acq_rel)) {
    const uint64_t one = 1;
    // It cannot fail: a counter that is full is readable already.
    (void)!write(wake_fd_, &one, sizeof(one));
  }
}

bool EventRing::Push(DecisionRecord&& record) {
  const bool plain = record.decision.verdict == Verdict::kAllow &&
                     !record.decision.would_deny();
  uint64_t position = head_.load(std::memory_order_relaxed);
  for (;;) {
    if (plain) {
      const uint64_t released = released_.load(std::memory_order_relaxed);
      // `position` may be the older of the two: then the ring is not full.
      const uint64_t used = position > released ? position - released : 0;
      if (used > capacity_ / 4 * 3) return false;
    }
    const uint32_t turn = TurnAt(position).load(std::memory_order_acquire);
    const uint32_t free_turn = FreeTurn(position);
    if (turn == free_turn) {
      if (head_.compare_exchange_weak(position, position + 1,
                                      std::memory_order_relaxed)) {
        break;
      }
    } else if (static_cast<int32_t>(turn - free_turn) < 0) {
      return false;  // still a record of the lap before: full
    } else {
      // Another producer took this position between our two loads.
      position = head_.load(std::memory_order_relaxed);
    }
  }
  std::construct_at(RecordAt(position), std::move(record));
  TurnAt(position).store(FreeTurn(position) + 1, std::memory_order_release);
  return true;
}

bool EventRing::HasNext() const {
  return TurnAt(tail_).load(std::memory_order_acquire) == FreeTurn(tail_) + 1;
}

bool EventRing::Pop(DecisionRecord* record) {
  if (!HasNext()) return false;
  DecisionRecord* slot = RecordAt(tail_);
  *record = std::move(*slot);
  std::destroy_at(slot);
  ++tail_;
  if ((tail_ & (chunk_ - 1)) == 0) ReleaseChunk();
  return true;
}

void EventRing::ReleaseChunk() {
  const uint64_t begin = tail_ - chunk_;
  if (chunk_ > 1) {
    const size_t bytes = chunk_ * sizeof(DecisionRecord);
    // Invariant 3: nobody writes to these slots yet.
    madvise(RecordAt(begin), bytes, MADV_DONTNEED);
    // So that not a thread that judges takes the page faults (2 us each under
    // a hypervisor). It changes no byte, so producers may be writing there.
    // Kernels before 5.14 do not know it; then they do take them.
    madvise(RecordAt(begin + kChunksAhead * chunk_), bytes,
            MADV_POPULATE_WRITE);
  }
  for (uint64_t position = begin; position < tail_; ++position) {
    TurnAt(position).store(FreeTurn(position) + 2, std::memory_order_release);
  }
  released_.store(tail_, std::memory_order_release);
}

bool EventRing::ArmWake() {
  // Tokens of earlier sleeps. A late one wakes us once for nothing.
  uint64_t count = 0;
  (void)!read(wake_fd_, &count, sizeof(count));
  sleeping_.exchange(true, std::memory_order_acq_rel);
  if (!HasNext()) return true;
  sleeping_.exchange(false, std::memory_order_acq_rel);
  return false;
}

}  // namespace sallyport
