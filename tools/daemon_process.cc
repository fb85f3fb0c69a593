#include "tools/daemon_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// The listener's credentials; connecting needs no answer, only a place in its
// backlog, and a full one (non-blocking: EAGAIN) does not hide a daemon for
// long.
int ListenerPid(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) return 0;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return 0;
  ucred peer{};
  socklen_t length = sizeof(peer);
  int pid = 0;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
          0 &&
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
    pid = peer.pid;
  }
  close(fd);
  return pid;
}

bool Exited(int pidfd, absl::Duration patience) {
  pollfd wait = {pidfd, POLLIN, 0};
  const int ready =
      poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  return ready == 1;
}

bool SendSignal(int pidfd, int number) {
  return syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0 ||
         errno == ESRCH;
}

// What a child does between fork and exec: async-signal-safe calls only.
[[noreturn]] void Exec(char* const* words, int netns_fd, int output_fd) {
  if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) != 0) _exit(126);
  dup2(output_fd, STDOUT_FILENO);
  execvp(words[0], words);
  _exit(127);
}

absl::StatusOr<int> Spawn(const std::vector<std::string>& words, int netns_fd,
                          int output_fd) {
  std::vector<char*> pointers;
  for (const std::string& word : words) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) Exec(pointers.data(), netns_fd, output_fd);
  return child;
}

