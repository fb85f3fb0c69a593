#ifndef SALLYPORT_PROC_PROCESS_TABLE_H_
#define SALLYPORT_PROC_PROCESS_TABLE_H_

// ProcessTable: every process of the machine that could hold a socket, and what
// was seen in its descriptor table. Shared by all Resolvers and the process
// events; thread-safe. Two locks: `work_mutex_` is held while new processes are
// looked at (so that a thread that needs them waits for at most one process),
// `mutex_` around the maps, with no system call under it but close.
//
// What makes an answer complete: each process is scanned when it is first seen,
// and that is before the first lookup after its birth. A socket that no first
// scan has seen was made later, by the process where it is found, and nobody
// can have inherited it before it existed. A socket that a first scan has seen
// may be inherited: whoever was born with it was seen with it, and its maker is
// among their ancestors, all of which are asked; who died on the way up is
// remembered. Sockets passed over a unix socket, and processes that share one
// descriptor table, are outside of this (LIMITATIONS).

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "proc/app_cache.h"
#include "proc/fd_scan.h"
#include "proc/pid_cursor.h"
#include "proc/proc_fs.h"
#include "proc/socket_index.h"
#include "proc/work_budget.h"
#include "rules/owner.h"

namespace sallyport {

// One process from birth to death. Its open directory goes stale with it, so an
// entry never comes to mean another process.
class TrackedProcess {
 public:
  struct Birth {
    ProcessId id;
    int32_t parent_pid = 0;  // when first seen
    // Of /proc/PID: the effective uid, also of a process that may not be
    // dumped (fs/proc/base.c, task_dump_owner: its other files are root's).
    uint32_t owner_uid = 0;
  };
  explicit TrackedProcess(const Birth& birth)
      : id(birth.id),
        parent_pid(birth.parent_pid),
        owner_uid(birth.owner_uid),
        age(birth.id.start_ticks << kPidBits |
            static_cast<uint64_t>(birth.id.pid)) {}

  const ProcessId id;
  const int32_t parent_pid;
  const uint32_t owner_uid;
  const uint64_t age;  // ascending in the order of birth

  // False means nothing: it may have died since it was last looked at.
  bool is_known_dead() const { return gone_.load(std::memory_order_relaxed); }
  // How often it was heard to have become another program.
  uint32_t execs() const { return execs_.load(std::memory_order_acquire); }

 private:
  friend class ProcessTable;
  static constexpr int kPidBits = 22;  // PID_MAX_LIMIT of the kernel

  std::atomic<bool> gone_{false};  // set under ProcessTable::mutex_
  std::atomic<uint32_t> execs_{0};
  // Guarded by ProcessTable::mutex_.
  std::shared_ptr<ProcDir> dir_;  // null: closed to save descriptors, or gone
  bool recently_used_ = true;
  std::vector<uint32_t> inodes_;  // in the index with our pid
  proc::FdList known_fds_;        // when its descriptors were last read
  std::shared_ptr<const Process> current_;
  FileStat exe_;                        // of current_
  std::shared_ptr<ProcFile> exe_file_;  // with dir_; null: not asked for
  // Guarded by ProcessTable::work_mutex_.
  int32_t next_fd_ = 0;  // where its first scan goes on
};
using TrackedPtr = std::shared_ptr<TrackedProcess>;

struct SocketHolder {
  TrackedPtr process;
  proc::FdSlot slot;
};

struct ProcessTableOptions {
  size_t max_processes = 65'536;
  size_t max_open_dirs = 4'096;
  proc::NowFunction now = proc::MonotonicNow;
};

class ProcessTable {
 public:
  explicit ProcessTable(std::shared_ptr<ProcFs> fs,
                        ProcessTableOptions options = {});
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  // Scans everything, however long it takes. Call once before the first
  // lookup. Error: /proc cannot be listed.
  absl::Status Prime();
  // After process events were lost: the next CatchUp lists everything, and what
  // is remembered of executables counts no more.
  absl::Status Resync();

  // Looks at every process born since the last call. True if none is left
  // unseen. The packet path does not list /proc and returns false instead.
  enum class Lane : uint8_t { kFast, kSlow };
  bool CatchUp(Lane lane, proc::WorkBudget* budget);
  // For who has heard of all forks (ProcessNews): whether there is nothing that
  // CatchUp would have to do. False at least every 100 ms, since the kernel may
  // lose its word of a fork for want of memory.
  bool IsUpToDate() const;

