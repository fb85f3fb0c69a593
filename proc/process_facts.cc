#include "proc/process_facts.h"

#include <libproc2/pids.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <memory>
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

void TakeCommandLine(char** arguments, ProcessFacts* facts) {
  size_t bytes = 0;
  for (; arguments != nullptr && *arguments != nullptr; ++arguments) {
    if (facts->cmdline.size() >= kMaxArguments) return;
    std::string_view argument(*arguments);
    argument = argument.substr(0, kMaxCommandLineBytes - bytes);
    bytes += argument.size();
    facts->cmdline.emplace_back(argument);
    if (bytes >= kMaxCommandLineBytes) return;
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

// Everything of one process from one reading; false if it is not `id`.
bool ReadFacts(const ProcessId& id, ProcessFacts* facts) {
  enum { kTicks, kName, kCommandLine, kCgroup, kItems };
  std::array<pids_item, kItems> items = {PIDS_TICS_BEGAN, PIDS_CMD,
                                         PIDS_CMDLINE_V, PIDS_CGROUP_V};
  pids_info* raw = nullptr;
  if (procps_pids_new(&raw, items.data(), kItems) < 0) return false;
  std::unique_ptr<pids_info, PidsDeleter> info(raw);
  unsigned pid = static_cast<unsigned>(id.pid);
  pids_fetch* fetch = procps_pids_select(raw, &pid, 1, PIDS_SELECT_PID);
  if (fetch == nullptr || fetch->counts->total < 1) return false;
  const pids_result* found = fetch->stacks[0]->head;
  if (found[kTicks].result.ull_int != id.start_ticks) return false;
  if (found[kName].result.str != nullptr) {
    facts->comm = found[kName].result.str;
  }
  TakeCommandLine(found[kCommandLine].result.strv, facts);
  facts->cgroup = TakeCgroup(found[kCgroup].result.strv);
  return true;
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
    length = dir->Read("stat", text);
    if (length <= 0) break;
    auto stat = ParseStat({text.data(), static_cast<size_t>(length)});
    if (!stat) break;
    pid = stat->parent_pid;
  }
  return paths;
}

bool IsStill(ProcFs& fs, const ProcessId& id, int32_t* parent_pid) {
  std::unique_ptr<ProcDir> dir;
  std::array<char, 1024> text;
  if (fs.OpenProcess(id.pid, &dir) != 0) return false;
  int length = dir->Read("stat", text);
  if (length <= 0) return false;
  auto stat = ParseStat({text.data(), static_cast<size_t>(length)});
  if (!stat || stat->start_ticks != id.start_ticks) return false;
  *parent_pid = stat->parent_pid;
  return true;
}

}  // namespace

void DescribeProcess(ProcessTable& table, const Process& process) {
  if (process.facts() != nullptr) return;
  auto facts = std::make_unique<ProcessFacts>();
  int32_t parent_pid = 0;
  // Libproc2 reads several files by pid: the start time before and after says
  // that all of them were of this process.
  bool is_read = ReadFacts(process.id, facts.get());
  if (is_read && IsStill(table.fs(), process.id, &parent_pid)) {
    facts->parent_paths = ReadParents(table.fs(), parent_pid);
  } else {
    *facts = ProcessFacts();
  }
  facts->user_name = UserName(process.uid);
  process.SetFacts(std::move(facts));
}

}  // namespace sallyport::proc
