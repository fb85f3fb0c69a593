#include "proc/prerequisites.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proc/fd_scan.h"
#include "proc/real_proc_fs.h"
#include "proc/sock_diag.h"

namespace sallyport {
namespace {

constexpr int kMaxProbed = 1024;

// Names of those that attribution needs and we do not have.
std::string MissingCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return {};
  std::string missing;
  auto need = [&](uint32_t capability, const char* name) {
    if ((data[capability / 32].effective >> (capability % 32)) & 1) return;
    absl::StrAppend(&missing, missing.empty() ? "" : " and ", name);
  };
  need(CAP_SYS_PTRACE, "CAP_SYS_PTRACE");
  need(CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH");
  return missing;
}

// 0, or the errno of the first thing that could not be read.
int ReadOne(ProcDir& dir) {
  std::array<char, PATH_MAX> link;
  int error = dir.ReadLink("exe", link);
  if (error < 0) return error;
  std::vector<int32_t> fds;
  error = dir.List("fd", proc::kMaxFdsPerProcess, &fds);
  if (error < 0 || fds.empty()) return error;
  error = dir.ReadLink(proc::FdPath("fd", {0, fds[0]}).c_str(), link);
  // It may have been closed since it was listed.
  return error < 0 && error != -ENOENT ? error : 0;
}

}  // namespace

absl::Status CanReadProcesses(ProcFs& fs) {
  std::unique_ptr<ProcDir> init;
  if (int error = fs.OpenProcess(1, &init); error < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot see pid 1 (", std::strerror(-error),
        "): /proc is mounted with hidepid, or ProtectProc= hides processes; "
        "run with CAP_SYS_PTRACE or ProtectProc=default"));
  }
  std::vector<int32_t> pids;
  fs.ListProcesses(&pids);
  int readable = 0;
  int probed = 0;
  int error = 0;
  for (int32_t pid : pids) {
    if (pid == getpid()) continue;
    if (readable > 0 || kMaxProbed < ++probed) break;
    std::unique_ptr<ProcDir> dir;
    if (fs.OpenProcess(pid, &dir) != 0) continue;
    int result = ReadOne(*dir);
    if (result == 0) ++readable;
    // Kernel threads have no executable, the dead have nothing.
    if (result < 0 && result != -ENOENT && result != -ESRCH) error = result;
  }
  std::string missing = MissingCapabilities();
  if (!missing.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "cannot read processes of other users: missing ", missing));
  }
  // One that a security module hides (pid 1 of some virtual machines) is no
  // reason to refuse.
  if (readable == 0 && error < 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "cannot read processes of other users: ", std::strerror(-error),
        " in spite of CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (a user "
        "namespace, or a security module)"));
  }
  return absl::OkStatus();
}

absl::Status CanReadProcesses() {
  auto fs = OpenProcFs();
  return fs.ok() ? CanReadProcesses(**fs) : fs.status();
}

absl::Status HasSockDiag() {
  auto lookup = OpenSockDiag();
  if (!lookup.ok()) return lookup.status();
  Flow flow;
  SocketInfo socket;
  for (auto [protocol, module] :
       {std::pair{kProtoTcp, "tcp_diag"}, std::pair{kProtoUdp, "udp_diag"}}) {
    flow.protocol = protocol;
    if ((*lookup)->FindExact(flow, &socket) == LookupResult::kUnsupported) {
      return absl::UnavailableError(absl::StrCat(
          "sock_diag does not know the protocol: modprobe ", module));
    }
  }
  return absl::OkStatus();
}

}  // namespace sallyport
