#include "proc/holder_search.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace sallyport::proc {
namespace {

constexpr size_t kEverybody = SIZE_MAX;
constexpr size_t kMaxTasks = 65'536;  // of one process

class Search {
 public:
  Search(ProcessTable& table, uint64_t inode, WorkBudget* budget)
      : table_(table), inode_(inode), budget_(budget) {}

  // Descriptors that came up since they were last read: two calls for each
  // process that opened nothing.
  std::optional<SocketHolder> NewDescriptors(
      const std::vector<TrackedPtr>& processes) {
    for (const TrackedPtr& process : processes) {
      std::shared_ptr<ProcDir> dir = table_.DirOf(process);
      if (dir == nullptr) continue;
      SocketQuery query;
      query.inode = inode_;
      query.known_fds = table_.KnownFds(process);
      auto slot = FindSocket(*dir, query, budget_, &fds_);
      if (slot) return SocketHolder{process, *slot};
      if (budget_->exhausted()) break;
    }
    return std::nullopt;
  }

  std::optional<SocketHolder> AllDescriptors(
      const std::vector<TrackedPtr>& processes) {
    for (const TrackedPtr& process : processes) {
      // Its first thread may have ended, and the directory with it.
      if (!table_.IsAlive(process)) continue;
      std::shared_ptr<ProcDir> dir = table_.DirOf(process);
      if (dir == nullptr) continue;
      std::vector<FdSlot> rings;
      SocketQuery query;
      query.inode = inode_;
      query.rings = &rings;
      auto slot = FindSocket(*dir, query, budget_, &fds_);
      if (slot) return SocketHolder{process, *slot};
      for (FdSlot ring : rings) rings_.push_back({process, ring});
      if (budget_->exhausted()) {
        table_.NoteSearchAge(process->age);
        break;
      }
      table_.NoteFds(process, fds_);
    }
    return std::nullopt;
  }

  // The rings that AllDescriptors came by.
  std::optional<SocketHolder> Rings() {
    for (const SocketHolder& ring : rings_) {
      if (!budget_->Take()) break;
      std::shared_ptr<ProcDir> dir = table_.DirOf(ring.process);
      if (dir != nullptr && Holds(*dir, ring.slot, inode_)) return ring;
    }
    return std::nullopt;
  }

  // Threads whose descriptors differ in number from their process's first: a
  // table of its own shows in that nearly always. The others would take as
  // long as all threads times all descriptors.
  std::optional<SocketHolder> Threads(
      const std::vector<TrackedPtr>& processes) {
    std::vector<std::pair<TrackedPtr, int32_t>> alike;
    std::vector<int32_t> tasks;
    for (const TrackedPtr& process : processes) {
      std::shared_ptr<ProcDir> dir = table_.DirOf(process);
      if (dir == nullptr || !budget_->Take() ||
          dir->List("task", kMaxTasks, &tasks) < 0) {
        continue;
      }
      if (tasks.size() < 2) continue;
      std::vector<int32_t> own;
      dir->List("fd", kMaxFdsPerProcess, &own);
      for (int32_t task : tasks) {
        if (task == process->id.pid) continue;
        if (!budget_->Take()) return std::nullopt;
        dir->List(FdPath("fd", {task, -1}).c_str(), kMaxFdsPerProcess, &fds_);
        if (fds_ == own) {
          alike.emplace_back(process, task);
          continue;
        }
        auto slot =
            FindSocket(*dir, {inode_, task, {}, nullptr}, budget_, &fds_);
        if (slot) return SocketHolder{process, *slot};
      }
    }
    for (const auto& [process, task] : alike) {
      if (budget_->exhausted()) break;
      std::shared_ptr<ProcDir> dir = table_.DirOf(process);
      if (dir == nullptr) continue;
      auto slot = FindSocket(*dir, {inode_, task, {}, nullptr}, budget_, &fds_);
      if (slot) return SocketHolder{process, *slot};
    }
    return std::nullopt;
  }

 private:
  ProcessTable& table_;
  const uint64_t inode_;
  WorkBudget* const budget_;
  std::vector<int32_t> fds_;
  std::vector<SocketHolder> rings_;
};

// All processes, each once, in the order in which to ask them.
std::vector<TrackedPtr> InOrder(ProcessTable& table, uint32_t uid) {
  std::vector<SocketHolder> likely;
  table.LikelyOwners(uid, &likely);
  std::vector<TrackedPtr> all;
  for (SocketHolder& holder : likely) all.push_back(std::move(holder.process));
  table.Newest(&uid, kEverybody, &all);
  table.Newest(nullptr, kEverybody, &all);
  absl::flat_hash_set<const TrackedProcess*> seen;
  std::erase_if(all, [&](const TrackedPtr& process) {
    return !seen.insert(process.get()).second;
  });
  return all;
}

}  // namespace

bool FindAllHolders(ProcessTable& table, uint64_t inode, uint32_t uid,
                    WorkBudget* budget, std::vector<SocketHolder>* holders) {
  std::vector<int32_t> fds;
  for (const TrackedPtr& process : InOrder(table, uid)) {
    bool no_descriptors = false;
    std::shared_ptr<ProcDir> dir = table.DirOf(process, &no_descriptors);
    if (no_descriptors) return false;
    if (dir == nullptr) continue;
    auto slot = FindSocket(*dir, {inode, 0, {}, nullptr}, budget, &fds);
    if (slot) holders->push_back({process, *slot});
    if (budget->exhausted()) return false;
  }
  return true;
}

SearchResult SearchEverybody(ProcessTable& table, uint64_t inode, uint32_t uid,
                             WorkBudget* budget) {
  std::vector<TrackedPtr> everybody = InOrder(table, uid);
  Search search(table, inode, budget);
  SearchResult result;
  result.holder = search.NewDescriptors(everybody);
  if (!result.holder) {
    // Go on where the last search ran out of time.
    uint64_t age = table.search_age();
    auto start = std::find_if(
        everybody.begin(), everybody.end(),
        [age](const TrackedPtr& process) { return process->age == age; });
    if (start != everybody.end()) {
      std::rotate(everybody.begin(), start, everybody.end());
    }
    result.holder = search.AllDescriptors(everybody);
  }
  if (!budget->exhausted()) table.NoteSearchAge(0);
  if (!result.holder) result.holder = search.Rings();
  if (!result.holder) result.holder = search.Threads(everybody);
  result.is_complete = result.holder.has_value() || !budget->exhausted();
  return result;
}

}  // namespace sallyport::proc