  // --- who was seen with a socket ---
  using Holders = absl::InlinedVector<SocketHolder, 4>;
  // Returns whether their ancestors are among them already.
  bool FindHolders(uint64_t inode, Holders* holders);
  void AddHolder(uint64_t inode, const SocketHolder& holder);
  void RemoveHolder(uint64_t inode, const TrackedProcess& process);
  void NoteAncestorsKnown(uint64_t inode);
  // False: the index ran full, so "not in it" proves nothing.
  bool index_is_complete() const { return index_is_complete_.load(); }

  // --- processes ---
  TrackedPtr Find(int32_t pid);
  // Parent, grandparent..., those that live, without pid 1. False if the line
  // breaks off: somebody above is not known.
  bool Ancestors(const TrackedProcess& process, std::vector<TrackedPtr>* out);
  // Newest first. `uid`: only those that were its or root's when first seen.
  void Newest(const uint32_t* uid, size_t limit, std::vector<TrackedPtr>* out);
  // The open directory; null if the process is gone, or we have no descriptor
  // left (then *no_descriptors, if given, is set).
  std::shared_ptr<ProcDir> DirOf(const TrackedPtr& process,
                                 bool* no_descriptors = nullptr);
  // The descriptors it had when they were last read; null: not read yet.
  proc::FdList KnownFds(const TrackedPtr& process);
  void NoteFds(const TrackedPtr& process, const std::vector<int32_t>& fds);
  void Forget(const TrackedPtr& process);
  // Closes directories if there are no descriptors left to read one with (CASES
  // F29). False if that did not help: somebody else holds them.
  bool MakeRoom();
  // True if the process still exists, or nobody can tell. If its first thread
  // has ended and others live on, DirOf is one of theirs from now on.
  bool IsAlive(const TrackedPtr& process);

  // --- identity ---
  // What `process` is now. `exe` was just read from `dir`. Null: no app.
  std::shared_ptr<const Process> Identify(const TrackedPtr& process,
                                          ProcDir& dir, const FileStat& exe,
                                          uint32_t socket_uid);
  // The executable held open, if it is the file `exe` still; else null. Closed
  // with the directory: keep it weakly.
  std::shared_ptr<ProcFile> HoldExe(const TrackedPtr& process, ProcDir& dir,
                                    const FileStat& exe);
  std::shared_ptr<const Process> WithSha256(
      std::shared_ptr<const Process> process);
  // Counts changes that make a remembered Process out of date though its
  // executable is the same: a hash came to be known.
  uint64_t identity_generation() const { return identity_generation_.load(); }

  // --- likely owners, shared between the resolvers ---
  static constexpr size_t kMaxOwnersPerUid = 16;
  void NoteOwner(uint32_t uid, const SocketHolder& holder);
  void LikelyOwners(uint32_t uid, std::vector<SocketHolder>* out);
  // --- searches of everybody ---
  // A full search found nobody holding it (a kernel socket, or in flight).
  void NoteUnheld(uint64_t inode);
  // Where a search ended for want of time, so that the next goes on there and
  // does not ask the same ones again. 0: from the newest.
  uint64_t search_age() const { return search_age_.load(); }
  void NoteSearchAge(uint64_t age) { search_age_.store(age); }
  bool IsUnheld(uint64_t inode);

  // --- process events. Call CatchUp between forks and execs: what a lookup
  // needs is then read while the program starts, and not when its first packet
  // waits ---
  void OnFork(int32_t pid);
  void OnExec(int32_t pid, proc::WorkBudget* budget);
  void OnExit(int32_t pid);

  size_t process_count() const;
  size_t open_dir_count() const;
  ProcFs& fs() { return *fs_; }
  int64_t NowNs() const { return options_.now(); }
  const proc::NowFunction& now() const { return options_.now; }

 private:
  static constexpr int64_t kUnheldNs = 1'000'000'000;
  static constexpr size_t kMaxUnheld = 1024;
  static constexpr size_t kMaxUids = 1024;
  static constexpr size_t kMaxAncestors = 64;
  static constexpr size_t kMaxDeadParents = 8192;
  static constexpr int64_t kFreshNs = 100'000'000;

