#ifndef SALLYPORT_TESTS_PROC_FAKE_PROC_FS_H_
#define SALLYPORT_TESTS_PROC_FAKE_PROC_FS_H_

// A /proc in memory, with faults. Calls are logged as "PID verb path"; `seam`
// runs before each of them, so that a test can let a process vanish, fork or
// exec between any two steps of the code under test.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proc/proc_fs.h"

namespace sallyport {

struct FakeProcess {
  int32_t parent_pid = 1;
  uint64_t start_ticks = 0;
  uint32_t uid = 1000;
  bool is_thread = false;
  std::string exe;  // what the link shows
  FileStat exe_stat;
  std::string exe_content;
  std::map<std::string, std::string> links;  // "fd/5" -> "socket:[1]"
  std::map<std::string, std::string> texts;  // "fdinfo/5"
};

class FakeProcFs : public ProcFs {
 public:
  // As in the kernel: an open directory means the process, not the number.
  using Ptr = std::shared_ptr<FakeProcess>;

  FakeProcess& Add(int32_t pid, const std::string& exe, uint32_t uid = 1000,
                   int32_t parent_pid = 1) {
    auto process = std::make_shared<FakeProcess>();
    process->parent_pid = parent_pid;
    process->start_ticks = next_ticks_++;
    process->uid = uid;
    SetExe(*process, exe);
    processes_[pid] = process;
    newest_pid = std::max(newest_pid, pid);
    return *process;
  }
  void SetExe(FakeProcess& process, const std::string& exe) {
    process.exe = exe;
    if (!host_files.contains(exe)) {
      FileStat stat;
      stat.id = {8, next_inode_++};
      stat.link_count = 1;
      stat.ctime_ns = static_cast<int64_t>(next_inode_) * 1000;
      stat.size_bytes = 100;
      host_files[exe] = stat;
    }
    process.exe_stat = host_files[exe];
  }
  void Hold(int32_t pid, int32_t fd, uint64_t inode) {
    At(pid).links["fd/" + std::to_string(fd)] =
        "socket:[" + std::to_string(inode) + "]";
  }
  void Close(int32_t pid, int32_t fd) {
    At(pid).links.erase("fd/" + std::to_string(fd));
  }
  // A child with copies of all descriptors.
  FakeProcess& Fork(int32_t parent, int32_t child) {
    FakeProcess& process = Add(child, At(parent).exe, At(parent).uid, parent);
    process.links = At(parent).links;
    return process;
  }
  void Exit(int32_t pid) { processes_.erase(pid); }
  FakeProcess& At(int32_t pid) { return *processes_.at(pid); }
  bool Has(int32_t pid) const { return processes_.contains(pid); }

  int OpenProcess(int32_t pid, std::unique_ptr<ProcDir>* out) override {
    if (int error = Call(pid, "open", ""); error < 0) return error;
    auto found = processes_.find(pid);
    if (found == processes_.end()) return -ENOENT;
    if (open_dirs >= max_open_dirs) return -EMFILE;
    *out = std::make_unique<Dir>(*this, pid, found->second);
    return 0;
  }
  int ListProcesses(std::vector<int32_t>* out) override {
    if (int error = Call(0, "list", "/proc"); error < 0) return error;
    out->clear();
    for (const auto& [pid, process] : processes_) {
      if (!process->is_thread) out->push_back(pid);
    }
    return 0;
  }
  int NewestPid() override {
    if (int error = Call(0, "newest", ""); error < 0) return error;
    return newest_pid;
  }
  int StatPath(const char* path, FileStat* out) override {
    if (int error = Call(0, "stat", path); error < 0) return error;
    auto found = host_files.find(path);
    if (found == host_files.end()) return -ENOENT;
    *out = found->second;
    return 0;
  }
  int ReadNet(const char* name, std::string* out) override {
    if (int error = Call(0, "net", name); error < 0) return error;
    auto found = net.find(name);
    if (found == net.end()) return -ENOENT;
    *out = found->second;
    return static_cast<int>(out->size());
  }

  int CountCalls(const std::string& part) const {
    return static_cast<int>(
        std::count_if(calls.begin(), calls.end(), [&](const std::string& c) {
          return c.find(part) != std::string::npos;
        }));
  }

  int32_t newest_pid = 1;
  int open_dirs = 0;
  int max_open_dirs = 1 << 20;
  std::map<std::string, FileStat> host_files;
  std::map<std::string, std::string> net;
  std::map<std::string, int> errors;  // "PID verb path" -> negative errno
  std::function<void(const std::string& call)> seam;
  std::vector<std::string> calls;

 private:
  // The executable as it was when it was opened; changes of that very file are
  // seen.
  class File : public ProcFile {
   public:
    File(FakeProcFs& fs, Ptr process)
        : fs_(fs), process_(std::move(process)), stat_(process_->exe_stat) {}
    int Stat(FileStat* out) override {
      if (int error = fs_.Call(0, "fstat", "exe"); error < 0) return error;
      if (process_->exe_stat.id == stat_.id) stat_ = process_->exe_stat;
      *out = stat_;
      return 0;
    }

