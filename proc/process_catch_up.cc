// ProcessTable: finding processes and scanning each once.

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "proc/proc_text.h"
#include "proc/process_table.h"

namespace sallyport {

using proc::PidCursor;
using proc::ScanResult;
using proc::WorkBudget;

namespace {

constexpr size_t kStatBytes = 1024;  // a comm of 15 and 52 numbers
// Looked at for having died for each one added: so at most about half of the
// table is dead, without any event source. A packet does not wait for that
// before the debt is this large; the slow lane pays it off.
constexpr int kSweepPerInsert = 2;
constexpr int kMaxSweepDebt = 1024;
constexpr int kMaxSweepPerStep = 16;  // 40 us
// Absent pids that a listing told of are simply dead.
constexpr uint8_t kLastLook = 200;
constexpr int32_t kInitPid = 1;       // always there
constexpr size_t kMaxTasks = 65'536;  // of one process

bool IsOutOfDescriptors(int error) {
  return error == -EMFILE || error == -ENFILE;
}

// 0, or a negative errno.
int ReadStat(ProcDir& dir, std::span<char> buffer, proc::StatLine* line) {
  int length = dir.Read("stat", buffer);
  if (length < 0) return length;
  auto stat = proc::ParseStat({buffer.data(), static_cast<size_t>(length)});
  if (!stat) return -ESRCH;
  *line = *stat;
  return 0;
}

}  // namespace

ProcessTable::ProcessTable(std::shared_ptr<ProcFs> fs,
                           ProcessTableOptions options)
    : fs_(std::move(fs)), options_(std::move(options)), apps_(*fs_) {}

absl::Status ProcessTable::Prime() {
  if (absl::Status status = List(); !status.ok()) return status;
  WorkBudget unlimited = WorkBudget::Unlimited();
  CatchUp(Lane::kSlow, &unlimited);
  return absl::OkStatus();
}

absl::Status ProcessTable::Resync() {
  absl::Status status = List();
  if (status.ok()) identity_generation_.fetch_add(1);
  return status;
}

bool ProcessTable::IsUpToDate() const {
  if (has_backlog_.load(std::memory_order_acquire)) return false;
  const int64_t now_ns = options_.now();
  return now_ns < next_due_ns_.load(std::memory_order_relaxed) &&
         now_ns - caught_up_ns_.load(std::memory_order_relaxed) < kFreshNs;
}

absl::Status ProcessTable::List() {
  std::lock_guard work(work_mutex_);
  // Read before the listing: what is born between the two is seen twice.
  int newest = fs_->NewestPid();
  int error = newest > 0 ? ListLocked(newest) : -EIO;
  if (error < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot list /proc: ", std::strerror(-error)));
  }
  PublishProgress();
  return absl::OkStatus();
}

int ProcessTable::ListLocked(int newest) {
  std::vector<int32_t> pids;
  if (int error = fs_->ListProcesses(&pids); error < 0) return error;
  for (int32_t pid : pids) todo_.push_back({pid, kLastLook});
  cursor_.Reset(newest);
  needs_listing_ = false;
  return 0;
}

bool ProcessTable::CatchUp(Lane lane, WorkBudget* budget) {
  // Nothing new, the usual case: one read of /proc/loadavg, no lock. acquire:
  // who sees the pid of a process also sees its entry in the maps.
  int newest = fs_->NewestPid();
  if (newest == seen_pid_.load(std::memory_order_acquire) &&
      !has_backlog_.load(std::memory_order_acquire)) {
    const int64_t now_ns = options_.now();
    if (now_ns < next_due_ns_.load(std::memory_order_relaxed)) {
      caught_up_ns_.store(now_ns, std::memory_order_relaxed);
      return true;
    }
  }
  bool advanced = false;
  bool more = true;
  while (more) {
    // One process per hold of the lock: another thread waits for one only.
    std::lock_guard work(work_mutex_);
    if (!advanced) {
      if (!AdvanceCursor(lane, newest)) return false;
      lacks_descriptors_ = false;
      advanced = true;
    }
    if (!Step(lane, budget, &more)) return false;
    if (!more && lacks_descriptors_) return false;
  }
  caught_up_ns_.store(options_.now(), std::memory_order_relaxed);
  return true;
}

bool ProcessTable::AdvanceCursor(Lane lane, int newest) {
  // Another thread may have come further meanwhile.
  if (newest < cursor_.newest()) newest = fs_->NewestPid();
  if (newest <= 0) return NeedListing();
  cursor_.TakeDue(options_.now(), &todo_);
  if (!needs_listing_ && cursor_.Advance(newest, &todo_)) return true;
  if (lane == Lane::kFast) return NeedListing();
  return ListLocked(newest) == 0 || NeedListing();
}

bool ProcessTable::NeedListing() {
  needs_listing_ = true;
  PublishProgress();
  return false;
}

bool ProcessTable::Step(Lane lane, WorkBudget* budget, bool* more) {
  bool done = true;
  if (!todo_.empty()) {
    done = budget->Take();
    if (done) {
      PidCursor::Due due = todo_.back();
      todo_.pop_back();
      LookAt(due);
    }
  }
  SweepSome(lane);
  if (done && !unscanned_.empty()) {
    TrackedPtr process = unscanned_.back();
    if (FinishScan(process, Scan::kFirst, budget)) {
      unscanned_.pop_back();
    } else {
      done = !budget->exhausted();
    }
  }
  *more = !todo_.empty() || !unscanned_.empty();
  PublishProgress();
  return done;
}

void ProcessTable::PublishProgress() {
  has_backlog_.store(!todo_.empty() || !unscanned_.empty() || needs_listing_,
                     std::memory_order_release);
  next_due_ns_.store(cursor_.next_due_ns(), std::memory_order_relaxed);
  // release: pairs with the acquire in CatchUp.
  seen_pid_.store(cursor_.newest(), std::memory_order_release);
}

int ProcessTable::OpenDir(int32_t pid, std::unique_ptr<ProcDir>* dir) {
  int error = fs_->OpenProcess(pid, dir);
  if (!IsOutOfDescriptors(error)) return error;
  {
    std::lock_guard lock(mutex_);
    CloseSomeLocked(open_dirs_ / 2);
  }
  return fs_->OpenProcess(pid, dir);
}

void ProcessTable::LookAgainLater(int32_t pid) {
  cursor_.NoteDue(pid);
  lacks_descriptors_ = true;
  std::lock_guard lock(mutex_);
  CloseSomeLocked(open_dirs_ / 2);
}

bool ProcessTable::MakeRoom() {
  std::unique_ptr<ProcDir> dir;
  std::vector<int32_t> fds;
  int error = OpenDir(kInitPid, &dir);
  if (error == 0) error = dir->List("fd", 1, &fds);
  if (!IsOutOfDescriptors(error)) return true;
  std::lock_guard lock(mutex_);
  CloseSomeLocked(open_dirs_ / 2);
  return false;
}

void ProcessTable::LookAt(PidCursor::Due due) {
  if (TrackedPtr known = Find(due.pid); known != nullptr) {
    if (IsAlive(known)) return;
    Forget(known);
  }
  std::unique_ptr<ProcDir> dir;
  int error = OpenDir(due.pid, &dir);
  std::array<char, kStatBytes> buffer;
  proc::StatLine stat;
  if (error == 0) error = ReadStat(*dir, buffer, &stat);
  if (IsOutOfDescriptors(error)) return LookAgainLater(due.pid);
  if (error != 0) {
    cursor_.NoteAbsent(due, options_.now());
    return;
  }
  if (stat.is_thread() || stat.is_kernel_thread()) return;
  if (stat.is_zombie()) dir = LivingDir(std::move(dir), due.pid);
  if (dir == nullptr) return;
  FileStat self;
  if (dir->Stat(".", &self) != 0) return;
  auto process = std::make_shared<TrackedProcess>(TrackedProcess::Birth{
      {due.pid, stat.start_ticks}, stat.parent_pid, self.uid});
  process->dir_ = std::move(dir);
  Insert(process);
  unscanned_.push_back(process);
  sweep_debt_ += kSweepPerInsert;
}

std::unique_ptr<ProcDir> ProcessTable::LivingDir(std::unique_ptr<ProcDir> dir,
                                                 int32_t pid) {
  FileStat exe;
  if (dir->Stat("exe", &exe) == 0) return dir;
  std::vector<int32_t> tasks;
  dir->List("task", kMaxTasks, &tasks);
  for (int32_t task : tasks) {
    std::unique_ptr<ProcDir> thread;
    if (task != pid && dir->OpenTask(task, &thread) == 0 &&
        thread->Stat("exe", &exe) == 0) {
      return thread;
    }
  }
  return nullptr;
}

bool ProcessTable::Revive(const TrackedPtr& process) {
  std::unique_ptr<ProcDir> dir;
  int error = OpenDir(process->id.pid, &dir);
  std::array<char, kStatBytes> buffer;
  proc::StatLine stat;
  if (error == 0) error = ReadStat(*dir, buffer, &stat);
  if (IsOutOfDescriptors(error)) return true;
  if (error != 0 || stat.start_ticks != process->id.start_ticks) return false;
  dir = LivingDir(std::move(dir), process->id.pid);
  if (dir == nullptr) return false;
  std::lock_guard lock(mutex_);
  if (process->gone_) return false;
  if (process->dir_ == nullptr) OpenedLocked(process);
  process->dir_ = std::move(dir);
  return true;
}

bool ProcessTable::FinishScan(const TrackedPtr& process, Scan scan,
                              WorkBudget* budget) {
  bool no_descriptors = false;
  std::shared_ptr<ProcDir> dir = DirOf(process, &no_descriptors);
  held_.clear();
  ScanResult result = ScanResult::kGone;
  if (dir != nullptr) {
    result = proc::ScanSockets(*dir, &process->next_fd_, budget, &fds_, &held_);
  }
  if (result == ScanResult::kComplete) {
    process->next_fd_ = 0;
    NoteFds(process, fds_);
  }
  if (no_descriptors || result == ScanResult::kNoDescriptors) {
    // As if it had never been seen.
    Forget(process);
    LookAgainLater(process->id.pid);
    return true;
  }
  std::lock_guard lock(mutex_);
  if (process->gone_) return true;
  for (const proc::HeldSocket& held : held_) {
    const bool is_new = IndexLocked(*process, held.inode, {0, held.fd});
    // Not there at its first scan: it made it itself.
    if (is_new && scan == Scan::kAfterExec) {
      if (auto* entry = index_.Find(held.inode)) entry->ancestors_known = true;
    }
  }
  return result != ScanResult::kOutOfBudget;
}

void ProcessTable::SweepSome(Lane lane) {
  if (lane == Lane::kFast && sweep_debt_ < kMaxSweepDebt) return;
  for (int i = 0; i < kMaxSweepPerStep && sweep_debt_ > 0; ++i, --sweep_debt_) {
    if (sweep_.empty()) {
      std::lock_guard lock(mutex_);
      for (const auto& [pid, process] : processes_) sweep_.push_back(pid);
    }
    if (sweep_.empty()) return;
    TrackedPtr process = Find(sweep_.back());
    sweep_.pop_back();
    if (process != nullptr && !IsAlive(process)) Forget(process);
  }
}

bool ProcessTable::IsAlive(const TrackedPtr& process) {
  bool no_descriptors = false;
  std::shared_ptr<ProcDir> dir = DirOf(process, &no_descriptors);
  if (dir == nullptr) return no_descriptors;
  // A zombie has no executable any more, and no descriptors.
  FileStat exe;
  int error = dir->Stat("exe", &exe);
  return (error != -ENOENT && error != -ESRCH) || Revive(process);
}

std::shared_ptr<ProcDir> ProcessTable::DirOf(const TrackedPtr& process,
                                             bool* no_descriptors) {
  {
    std::lock_guard lock(mutex_);
    if (process->gone_) return nullptr;
    process->recently_used_ = true;
    if (process->dir_ != nullptr) return process->dir_;
  }
  std::unique_ptr<ProcDir> dir;
  int error = OpenDir(process->id.pid, &dir);
  std::array<char, kStatBytes> buffer;
  proc::StatLine stat;
  if (error == 0) error = ReadStat(*dir, buffer, &stat);
  if (IsOutOfDescriptors(error)) {
    if (no_descriptors != nullptr) *no_descriptors = true;
    return nullptr;
  }
  if (error != 0 || stat.start_ticks != process->id.start_ticks) {
    Forget(process);  // the pid is another process's by now
    return nullptr;
  }
  if (stat.is_zombie()) dir = LivingDir(std::move(dir), process->id.pid);
  if (dir == nullptr) return nullptr;
  std::lock_guard lock(mutex_);
  if (process->gone_) return nullptr;
  if (process->dir_ == nullptr) {
    process->dir_ = std::move(dir);
    OpenedLocked(process);
  }
  return process->dir_;
}

}  // namespace sallyport
