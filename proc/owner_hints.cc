#include "proc/owner_hints.h"

#include <algorithm>
#include <utility>

namespace sallyport::proc {

std::optional<FdSlot> OwnerHints::Guess(const Hint& hint, size_t rank) {
  const FdSlot& last = hint.slots[0];
  if (rank == 0) return last;
  // A program that opens one connection after the other and keeps them.
  if (rank == 1) {
    if (last.in_ring) return std::nullopt;
    return FdSlot{last.task, last.fd + 1};
  }
  if (rank - 1 >= hint.slot_count) return std::nullopt;
  return hint.slots[rank - 1];
}

void OwnerHints::Promote(Hint& hint, FdSlot slot) {
  auto begin = hint.slots.begin();
  auto end = begin + static_cast<ptrdiff_t>(hint.slot_count);
  auto known = std::find(begin, end, slot);
  if (known == end) {
    if (hint.slot_count < kMaxSlots) {
      ++hint.slot_count;
    } else {
      --known;  // the one unused for longest
    }
    *known = slot;
  }
  std::rotate(begin, known, known + 1);
}

const OwnerHints::Hint* OwnerHints::Search(uint64_t inode, uint32_t uid) {
  int probes = 0;
  // Everybody's best guess before anybody's second.
  for (size_t rank = 0; rank <= kMaxSlots; ++rank) {
    for (auto it = hints_.begin(); it != hints_.end(); ++it) {
      Hint& hint = **it;
      if (hint.uid != uid || hint.process->is_known_dead()) continue;
      std::optional<FdSlot> slot = Guess(hint, rank);
      if (!slot) continue;
      if (++probes > kMaxProbes) return nullptr;
      if (!Holds(*hint.dir, *slot, inode)) {
        if (rank == 0) ++hint.misses;
        continue;
      }
      hint.misses = 0;
      Promote(hint, *slot);
      std::rotate(hints_.begin(), it, it + 1);
      return hints_.front().get();
    }
  }
  return nullptr;
}

OwnerHints::Hint& OwnerHints::Note(const SocketHolder& holder,
                                   std::shared_ptr<ProcDir> dir, uint32_t uid) {
  if (Hint* known = Find(*holder.process); known != nullptr) {
    known->uid = uid;
    known->misses = 0;
    Promote(*known, holder.slot);
    return *known;
  }
  if (hints_.size() >= kMaxProcesses) hints_.pop_back();
  auto hint = std::make_unique<Hint>();
  hint->process = holder.process;
  hint->dir = std::move(dir);
  hint->uid = uid;
  hint->slots[0] = holder.slot;
  hint->slot_count = 1;
  auto place = hints_.begin() +
               static_cast<ptrdiff_t>(std::min(hints_.size(), kFrontRow));
  return **hints_.insert(place, std::move(hint));
}

OwnerHints::Hint* OwnerHints::Find(const TrackedProcess& process) {
  for (auto& hint : hints_) {
    if (hint->process.get() == &process) return hint.get();
  }
  return nullptr;
}

void OwnerHints::Prune(ProcessTable& table) {
  std::erase_if(hints_, [&](const std::unique_ptr<Hint>& hint) {
    if (hint->process->is_known_dead()) return true;
    if (hint->misses == 0) return false;
    if (table.IsAlive(hint->process)) {
      // Its first thread may have ended: then it is another one's by now.
      if (auto dir = table.DirOf(hint->process)) hint->dir = std::move(dir);
      return false;
    }
    table.Forget(hint->process);
    return true;
  });
}

void OwnerHints::MostRecent(uint32_t uid, size_t limit,
                            std::vector<TrackedPtr>* out) {
  for (auto& hint : hints_) {
    if (limit == 0) return;
    if (hint->uid != uid) continue;
    out->push_back(hint->process);
    --limit;
  }
}

}  // namespace sallyport::proc
