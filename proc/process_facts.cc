#include "proc/process_facts.h"

#include <libproc2/pids.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proc/proc_text.h"

namespace sallyport::proc {
namespace {

constexpr size_t kMaxArguments = 64;
constexpr size_t kMaxCommandLineBytes = 4096;  // an event has to carry it
constexpr size_t kMaxParents = 8;
constexpr size_t kMaxCgroupBytes = 1024;
constexpr size_t kPasswordEntryBytes = 16384;

struct PidsDeleter {
  void operator()(pids_info* info) const { procps_pids_unref(&info); }
};

std::string UserName(uint32_t uid) {
  std::array<char, kPasswordEntryBytes> buffer;
  passwd entry;
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return {};
  }
  return found->pw_name;
}

// Read by ourselves: libproc2 also cuts arguments at newlines, and what is one
// argument must not look like two (CASES A10).
void ReadCommandLine(ProcDir& dir, ProcessFacts* facts) {
  std::array<char, kMaxCommandLineBytes> bytes;
  int length = dir.Read("cmdline", bytes);
  std::string_view text(bytes.data(), static_cast<size_t>(std::max(length, 0)));
  while (!text.empty() && facts->cmdline.size() < kMaxArguments) {
    size_t end = std::min(text.find('\0'), text.size());
    facts->cmdline.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The path in the unified hierarchy, else the first line as it is.
std::string TakeCgroup(char** lines) {
  constexpr std::string_view kUnified = "0::";
  std::string_view first;
  for (; lines != nullptr && *lines != nullptr; ++lines) {
    std::string_view line(*lines);
    if (first.empty()) first = line;
    if (!line.starts_with(kUnified)) continue;
    first = line.substr(kUnified.size());
    break;
  }
  return std::string(first.substr(0, kMaxCgroupBytes));
}

// What libproc2 knows of the process that has this pid now.
bool ReadByPid(int32_t pid, ProcessFacts* facts) {
  enum { kName, kCgroup, kItems };
  std::array<pids_item, kItems> items = {PIDS_CMD, PIDS_CGROUP_V};
  pids_info* raw = nullptr;
  if (procps_pids_new(&raw, items.data(), kItems) < 0) return false;
  std::unique_ptr<pids_info, PidsDeleter> info(raw);
  unsigned number = static_cast<unsigned>(pid);
  pids_fetch* fetch = procps_pids_select(raw, &number, 1, PIDS_SELECT_PID);
  if (fetch == nullptr || fetch->counts->total < 1) return false;
  const pids_result* found = fetch->stacks[0]->head;
  if (found[kName].result.str != nullptr) {
    facts->comm = found[kName].result.str;
  }
  facts->cgroup = TakeCgroup(found[kCgroup].result.strv);
  return true;
}

std::optional<StatLine> ReadStat(ProcDir& dir, std::span<char> buffer) {
  int length = dir.Read("stat", buffer);
  if (length <= 0) return std::nullopt;
  return ParseStat({buffer.data(), static_cast<size_t>(length)});
}

// Executables of the parents, nearest first.
std::vector<std::string> ReadParents(ProcFs& fs, int32_t pid) {
  std::vector<std::string> paths;
  while (paths.size() < kMaxParents && pid > 0) {
    std::unique_ptr<ProcDir> dir;
    std::array<char, PATH_MAX> text;
    if (fs.OpenProcess(pid, &dir) != 0) break;
    int length = dir->ReadLink("exe", text);
    if (length > 0) {
      paths.emplace_back(text.data(), static_cast<size_t>(length));
    }
    auto stat = ReadStat(*dir, text);
    if (!stat) break;
    pid = stat->parent_pid;
  }
  return paths;
}

// False if the process is gone.
bool ReadFacts(ProcFs& fs, const ProcessId& id, ProcessFacts* facts) {
  std::unique_ptr<ProcDir> dir;
  std::array<char, 1024> text;
  if (fs.OpenProcess(id.pid, &dir) != 0) return false;
  auto stat = ReadStat(*dir, text);
  if (!stat || stat->start_ticks != id.start_ticks) return false;
  ReadCommandLine(*dir, facts);
  // Goes by the number. If the process is still there afterwards, nobody else
  // had its number meanwhile.
  if (!ReadByPid(id.pid, facts)) return false;
  stat = ReadStat(*dir, text);
  if (!stat) return false;
  facts->parent_paths = ReadParents(fs, stat->parent_pid);
  return true;
}

}  // namespace

void DescribeProcess(ProcessTable& table, const Process& process) {
  if (process.facts() != nullptr) return;
  auto facts = std::make_unique<ProcessFacts>();
  if (!ReadFacts(table.fs(), process.id, facts.get())) {
    *facts = ProcessFacts();
  }
  facts->user_name = UserName(process.uid);
  process.SetFacts(std::move(facts));
}

}  // namespace sallyport::proc