  absl::Status List();
  int ListLocked(int newest)  // 0 or -errno
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  bool Step(Lane lane, proc::WorkBudget* budget, bool* more)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  bool NeedListing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);  // false
  bool AdvanceCursor(Lane lane, int newest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  void LookAt(proc::PidCursor::Due due)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  void LookAgainLater(int32_t pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  int OpenDir(int32_t pid, std::unique_ptr<ProcDir>* dir);
  // Of one of its threads, if the first has ended. Null: it is dead.
  static std::unique_ptr<ProcDir> LivingDir(std::unique_ptr<ProcDir> dir,
                                            int32_t pid);
  bool Revive(const TrackedPtr& process);
  // False: to be gone on with.
  enum class Scan : uint8_t { kFirst, kAfterExec };
  bool FinishScan(const TrackedPtr& process, Scan scan,
                  proc::WorkBudget* budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  void SweepSome(Lane lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);
  void PublishProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(work_mutex_);

  void Insert(const TrackedPtr& process);
  // True if nobody had been seen with it.
  bool IndexLocked(TrackedProcess& process, uint32_t inode, proc::FdSlot slot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLocked(TrackedProcess& process)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenedLocked(const TrackedPtr& process)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseSomeLocked(size_t keep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseDirLocked(TrackedProcess& process)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const std::shared_ptr<ProcFs> fs_;
  const ProcessTableOptions options_;

  // Read without a lock on the packet path. Released after the maps were
  // changed, acquired before they are read.
  std::atomic<int32_t> seen_pid_{0};
  std::atomic<int64_t> next_due_ns_{proc::PidCursor::kNeverNs};
  std::atomic<int64_t> caught_up_ns_{0};  // when CatchUp last found nothing
  std::atomic<bool> has_backlog_{false};
  std::atomic<bool> index_is_complete_{true};
  std::atomic<uint64_t> identity_generation_{0};
  std::atomic<uint64_t> search_age_{0};

  std::mutex work_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  proc::PidCursor cursor_ ABSL_GUARDED_BY(work_mutex_);
  // Both are worked off newest first: a packet is likelier a new program's than
  // one's that lived for a while without sending (CASES A39).
  std::vector<proc::PidCursor::Due> todo_ ABSL_GUARDED_BY(work_mutex_);
  std::vector<TrackedPtr> unscanned_ ABSL_GUARDED_BY(work_mutex_);
  std::vector<int32_t> sweep_ ABSL_GUARDED_BY(work_mutex_);
  int sweep_debt_ ABSL_GUARDED_BY(work_mutex_) = 0;  // processes to look at
  bool needs_listing_ ABSL_GUARDED_BY(work_mutex_) = false;
  // Somebody could not be looked at in the CatchUp that runs.
  bool lacks_descriptors_ ABSL_GUARDED_BY(work_mutex_) = false;
  std::vector<int32_t> fds_ ABSL_GUARDED_BY(work_mutex_);  // scratch
  std::vector<proc::HeldSocket> held_ ABSL_GUARDED_BY(work_mutex_);

  mutable std::mutex mutex_;
  absl::flat_hash_map<int32_t, TrackedPtr> processes_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, TrackedPtr> by_age_ ABSL_GUARDED_BY(mutex_);
  std::deque<TrackedPtr> open_order_ ABSL_GUARDED_BY(mutex_);
  size_t open_dirs_ ABSL_GUARDED_BY(mutex_) = 0;
  proc::SocketIndex index_ ABSL_GUARDED_BY(mutex_);
  // So that the line of ancestors does not break at who died: of a dead
  // process, its start and its parent.
  struct DeadParent {
    uint64_t start_ticks;
    int32_t parent_pid;
  };
  absl::flat_hash_map<int32_t, DeadParent> dead_parents_
      ABSL_GUARDED_BY(mutex_);
  std::deque<int32_t> dead_order_ ABSL_GUARDED_BY(mutex_);  // oldest first
  absl::flat_hash_map<uint32_t, std::deque<SocketHolder>> owners_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, int64_t> unheld_ ABSL_GUARDED_BY(mutex_);

  proc::AppCache apps_;  // thread-safe by itself
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PROCESS_TABLE_H_
