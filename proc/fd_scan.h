#ifndef SALLYPORT_PROC_FD_SCAN_H_
#define SALLYPORT_PROC_FD_SCAN_H_

// Reading what a process holds: links of its descriptor directories. Stateless
// and thread-safe; the caller lends the vectors, so that a scan of a known
// process allocates nothing.

#include <array>
#include <cstdint>
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

enum class ScanResult : uint8_t {
  kComplete,
  kOutOfBudget,    // *next_fd tells where to go on
  kGone,           // the process, or the right to look at it
  kNoDescriptors,  // EMFILE, ENFILE: ours are used up (CASES F29)
};

// Appends every socket in `table` ("fd", "task/12/fd") from *next_fd on.
ScanResult ScanSockets(ProcDir& dir, int32_t task, int32_t* next_fd,
                       WorkBudget* budget, std::vector<int32_t>* scratch,
                       std::vector<HeldSocket>* out);

// Looks for one socket, newest descriptors first. Appends the io_urings it
// comes by to `rings` if that is not null.
std::optional<FdSlot> FindSocket(ProcDir& dir, int32_t task, uint64_t inode,
                                 WorkBudget* budget,
                                 std::vector<int32_t>* scratch,
                                 std::vector<FdSlot>* rings = nullptr);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_FD_SCAN_H_
