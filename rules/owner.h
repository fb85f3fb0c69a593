#ifndef SALLYPORT_RULES_OWNER_H_
#define SALLYPORT_RULES_OWNER_H_

// Who a packet belongs to: apps, processes, and how sure we are. The values
// are made by proc/, judged by rules/, shown by src/. They are immutable once
// published, so any thread may read them; shared_ptr because a process entry
// outlives its place in the cache while events that name it are in flight.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace sallyport {

// Device and inode as fstat of the opened file gives them.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileId&) const = default;
};

// An executable as it was found behind /proc/PID/exe. A new App is made
// whenever device, inode, ctime or link count change, so a cached App never
// speaks of a file that has changed since (CASES A04, A05, A06).
struct App {
  enum class Kind : uint8_t {
    kFile,    // an executable in a file system
    kMemfd,   // memfd_create: the name was chosen by the program
    kKernel,  // no user-space process
  };
  Kind kind = Kind::kFile;
  std::string path;        // bytes as the kernel gives them; for showing
  uint64_t path_hash = 0;  // HashAppPath(path)
  FileId exe;
  uint32_t link_count = 0;
  int64_t ctime_ns = 0;
  int64_t size_bytes = 0;
  // True if `path`, looked up in our mount namespace, is this very file. If
  // not (deleted, replaced, another mount namespace, memfd), a rule for `path`
  // can only restrict: deny and reject apply, allow does not.
  bool path_is_exe = false;
  // Lower-case hex, 64 digits; empty until a rule asked for it and the slow
  // lane has computed it.
  std::string sha256;
};

// Differs from one run of the process to the next: never store it.
uint64_t HashAppPath(std::string_view path);

struct ProcessId {
  int32_t pid = 0;
  uint64_t start_ticks = 0;  // /proc/PID/stat field 22; pid alone is no name
  bool operator==(const ProcessId&) const = default;
};

// What is nice to know about a process and takes long to read. For showing
// only: every field was chosen by the program or its user (CASES A10).
struct ProcessFacts {
  std::vector<std::string> cmdline;
  std::string comm;
  std::string cgroup;
  std::string user_name;
  std::vector<std::string> parent_paths;  // nearest first, at most 8
};

struct Process {
  ProcessId id;
  int32_t parent_pid = 0;
  uint32_t uid = 0;  // effective, when it was looked at
  std::shared_ptr<const App> app;

  // Set once, after the verdict, by the slow lane; null until then.
  const ProcessFacts* facts() const {
    return facts_.load(std::memory_order_acquire);
  }
  // Takes `facts`; a second call is ignored.
  void SetFacts(std::unique_ptr<const ProcessFacts> facts) const;
  Process() = default;
  ~Process() { delete facts_.load(std::memory_order_relaxed); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

 private:
  // acquire/release: the reader of the pointer sees the facts behind it.
  mutable std::atomic<const ProcessFacts*> facts_{nullptr};
};

enum class Confidence : uint8_t {
  kNone,       // nobody found; `socket_uid` may still be known
  kExact,      // one process holds the socket
  kAmbiguous,  // several could have sent it: all are judged
  kKernel,     // a socket (or none) that belongs to no process by nature
};

struct Ownership {
  Confidence confidence = Confidence::kNone;
  std::optional<uint32_t> socket_uid;  // sock_diag, else NFQA_UID
  absl::InlinedVector<std::shared_ptr<const Process>, 2> owners;
};

const char* ConfidenceName(Confidence confidence);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_OWNER_H_