   private:
    FakeProcFs& fs_;
    Ptr process_;
    FileStat stat_;
  };

  class Dir : public ProcDir {
   public:
    Dir(FakeProcFs& fs, int32_t pid, Ptr process)
        : fs_(fs), pid_(pid), process_(std::move(process)) {
      ++fs_.open_dirs;
    }
    ~Dir() override { --fs_.open_dirs; }

    int ReadLink(const char* path, std::span<char> out) override {
      if (int error = Begin("readlink", path); error < 0) return error;
      if (std::string(path) == "exe") {
        if (process_->exe.empty()) return -ENOENT;
        return Copy(process_->exe, out);
      }
      auto found = process_->links.find(path);
      return found == process_->links.end() ? -ENOENT
                                            : Copy(found->second, out);
    }
    int Read(const char* path, std::span<char> out) override {
      if (int error = Begin("read", path); error < 0) return error;
      if (std::string(path) == "stat") return Copy(StatText(), out);
      if (std::string(path) == "status") {
        std::string uid = std::to_string(process_->uid);
        return Copy("Name:\tx\nUid:\t" + uid + "\t" + uid + "\t" + uid + "\t" +
                        uid + "\n",
                    out);
      }
      auto found = process_->texts.find(path);
      return found == process_->texts.end() ? -ENOENT
                                            : Copy(found->second, out);
    }
    int Stat(const char* path, FileStat* out) override {
      if (int error = Begin("stat", path); error < 0) return error;
      *out = FileStat();
      if (std::string(path) == "exe") {
        if (process_->exe.empty()) return -ENOENT;
        *out = process_->exe_stat;
      }
      if (std::string(path) == ".") out->uid = process_->uid;
      return 0;
    }
    int List(const char* path, size_t limit,
             std::vector<int32_t>* out) override {
      if (int error = Begin("list", path); error < 0) return error;
      std::set<int32_t> numbers;
      std::string prefix = std::string(path) + "/";
      for (const auto& [name, target] : process_->links) {
        if (name.starts_with(prefix)) {
          numbers.insert(std::stoi(name.substr(prefix.size())));
        }
      }
      if (prefix == "task/") numbers.insert(pid_);
      out->assign(numbers.begin(), numbers.end());
      if (out->size() > limit) out->resize(limit);
      return 0;
    }
    int OpenTask(int32_t task, std::unique_ptr<ProcDir>*) override {
      if (int error = Begin("opentask", std::to_string(task).c_str());
          error < 0) {
        return error;
      }
      return -ENOENT;
    }
    int HoldExe(std::unique_ptr<ProcFile>* out) override {
      if (int error = Begin("hold", "exe"); error < 0) return error;
      if (process_->exe.empty()) return -ENOENT;
      *out = std::make_unique<File>(fs_, process_);
      return 0;
    }
    int Open(const char* path) override {
      if (int error = Begin("openfile", path); error < 0) return error;
      int fd = memfd_create("exe", MFD_CLOEXEC);
      const std::string& content = process_->exe_content;
      if (write(fd, content.data(), content.size()) < 0) return -EIO;
      lseek(fd, 0, SEEK_SET);
      return fd;
    }

   private:
    int Begin(const char* verb, const char* path) {
      if (int error = fs_.Call(pid_, verb, path); error < 0) return error;
      auto now = fs_.processes_.find(pid_);
      bool is_alive = now != fs_.processes_.end() && now->second == process_;
      return is_alive ? 0 : -ENOENT;
    }
    static int Copy(const std::string& text, std::span<char> out) {
      size_t length = std::min(text.size(), out.size());
      std::memcpy(out.data(), text.data(), length);
      return static_cast<int>(length);
    }
    std::string StatText() const {
      std::string text = std::to_string(pid_) + " (a) b) S " +
                         std::to_string(process_->parent_pid) +
                         " 0 0 0 0 4194304";
      for (int field = 10; field < 22; ++field) text += " 0";
      text += " " + std::to_string(process_->start_ticks);
      for (int field = 23; field < 38; ++field) text += " 0";
      return text + (process_->is_thread ? " -1" : " 17") + " 0 0\n";
    }

    FakeProcFs& fs_;
    const int32_t pid_;
    const Ptr process_;
  };

  int Call(int32_t pid, const std::string& verb, const std::string& path) {
    std::string call = std::to_string(pid) + " " + verb + " " + path;
    calls.push_back(call);
    if (seam) {
      auto now = seam;  // it may replace itself
      now(call);
    }
    auto error = errors.find(call);
    return error == errors.end() ? 0 : error->second;
  }

  std::map<int32_t, Ptr> processes_;
  uint64_t next_ticks_ = 100;
  uint64_t next_inode_ = 1000;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_FAKE_PROC_FS_H_
