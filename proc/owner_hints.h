#ifndef SALLYPORT_PROC_OWNER_HINTS_H_
#define SALLYPORT_PROC_OWNER_HINTS_H_

// OwnerHints: who sent lately, and behind which descriptors his sockets were.
// Every new connection has a new inode, so there is nothing to look up: a hint
// is a guess, confirmed by reading one link. One per Resolver, not thread-safe;
// a search allocates nothing.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "proc/process_table.h"

namespace sallyport::proc {

class OwnerHints {
 public:
  static constexpr size_t kMaxProcesses = 64;
  static constexpr size_t kMaxSlots = 8;
  static constexpr int kMaxProbes = 32;  // links read in one search; ~70 us
  // A process that was seen once does not push out those that send often.
  static constexpr size_t kFrontRow = 8;

  struct Hint {
    TrackedPtr process;
    std::shared_ptr<ProcDir> dir;
    uint32_t uid = 0;                     // of its sockets
    std::array<FdSlot, kMaxSlots> slots;  // the one that matched last first
    size_t slot_count = 0;
    uint32_t misses = 0;  // searches in a row that tried it in vain
    // What it was when it was last looked at; null: not known.
    std::shared_ptr<const Process> identity;
    FileStat exe;
    std::weak_ptr<ProcFile> exe_file;
    uint32_t execs = 0;          // TrackedProcess::execs
    int64_t check_again_ns = 0;  // look at /proc/PID/exe all the same
    uint64_t generation = 0;     // ProcessTable::identity_generation
  };

  // Null if no guess was right.
  const Hint* Search(uint64_t inode, uint32_t uid);
  // `process` was found to hold a socket of `uid` in `slot`.
  Hint& Note(const SocketHolder& holder, std::shared_ptr<ProcDir> dir,
             uint32_t uid);
  Hint* Find(const TrackedProcess& process);
  // Removes processes that are gone, of those that were tried in vain.
  void Prune(ProcessTable& table);
  // The most recent of `uid`, at most `limit`.
  void MostRecent(uint32_t uid, size_t limit, std::vector<TrackedPtr>* out);
  void Clear() { hints_.clear(); }

 private:
  static std::optional<FdSlot> Guess(const Hint& hint, size_t rank);
  static void Promote(Hint& hint, FdSlot slot);

  std::vector<std::unique_ptr<Hint>> hints_;  // most recent first
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_OWNER_HINTS_H_
