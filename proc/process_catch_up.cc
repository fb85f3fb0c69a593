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
constexpr int32_t kInitPid = 1;  // always there

bool IsOutOfDescriptors(int error) {
  return error == -EMFILE || error == -ENFILE;
}

std::optional<proc::StatLine> ReadStat(ProcDir& dir, std::span<char> buffer) {
  int length = dir.Read("stat", buffer);
  if (length <= 0) return std::nullopt;
  return proc::ParseStat({buffer.data(), static_cast<size_t>(length)});
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

absl::Status ProcessTable::Resync() { return List(); }

absl::Status ProcessTable::List() {
  std::lock_guard work(work_mutex_);
  // Read before the listing: what is born between the two is seen twice.
  int newest = fs_->NewestPid();
  std::vector<int32_t> pids;
  int error = fs_->ListProcesses(&pids);
  if (newest <= 0 || error < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot list /proc: ", std::strerror(-error)));
  }
  for (int32_t pid : pids) todo_.push_back({pid, kLastLook});
  cursor_.Reset(newest);
  has_backlog_.store(true, std::memory_order_release);
  PublishProgress();
  return absl::OkStatus();
}

bool ProcessTable::CatchUp(Lane lane, WorkBudget* budget) {
  // Nothing new, the usual case: one read of /proc/loadavg, no lock. acquire:
  // who sees the pid of a process also sees its entry in the maps.
  int newest = fs_->NewestPid();
  if (newest == seen_pid_.load(std::memory_order_acquire) &&
      !has_backlog_.load(std::memory_order_acquire)) {
    int64_t due = next_due_ns_.load(std::memory_order_relaxed);
    if (due == PidCursor::kNeverNs || options_.now() < due) return true;
  }
  bool advanced = false;
  bool more = true;
  while (more) {
    // One process per hold of the lock: another thread waits for one only.
    std::lock_guard work(work_mutex_);
    if (!advanced) {
      if (!AdvanceCursor(lane, newest)) return false;
      advanced = true;
    }
    if (!Step(lane, budget, &more)) return false;
  }
  return true;
}

bool ProcessTable::AdvanceCursor(Lane lane, int newest) {
  // Another thread may have come further meanwhile.
  if (newest < cursor_.newest()) newest = fs_->NewestPid();
  if (newest <= 0) return false;
  cursor_.TakeDue(options_.now(), &todo_);
  if (!cursor_.Advance(newest, &todo_)) {
    if (lane == Lane::kFast) return false;
    std::vector<int32_t> pids;
    if (fs_->ListProcesses(&pids) < 0) return false;
    for (int32_t pid : pids) todo_.push_back({pid, kLastLook});
    cursor_.Reset(newest);
  }
  return true;
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
    if (FinishScan(process, budget)) {
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
  has_backlog_.store(!todo_.empty() || !unscanned_.empty(),
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

void ProcessTable::MakeRoom() {
  std::unique_ptr<ProcDir> dir;
  OpenDir(kInitPid, &dir);
}

void ProcessTable::LookAt(PidCursor::Due due) {
  if (TrackedPtr known = Find(due.pid); known != nullptr) {
    if (IsAlive(known)) return;
    Forget(known);
  }
  std::unique_ptr<ProcDir> dir;
  int error = OpenDir(due.pid, &dir);
  if (IsOutOfDescriptors(error)) {
    cursor_.NoteDue(due.pid);
    return;
  }
  std::array<char, kStatBytes> buffer;
  std::optional<proc::StatLine> stat;
  if (error == 0) stat = ReadStat(*dir, buffer);
  if (!stat) {
    cursor_.NoteAbsent(due, options_.now());
    return;
  }
  if (stat->is_thread() || stat->is_kernel_thread() || stat->is_zombie()) {
    return;
  }
  FileStat self;
  if (dir->Stat(".", &self) != 0) return;
  auto process = std::make_shared<TrackedProcess>(TrackedProcess::Birth{
      {due.pid, stat->start_ticks}, stat->parent_pid, self.uid});
  process->dir_ = std::move(dir);
  Insert(process);
  unscanned_.push_back(process);
  sweep_debt_ += kSweepPerInsert;
}

bool ProcessTable::FinishScan(const TrackedPtr& process, WorkBudget* budget) {
  std::shared_ptr<ProcDir> dir = DirOf(process);
  if (dir == nullptr) return true;
  held_.clear();
  ScanResult result =
      proc::ScanSockets(*dir, &process->next_fd_, budget, &fds_, &held_);
  if (result == ScanResult::kComplete) NoteFds(process, fds_);
  std::lock_guard lock(mutex_);
  if (result == ScanResult::kNoDescriptors) CloseSomeLocked(open_dirs_ / 2);
  if (process->gone_) return true;
  for (const proc::HeldSocket& held : held_) {
    IndexLocked(*process, held.inode, {0, held.fd});
  }
  return result == ScanResult::kComplete || result == ScanResult::kGone;
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
  std::shared_ptr<ProcDir> dir = DirOf(process);
  if (dir == nullptr) return false;
  // A zombie has no executable any more, and no descriptors.
  FileStat exe;
  int error = dir->Stat("exe", &exe);
  return error != -ENOENT && error != -ESRCH;
}

std::shared_ptr<ProcDir> ProcessTable::DirOf(const TrackedPtr& process) {
  {
    std::lock_guard lock(mutex_);
    if (process->gone_) return nullptr;
    process->recently_used_ = true;
    if (process->dir_ != nullptr) return process->dir_;
  }
  std::unique_ptr<ProcDir> dir;
  int error = OpenDir(process->id.pid, &dir);
  if (IsOutOfDescriptors(error)) return nullptr;
  std::array<char, kStatBytes> buffer;
  std::optional<proc::StatLine> stat;
  if (error == 0) stat = ReadStat(*dir, buffer);
  if (!stat || stat->start_ticks != process->id.start_ticks) {
    Forget(process);  // the pid is another process's by now
    return nullptr;
  }
  std::lock_guard lock(mutex_);
  if (process->gone_) return nullptr;
  if (process->dir_ == nullptr) {
    process->dir_ = std::move(dir);
    OpenedLocked(process);
  }
  return process->dir_;
}

}  // namespace sallyport
