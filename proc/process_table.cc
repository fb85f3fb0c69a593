#include "proc/process_table.h"

#include <algorithm>
#include <utility>

#include "proc/proc_text.h"

namespace sallyport {

using proc::FdSlot;
using proc::SocketIndex;
using proc::WorkBudget;

namespace {

constexpr int32_t kInitPid = 1;
constexpr size_t kFewProcesses = 64;
constexpr size_t kMaxLooksForFew = 256;

}  // namespace

void ProcessTable::Insert(const TrackedPtr& process) {
  std::lock_guard lock(mutex_);
  if (processes_.size() >= options_.max_processes) {
    TrackedPtr oldest = by_age_.begin()->second;
    ForgetLocked(*oldest);
    index_is_complete_ = false;
  }
  processes_[process->id.pid] = process;
  by_age_[process->age] = process;
  OpenedLocked(process);
}

void ProcessTable::OpenedLocked(const TrackedPtr& process) {
  ++open_dirs_;
  open_order_.push_back(process);
  if (open_dirs_ > options_.max_open_dirs) {
    CloseSomeLocked(options_.max_open_dirs);
  }
}

// Second chance: who was used since the hand last came by stays open.
void ProcessTable::CloseSomeLocked(size_t keep) {
  size_t looks = 2 * open_order_.size();
  while (open_dirs_ > keep && !open_order_.empty() && looks-- > 0) {
    TrackedPtr process = std::move(open_order_.front());
    open_order_.pop_front();
    if (process->dir_ == nullptr) continue;
    if (std::exchange(process->recently_used_, false)) {
      open_order_.push_back(std::move(process));
    } else {
      CloseDirLocked(*process);
    }
  }
}

void ProcessTable::CloseDirLocked(TrackedProcess& process) {
  if (process.dir_ == nullptr) return;
  process.dir_.reset();
  process.exe_file_.reset();
  --open_dirs_;
}

void ProcessTable::ForgetLocked(TrackedProcess& process) {
  if (process.gone_.exchange(true)) return;
  for (uint32_t inode : process.inodes_) {
    index_.Remove(inode, process.id.pid);
  }
  process.inodes_.clear();
  process.current_.reset();
  CloseDirLocked(process);
  if (dead_order_.size() >= kMaxDeadParents) {
    dead_parents_.erase(dead_order_.front());
    dead_order_.pop_front();
  }
  dead_parents_[process.id.pid] = {process.id.start_ticks, process.parent_pid};
  dead_order_.push_back(process.id.pid);
  // `process` may die with its last entry: copy what is used afterwards.
  uint64_t age = process.age;
  auto known = processes_.find(process.id.pid);
  if (known != processes_.end() && known->second.get() == &process) {
    processes_.erase(known);
  }
  by_age_.erase(age);
  // Entries of open_order_ whose directory is closed pile up: clear them out.
  if (open_order_.size() > 2 * open_dirs_ + 64) {
    std::erase_if(open_order_,
                  [](const TrackedPtr& p) { return p->dir_ == nullptr; });
  }
}

void ProcessTable::Forget(const TrackedPtr& process) {
  std::lock_guard lock(mutex_);
  ForgetLocked(*process);
}

TrackedPtr ProcessTable::Find(int32_t pid) {
  std::lock_guard lock(mutex_);
  auto known = processes_.find(pid);
  return known == processes_.end() ? nullptr : known->second;
}

bool ProcessTable::Ancestors(const TrackedProcess& process,
                             std::vector<TrackedPtr>* out) {
  std::lock_guard lock(mutex_);
  int32_t pid = process.parent_pid;
  uint64_t start_ticks = process.id.start_ticks;
  for (size_t step = 0; step < kMaxAncestors; ++step) {
    if (pid <= kInitPid) return true;
    // A parent is older than its child: else the number was used again.
    auto alive = processes_.find(pid);
    if (alive != processes_.end() &&
        alive->second->id.start_ticks <= start_ticks) {
      out->push_back(alive->second);
      pid = alive->second->parent_pid;
      start_ticks = out->back()->id.start_ticks;
      continue;
    }
    auto dead = dead_parents_.find(pid);
    if (dead == dead_parents_.end() || dead->second.start_ticks > start_ticks) {
      return false;
    }
    pid = dead->second.parent_pid;
    start_ticks = dead->second.start_ticks;
  }
  return false;
}

void ProcessTable::Newest(const uint32_t* uid, size_t limit,
                          std::vector<TrackedPtr>* out) {
  std::lock_guard lock(mutex_);
  // Of a few of many: the packet path does not walk a table of thousands.
  size_t looks = limit < kFewProcesses ? kMaxLooksForFew : by_age_.size();
  for (auto it = by_age_.rbegin(); it != by_age_.rend(); ++it) {
    if (limit == 0 || looks-- == 0) return;
    const TrackedPtr& process = it->second;
    if (uid != nullptr && process->owner_uid != *uid &&
        process->owner_uid != 0) {
      continue;
    }
    out->push_back(process);
    --limit;
  }
}

// --- who was seen with a socket ---

bool ProcessTable::FindHolders(uint64_t inode, Holders* holders) {
  std::lock_guard lock(mutex_);
  SocketIndex::Entry* entry = index_.Find(static_cast<uint32_t>(inode));
  if (entry == nullptr) return true;
  for (const SocketIndex::Holding& holding : entry->holdings) {
    auto process = processes_.find(holding.pid);
    if (process == processes_.end()) continue;
    holders->push_back({process->second, holding.slot});
  }
  return entry->ancestors_known;
}

bool ProcessTable::IndexLocked(TrackedProcess& process, uint32_t inode,
                               FdSlot slot) {
  const bool is_known = index_.Find(inode) != nullptr;
  switch (index_.Add(inode, {process.id.pid, slot})) {
    case SocketIndex::Added::kFull:
      index_is_complete_ = false;
      return false;
    case SocketIndex::Added::kNew:
      process.inodes_.push_back(inode);
      break;
    case SocketIndex::Added::kKnown:
      break;
  }
  return !is_known;
}

void ProcessTable::AddHolder(uint64_t inode, const SocketHolder& holder) {
  std::lock_guard lock(mutex_);
  if (holder.process->gone_) return;
  IndexLocked(*holder.process, static_cast<uint32_t>(inode), holder.slot);
}

void ProcessTable::RemoveHolder(uint64_t inode, const TrackedProcess& process) {
  std::lock_guard lock(mutex_);
  if (!process.gone_) {
    index_.Remove(static_cast<uint32_t>(inode), process.id.pid);
  }
}

void ProcessTable::NoteAncestorsKnown(uint64_t inode) {
  std::lock_guard lock(mutex_);
  SocketIndex::Entry* entry = index_.Find(static_cast<uint32_t>(inode));
  if (entry != nullptr) entry->ancestors_known = true;
}

proc::FdList ProcessTable::KnownFds(const TrackedPtr& process) {
  std::lock_guard lock(mutex_);
  return process->known_fds_;
}

void ProcessTable::NoteFds(const TrackedPtr& process,
                           const std::vector<int32_t>& fds) {
  auto known = std::make_shared<const std::vector<int32_t>>(fds);
  std::lock_guard lock(mutex_);
  process->known_fds_ = std::move(known);
}

// --- identity ---

std::shared_ptr<const Process> ProcessTable::Identify(const TrackedPtr& process,
                                                      ProcDir& dir,
                                                      const FileStat& exe,
                                                      uint32_t socket_uid) {
  {
    std::lock_guard lock(mutex_);
    if (process->gone_) return nullptr;
    if (process->current_ != nullptr && process->exe_ == exe &&
        process->current_->uid == socket_uid) {
      return process->current_;
    }
  }
  std::shared_ptr<const App> app = apps_.Get(dir, exe);
  FileStat self;
  if (app == nullptr || dir.Stat(".", &self) != 0) return nullptr;
  std::lock_guard lock(mutex_);
  if (process->current_ != nullptr && process->current_->app == app &&
      process->current_->uid == self.uid) {
    return process->current_;
  }
  auto made = std::make_shared<Process>();
  made->id = process->id;
  made->parent_pid = process->parent_pid;
  made->uid = self.uid;
  made->app = std::move(app);
  if (!process->gone_) {
    process->current_ = made;
    process->exe_ = exe;
  }
  return made;
}

std::shared_ptr<ProcFile> ProcessTable::HoldExe(const TrackedPtr& process,
                                                ProcDir& dir,
                                                const FileStat& exe) {
  FileStat now;
  std::shared_ptr<ProcFile> held;
  {
    std::lock_guard lock(mutex_);
    held = process->exe_file_;
  }
  if (held != nullptr && held->Stat(&now) == 0 && now == exe) return held;
  std::unique_ptr<ProcFile> file;
  if (dir.HoldExe(&file) != 0 || file->Stat(&now) != 0 || now != exe) {
    return nullptr;
  }
  std::lock_guard lock(mutex_);
  if (process->dir_ == nullptr) return nullptr;
  process->exe_file_ = std::move(file);
  return process->exe_file_;
}

std::shared_ptr<const Process> ProcessTable::WithSha256(
    std::shared_ptr<const Process> process) {
  if (process == nullptr || process->app == nullptr) return process;
  TrackedPtr tracked = Find(process->id.pid);
  if (tracked == nullptr || !(tracked->id == process->id)) return process;
  std::shared_ptr<ProcDir> dir = DirOf(tracked);
  if (dir == nullptr) return process;
  auto app = apps_.WithSha256(*dir, process->app);
  if (!app.ok()) return process;
  auto made = std::make_shared<Process>();
  made->id = process->id;
  made->parent_pid = process->parent_pid;
  made->uid = process->uid;
  made->app = *std::move(app);
  std::lock_guard lock(mutex_);
  if (!tracked->gone_) tracked->current_ = made;
  identity_generation_.fetch_add(1);
  return made;
}

// --- likely owners ---

void ProcessTable::NoteOwner(uint32_t uid, const SocketHolder& holder) {
  std::lock_guard lock(mutex_);
  if (owners_.size() >= kMaxUids && !owners_.contains(uid)) owners_.clear();
  std::deque<SocketHolder>& owners = owners_[uid];
  std::erase_if(owners, [&](const SocketHolder& known) {
    return known.process->gone_ ||
           (known.process == holder.process && known.slot == holder.slot);
  });
  owners.push_front(holder);
  if (owners.size() > kMaxOwnersPerUid) owners.pop_back();
}

void ProcessTable::LikelyOwners(uint32_t uid, std::vector<SocketHolder>* out) {
  std::lock_guard lock(mutex_);
  auto owners = owners_.find(uid);
  if (owners == owners_.end()) return;
  for (const SocketHolder& holder : owners->second) {
    if (!holder.process->gone_) out->push_back(holder);
  }
}

void ProcessTable::NoteUnheld(uint64_t inode) {
  std::lock_guard lock(mutex_);
  if (unheld_.size() >= kMaxUnheld) unheld_.clear();
  unheld_[inode] = options_.now() + kUnheldNs;
}

bool ProcessTable::IsUnheld(uint64_t inode) {
  std::lock_guard lock(mutex_);
  auto known = unheld_.find(inode);
  if (known == unheld_.end()) return false;
  if (options_.now() < known->second) return true;
  unheld_.erase(known);
  return false;
}

// --- process events ---

void ProcessTable::OnFork(int32_t pid) {
  std::lock_guard work(work_mutex_);
  // The cursor will come to a newer one by itself. An older one that is not
  // known was looked for too early.
  if (pid > cursor_.newest() || Find(pid) != nullptr) return;
  cursor_.NoteDue(pid);
  PublishProgress();
}

void ProcessTable::OnExec(int32_t pid, WorkBudget* budget) {
  TrackedPtr process = Find(pid);
  if (process == nullptr) {
    std::lock_guard work(work_mutex_);
    cursor_.NoteDue(pid);
    PublishProgress();
    return;
  }
  // release: who sees the count asks anew what it is.
  process->execs_.fetch_add(1, std::memory_order_release);
  {
    std::lock_guard lock(mutex_);
    process->exe_file_.reset();  // or its file system could not be unmounted
  }
  std::shared_ptr<ProcDir> dir = DirOf(process);
  FileStat exe;
  if (dir == nullptr || dir->Stat("exe", &exe) != 0) return;
  Identify(process, *dir, exe, process->owner_uid);
  // Descriptors that the exec closed would be passed over by searches.
  std::lock_guard work(work_mutex_);
  if (process->next_fd_ != 0) return;  // its first scan is not through
  FinishScan(process, Scan::kAfterExec, budget);
  process->next_fd_ = 0;
}

void ProcessTable::OnExit(int32_t pid) {
  // Late events speak of a pid that may be in use again.
  TrackedPtr process = Find(pid);
  if (process != nullptr && !IsAlive(process)) Forget(process);
}

size_t ProcessTable::process_count() const {
  std::lock_guard lock(mutex_);
  return processes_.size();
}

size_t ProcessTable::open_dir_count() const {
  std::lock_guard lock(mutex_);
  return open_dirs_;
}

}  // namespace sallyport
