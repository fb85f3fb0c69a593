#ifndef SALLYPORT_PROC_SOCKET_INDEX_H_
#define SALLYPORT_PROC_SOCKET_INDEX_H_

// What scans of descriptor tables have seen: socket inode -> who held it, in
// which slot. Only hints: whoever uses an entry reads the link again. Not
// thread-safe; ProcessTable guards it.

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "proc/fd_scan.h"

namespace sallyport::proc {

class SocketIndex {
 public:
  // Sockets; about 6 MiB. Beyond, scans are not remembered.
  static constexpr size_t kMaxSockets = 1u << 17;

  struct Holding {
    int32_t pid = 0;
    FdSlot slot;
  };
  struct Entry {
    absl::InlinedVector<Holding, 1> holdings;
    // Ancestors of the holders have been looked at once, and added if they
    // hold it too. They cannot come to hold it later.
    bool ancestors_known = false;
  };

  enum class Added : uint8_t { kNew, kKnown, kFull };
  // kKnown: of that process already; its slot is the new one.
  Added Add(uint32_t inode, Holding holding);
  void Remove(uint32_t inode, int32_t pid);
  Entry* Find(uint32_t inode);
  size_t size() const { return entries_.size(); }

 private:
  absl::flat_hash_map<uint32_t, Entry> entries_;
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_SOCKET_INDEX_H_
