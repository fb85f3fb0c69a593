#ifndef SALLYPORT_PROC_PROC_FS_H_
#define SALLYPORT_PROC_PROC_FS_H_

// The part of /proc we read, as two small interfaces: ProcFs is the whole tree,
// ProcDir one process held open. The real ones are in proc/real_proc_fs.h; the
// interfaces exist so that tests can let a process vanish, run out of
// descriptors or lose a permission between any two steps.
//
// Every call may be made from any thread. Calls return a length or 0, or a
// negative errno. A ProcDir goes stale with its process: after its death every
// call fails, also when the pid is in use again (CASES A02).

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rules/owner.h"

namespace sallyport {

struct FileStat {
  FileId id;
  uint32_t link_count = 0;
  uint32_t uid = 0;
  int64_t ctime_ns = 0;
  int64_t size_bytes = 0;
  bool operator==(const FileStat&) const = default;
};

// A file held by what it is, not by a name: its numbers cost no search for it.
class ProcFile {
 public:
  virtual ~ProcFile() = default;
  virtual int Stat(FileStat* out) = 0;
};

// /proc/PID. Paths are relative to it: "exe", "fd/5", "task/12/fd".
class ProcDir {
 public:
  virtual ~ProcDir() = default;
  // Target of a link, cut at the size of `out`.
  virtual int ReadLink(const char* path, std::span<char> out) = 0;
  // Content of a text file, cut at the size of `out`.
  virtual int Read(const char* path, std::span<char> out) = 0;
  // Of the file that `path` leads to; "." is the directory itself.
  virtual int Stat(const char* path, FileStat* out) = 0;
  // The entries whose names are numbers, ascending, at most `limit`.
  virtual int List(const char* path, size_t limit,
                   std::vector<int32_t>* out) = 0;
  // Opens for reading. The caller closes the descriptor that is returned.
  virtual int Open(const char* path) = 0;
  // /proc/PID/task/TID, which looks the same: for a process whose first thread
  // has ended and whose others live on.
  virtual int OpenTask(int32_t task, std::unique_ptr<ProcDir>* out) = 0;
  // The file that "exe" leads to now.
  virtual int HoldExe(std::unique_ptr<ProcFile>* out) = 0;
};

class ProcFs {
 public:
  virtual ~ProcFs() = default;
  virtual int OpenProcess(int32_t pid, std::unique_ptr<ProcDir>* out) = 0;
  // Pids of all processes, ascending; threads are not among them.
  virtual int ListProcesses(std::vector<int32_t>* out) = 0;
  // The pid handed out last, to a process or a thread (/proc/loadavg).
  virtual int NewestPid() = 0;
  // Of a path in our own mount namespace, links followed.
  virtual int StatPath(const char* path, FileStat* out) = 0;
  // A table of /proc/thread-self/net: "icmp", "raw6", ...
  virtual int ReadNet(const char* name, std::string* out) = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PROC_FS_H_
