#include "rules/rule_table.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sallyport {
namespace {

// A section lasts as long as one batch, some 100 us: yield at first, then stay
// out of the readers' way.
constexpr int kYieldsBeforeNap = 64;
constexpr absl::Duration kNap = absl::Microseconds(50);

}  // namespace

RuleTable::RuleTable(std::unique_ptr<const PolicySnapshot> first)
    : current_(first.release()) {
  assert(current_.load()->rules != nullptr);
}

RuleTable::~RuleTable() {
  assert(std::none_of(slots_.begin(), slots_.end(),
                      [](const Slot& slot) { return slot.taken.load(); }));
  // relaxed: no other thread is left.
  delete current_.load(std::memory_order_relaxed);
}

void RuleTable::Publish(std::unique_ptr<const PolicySnapshot> next) {
  assert(next != nullptr && next->rules != nullptr);
  if (retired_count() >= kMaxRetired) Synchronize();
  std::vector<Retired> passed;  // outlives the lock
  std::lock_guard lock(mutex_);
  // seq_cst: the writer's half of I4; its release half makes the snapshot's
  // content visible to who loads the pointer.
  const PolicySnapshot* old =
      current_.exchange(next.release(), std::memory_order_seq_cst);
  retired_.push_back(
      {std::unique_ptr<const PolicySnapshot>(old), LoadSections()});
  passed = TakePassedLocked();
}

void RuleTable::Synchronize() {
  Sections then;
  {
    // Also waits for a Publish that has stored but not looked yet.
    std::lock_guard lock(mutex_);
    then = LoadSections();
  }
  // The mutex is free meanwhile: CurrentRules must not wait for readers.
  for (int turn = 0; !Passed(then, LoadSections()); ++turn) {
    if (turn < kYieldsBeforeNap) {
      std::this_thread::yield();
    } else {
      absl::SleepFor(kNap);
    }
  }
  std::vector<Retired> passed;  // outlives the lock
  std::lock_guard lock(mutex_);
  passed = TakePassedLocked();
}

RuleTable::Sections RuleTable::LoadSections() const {
  Sections sections;
  for (size_t i = 0; i < kMaxReaders; ++i) {
    // seq_cst: the other writer's half of I4; its acquire half is I5.
    sections[i] = slots_[i].section.load(std::memory_order_seq_cst);
  }
  return sections;
}

bool RuleTable::Passed(const Sections& then, const Sections& now) {
  for (size_t i = 0; i < kMaxReaders; ++i) {
    const bool was_inside = then[i] % 2 == 1;
    if (was_inside && now[i] == then[i]) return false;
  }
  return true;
}

std::vector<RuleTable::Retired> RuleTable::TakePassedLocked() {
  const Sections now = LoadSections();
  const auto first_passed = std::stable_partition(
      retired_.begin(), retired_.end(),
      [&](const Retired& retired) { return !Passed(retired.sections, now); });
  std::vector<Retired> passed(std::make_move_iterator(first_passed),
                              std::make_move_iterator(retired_.end()));
  retired_.erase(first_passed, retired_.end());
  return passed;
}

std::shared_ptr<const RuleSet> RuleTable::CurrentRules() const {
  std::lock_guard lock(mutex_);
  // relaxed, here and below: current_ changes under mutex_ only.
  return current_.load(std::memory_order_relaxed)->rules;
}

JudgeSettings RuleTable::CurrentSettings() const {
  std::lock_guard lock(mutex_);
  return current_.load(std::memory_order_relaxed)->settings;
}

uint64_t RuleTable::CurrentGeneration() const {
  std::lock_guard lock(mutex_);
  return current_.load(std::memory_order_relaxed)->generation;
}

size_t RuleTable::retired_count() const {
  std::lock_guard lock(mutex_);
  return retired_.size();
}

RuleTable::Slot& RuleTable::TakeSlot() {
  for (Slot& slot : slots_) {
    bool expected = false;
    // acquire: the section that the slot's last Reader left behind.
    if (slot.taken.compare_exchange_strong(expected, true,
                                           std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return slot;
    }
  }
  std::fprintf(stderr, "RuleTable: more than %zu readers\n", kMaxReaders);
  std::abort();
}

RuleTable::Reader::Reader(RuleTable& table)
    : table_(table),
      slot_(table.TakeSlot()),
      // relaxed: only Readers of this slot write it, and TakeSlot has acquired.
      section_(slot_.section.load(std::memory_order_relaxed)) {}

RuleTable::Reader::~Reader() {
  assert(!inside());
  // release: pairs with the acquire of TakeSlot.
  slot_.taken.store(false, std::memory_order_release);
}

const PolicySnapshot& RuleTable::Reader::Enter() {
  assert(!inside());
  // seq_cst, both: the reader's half of I4. The store must be seen before the
  // load is done (store-load, a full barrier), or a writer could find us
  // quiescent while we load the snapshot that it retires. The store also
  // releases: a writer that sees this section only, not the Leave before it, is
  // ordered after what the last section did (I5). The load also acquires the
  // snapshot's content.
  slot_.section.store(++section_, std::memory_order_seq_cst);
  return *table_.current_.load(std::memory_order_seq_cst);
}

void RuleTable::Reader::Leave() {
  assert(inside());
  // release: what was read of the snapshot happens before its delete (I5).
  slot_.section.store(++section_, std::memory_order_release);
}

}  // namespace sallyport
