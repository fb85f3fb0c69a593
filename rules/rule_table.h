#ifndef SALLYPORT_RULES_RULE_TABLE_H_
#define SALLYPORT_RULES_RULE_TABLE_H_

// RuleTable: hands the current PolicySnapshot to readers that never wait.
// Quiescent-state reclamation: a reader announces when it holds no snapshot; a
// retired snapshot is freed once every registered reader has been quiescent
// since.
//
//   RuleTable::Reader reader(table);        // once per thread
//   const PolicySnapshot& p = reader.Enter();   // wait-free
//   ... judge a batch, send its verdicts ...
//   reader.Leave();                         // p is gone from here on
//
// Publish, Synchronize, CurrentRules and CurrentSettings are for the control
// side, from any thread (serialised inside by a mutex that no reader takes).
// A Reader belongs to the thread that made it.
//
// Every reader has a slot with a section counter: odd while it is between
// Enter and Leave, even while it is quiescent, never going back. A reader that
// is blocked in a receive is quiescent and holds up nobody.
//
// Invariants
//  I1. current_ points to a live snapshot from construction to destruction.
//  I2. Only its Reader writes a slot's section, and only upwards by one.
//  I3. A reader uses a snapshot only while its section is odd and has the value
//      it had when the reader loaded current_.
//  I4. The four accesses of Enter (store section, load current_) and Publish
//      (store current_, load sections) are seq_cst, so they have one total
//      order. A reader whose section Publish saw even, or saw odd and later
//      sees changed, loaded (or loads) current_ after Publish stored it, or
//      has left: it does not hold the retired snapshot.
//  I5. A retired snapshot is freed when every slot was seen even, or changed
//      from the odd value it had at the retirement (I4), by an acquire load:
//      all that the reader did with the snapshot happens before the delete.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "rules/judge.h"

namespace sallyport {

class RuleTable {
 public:
  class Reader;

  // 64 queue workers, the slow lane's threads, and room. More is our own bug:
  // it ends the process.
  static constexpr size_t kMaxReaders = 128;

  // REQUIRES: first != nullptr and first->rules != nullptr
  explicit RuleTable(std::unique_ptr<const PolicySnapshot> first);
  ~RuleTable();  // REQUIRES: no Reader is left
  RuleTable(const RuleTable&) = delete;
  RuleTable& operator=(const RuleTable&) = delete;

  // At most this many old snapshots wait for readers: each may hold 100,000
  // rules.
  static constexpr size_t kMaxRetired = 16;

  // Makes `next` current. Readers that Enter afterwards see it. Frees what
  // earlier calls retired and nobody holds any more. Does not wait, unless
  // kMaxRetired snapshots are still held: then as Synchronize does.
  // REQUIRES: next != nullptr and next->rules != nullptr
  void Publish(std::unique_ptr<const PolicySnapshot> next);

  // Returns when no reader can still act on a snapshot older than the one that
  // is current at the call: everyone has left, or entered anew, since. Frees
  // them. Blocks the caller only; not to be called by a reader that is inside.
  void Synchronize();

  // A copy for the control side (CLI, API). May lock.
  std::shared_ptr<const RuleSet> CurrentRules() const;
  JudgeSettings CurrentSettings() const;
  uint64_t CurrentGeneration() const;

  // Snapshots that wait to be freed; for metrics and tests.
  size_t retired_count() const;

 private:
  // A cache line of its own: readers must not slow each other down.
  struct alignas(64) Slot {
    std::atomic<uint64_t> section{0};  // I2
    std::atomic<bool> taken{false};
  };
  using Sections = std::array<uint64_t, kMaxReaders>;
  struct Retired {
    std::unique_ptr<const PolicySnapshot> snapshot;
    Sections sections;  // as they were when it was retired
  };

  Slot& TakeSlot();
  Sections LoadSections() const;
  // True if no reader that was inside at `then` still is.
  static bool Passed(const Sections& then, const Sections& now);
  // Takes those that nobody holds out of retired_; the caller destroys them
  // after unlocking, since that takes milliseconds.
  std::vector<Retired> TakePassedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<const PolicySnapshot*> current_;  // I1; owned
  std::array<Slot, kMaxReaders> slots_;

  mutable std::mutex mutex_;  // writers and the control side
  std::vector<Retired> retired_ ABSL_GUARDED_BY(mutex_);
};

class RuleTable::Reader {
 public:
  explicit Reader(RuleTable& table);
  ~Reader();  // REQUIRES: not inside
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The snapshot is valid until Leave. REQUIRES: not inside
  const PolicySnapshot& Enter();
  // REQUIRES: inside
  void Leave();
  bool inside() const { return section_ % 2 == 1; }

 private:
  RuleTable& table_;
  Slot& slot_;
  uint64_t section_;  // what slot_.section holds; saves a load
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_TABLE_H_
