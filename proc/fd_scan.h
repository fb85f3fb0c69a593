#ifndef SALLYPORT_PROC_FD_SCAN_H_
#define SALLYPORT_PROC_FD_SCAN_H_

// Reading what a process holds: links of its descriptor directories. Stateless
// and thread-safe; the caller lends the vectors, so that a scan of a known
// process allocates nothing.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "proc/proc_fs.h"
#include "proc/work_budget.h"

namespace sallyport::proc {

// Descriptors of one process that are looked at; more is an attack or a
// program no desktop or server runs (the kernel's own default limit is 1024).
inline constexpr size_t kMaxFdsPerProcess = 1u << 18;

// Where a socket sits: behind descriptor `fd` of the process, or of its thread
// `task` if that has a descriptor table of its own (CASES A22), or among the
// registered files of the io_uring that is behind `fd` (CASES A21).
struct FdSlot {
  int32_t task = 0;
  int32_t fd = -1;
  bool in_ring = false;
  bool operator==(const FdSlot&) const = default;
};

// "fd/5", "task/12/fd/5", with a NUL.
class FdPath {
 public:
  FdPath(const char* what, FdSlot slot);  // REQUIRES: what is "fd" or "fdinfo"
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 48> text_;
};

// True if that slot has the socket at this moment. REQUIRES: slot.fd >= 0.
bool Holds(ProcDir& dir, FdSlot slot, uint64_t inode);

struct HeldSocket {
  uint32_t inode = 0;
  int32_t fd = -1;
};

// Descriptor numbers, ascending; shared because a search reads what a scan on
// another thread replaces.
using FdList = std::shared_ptr<const std::vector<int32_t>>;

enum class ScanResult : uint8_t {
  kComplete,
  kOutOfBudget,    // *next_fd tells where to go on; also after kMaxLinksPerScan
  kGone,           // the process, or the right to look at it
  kNoDescriptors,  // EMFILE, ENFILE: ours are used up (CASES F29)
};

// So that nobody waits for long for one scan: about 3 ms.
inline constexpr int kMaxLinksPerScan = 1024;

// Appends every socket of the process from *next_fd on. `fds` becomes the
// numbers of all its descriptors.
ScanResult ScanSockets(ProcDir& dir, int32_t* next_fd, WorkBudget* budget,
                       std::vector<int32_t>* fds, std::vector<HeldSocket>* out);

struct SocketQuery {
  uint64_t inode = 0;
  int32_t task = 0;  // whose table; 0: the process's
  // Numbers that are passed over: a socket that was not there when they were
  // listed sits behind a new one, nearly always.
  FdList known_fds;
  // If not null: the io_urings that were come by are appended.
  std::vector<FdSlot>* rings = nullptr;
};

// Looks for one socket, newest descriptors first. `fds` becomes the numbers of
// all descriptors. Without a descriptor of ours to look with (CASES F29) the
// budget is exhausted.
std::optional<FdSlot> FindSocket(ProcDir& dir, const SocketQuery& query,
                                 WorkBudget* budget, std::vector<int32_t>* fds);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_FD_SCAN_H_