absl::StatusOr<int> ExitCodeOf(pid_t child, const std::string& name) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitpid");
  }
  if (!WIFEXITED(status)) {
    return absl::InternalError(
        Concat(name, " died of signal ", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == 127) {
    return absl::NotFoundError(Concat(name, " could not be run"));
  }
  return WEXITSTATUS(status);
}

// KEY=VALUE lines of `systemctl show`, whose form is documented as stable.
std::map<std::string, std::string> ShowUnit() {
  std::map<std::string, std::string> out;
  constexpr size_t kMaxBytes = 64 << 10;  // four short lines
  const absl::StatusOr<ProgramOutput> shown =
      ReadProgram({"systemctl", "show", "-p",
                   "LoadState,ActiveState,MainPID,UnitFileState", kUnitName},
                  kMaxBytes);
  if (!shown.ok()) return out;
  for (std::string_view line : Split(shown->text, '\n')) {
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    out.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return out;
}

}  // namespace

bool IsRoot() { return geteuid() == 0; }

DaemonProcess DaemonProcess::Behind(const std::string& socket_path) {
  DaemonProcess out;
  const int pid = ListenerPid(socket_path);
  if (pid <= 0) return out;
  out.pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  // The pid is his only if he still listens now that we hold him.
  if (out.pidfd_ < 0 || ListenerPid(socket_path) != pid) return out;
  out.pid_ = pid;
  out.netns_fd_ =
      open(Concat("/proc/", pid, "/ns/net").c_str(), O_RDONLY | O_CLOEXEC);
  return out;
}

DaemonProcess::DaemonProcess(DaemonProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      netns_fd_(std::exchange(other.netns_fd_, -1)) {}

DaemonProcess::~DaemonProcess() {
  if (pidfd_ >= 0) close(pidfd_);
  if (netns_fd_ >= 0) close(netns_fd_);
}

absl::Status DaemonProcess::Stop(absl::Duration patience) const {
  assert(pid_ > 0);
  if (!SendSignal(pidfd_, SIGTERM)) {
    return absl::ErrnoToStatus(errno, Concat("cannot stop pid ", pid_));
  }
  if (Exited(pidfd_, patience)) return absl::OkStatus();
  if (!SendSignal(pidfd_, SIGKILL) || !Exited(pidfd_, patience)) {
    return absl::DeadlineExceededError(Concat("pid ", pid_, " does not end"));
  }
  return absl::OkStatus();
}

UnitState ReadUnitState() {
  UnitState out;
  // The documented test for "systemd runs here": sd_booted(3).
  out.systemd = std::filesystem::is_directory("/run/systemd/system");
  if (!out.systemd) return out;
  std::map<std::string, std::string> shown = ShowUnit();
  out.known = shown["LoadState"] == "loaded";
  out.state = shown["ActiveState"];
  out.running = out.state == "active" || out.state == "activating" ||
                out.state == "reloading" || out.state == "deactivating";
  out.enabled = shown["UnitFileState"] == "enabled";
  if (!ParseNumber(shown["MainPID"], &out.main_pid)) out.main_pid = 0;
  return out;
}

absl::StatusOr<int> RunProgram(const std::vector<std::string>& words,
                               int netns_fd) {
  const absl::StatusOr<int> child = Spawn(words, netns_fd, STDERR_FILENO);
  if (!child.ok()) return child.status();
  return ExitCodeOf(*child, words[0]);
}

absl::StatusOr<ProgramOutput> ReadProgram(const std::vector<std::string>& words,
                                          size_t max_bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const absl::StatusOr<int> child = Spawn(words, -1, ends[1]);
  close(ends[1]);
  ProgramOutput output;
  char buffer[4096];
  ssize_t got = 0;
  while (child.ok() && (got = read(ends[0], buffer, sizeof(buffer))) > 0) {
    const size_t room = max_bytes - output.text.size();
    output.text.append(buffer, std::min(room, static_cast<size_t>(got)));
  }
  close(ends[0]);
  if (!child.ok()) return child.status();
  const absl::StatusOr<int> code = ExitCodeOf(*child, words[0]);
  if (!code.ok()) return code.status();
  output.exit_code = *code;
  return output;
}

std::string FindDaemonBinary() {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> places;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path here = self.parent_path();
    places.push_back(here / "sallyportd");
    places.push_back(here.parent_path() / "sbin" / "sallyportd");
    // A build tree: tools/sallyport beside src/sallyportd.
    places.push_back(here.parent_path() / "src" / "sallyportd");
  }
  places.emplace_back(SALLYPORT_SBINDIR "/sallyportd");
  const char* path = std::getenv("PATH");
  for (std::string_view place : Split(path ? path : "", ':')) {
    if (!place.empty()) places.push_back(fs::path(place) / "sallyportd");
  }
  for (const fs::path& place : places) {
    if (access(place.c_str(), X_OK) == 0) return place.string();
  }
  return "";
}

absl::Status RemoveDivert(int netns_fd) {
  const std::string binary = FindDaemonBinary();
  if (binary.empty()) {
    return absl::NotFoundError(
        "sallyportd is not found, so its kernel rules were not removed\nby "
        "hand: sudo nft delete table inet sallyport");
  }
  const absl::StatusOr<int> code =
      RunProgram({binary, "--remove-divert"}, netns_fd);
  if (!code.ok()) return code.status();
  if (*code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat(binary, " --remove-divert failed with ", *code,
             "\nby hand: sudo nft delete table inet sallyport"));
}

absl::StatusOr<std::string> ReadHistoryReport(
    const std::string& file, const std::vector<std::string>& heads) {
  constexpr size_t kMaxReportBytes = 1 << 20;  // it is some KiB
  const std::string binary = FindDaemonBinary();
  if (binary.empty()) {
    return absl::FailedPreconditionError(
        "sallyportd is not found; it is what reads the file");
  }
  std::error_code error;
  const std::string path = std::filesystem::absolute(file, error).string();
  std::vector<std::string> words = {binary, "--verify-history", path};
  words.insert(words.end(), heads.begin(), heads.end());
  absl::StatusOr<ProgramOutput> output = ReadProgram(words, kMaxReportBytes);
  if (!output.ok()) return output.status();
  if (!output->text.empty()) return std::move(output->text);
  const std::string message = Concat("cannot verify ", file);
  if (output->exit_code == 3) return absl::NotFoundError(message);
  return absl::FailedPreconditionError(message);
}

}  // namespace sallyport::cli
