#ifndef SALLYPORT_TOOLS_DAEMON_PROCESS_H_
#define SALLYPORT_TOOLS_DAEMON_PROCESS_H_

// The daemon as a process and as a systemd unit, for the verbs that must work
// when it does not answer (off, doctor). One thread; calls block.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport::cli {

inline constexpr char kUnitName[] = "sallyport.service";

bool IsRoot();

// Who listens on the API socket, by SO_PEERCRED: right also if that process
// hangs, and not for it to lie about. Held by a pidfd, so that a signal never
// meets a stranger with a reused pid.
class DaemonProcess {
 public:
  // No daemon: pid() is 0.
  static DaemonProcess Behind(const std::string& socket_path);
  DaemonProcess(DaemonProcess&& other) noexcept;
  DaemonProcess& operator=(DaemonProcess&&) = delete;
  ~DaemonProcess();

  int pid() const { return pid_; }
  // Of the daemon, opened while it ran; -1 if unknown.
  int network_namespace_fd() const { return netns_fd_; }

  // SIGTERM, then SIGKILL after `patience`. REQUIRES: pid() > 0.
  absl::Status Stop(absl::Duration patience) const;

 private:
  DaemonProcess() = default;

  int pid_ = 0;
  int pidfd_ = -1;
  int netns_fd_ = -1;
};

struct UnitState {
  bool systemd = false;  // this machine was booted with it
  bool known = false;    // the unit is installed
  bool running = false;  // active, starting, or about to be restarted
  bool enabled = false;  // starts at boot
  int main_pid = 0;
  std::string state;  // "active", "failed", ...
};
UnitState ReadUnitState();

// Runs a program found in PATH (or given by path), its output on stderr, in the
// network namespace `netns_fd` (-1: ours). Its exit code.
absl::StatusOr<int> RunProgram(const std::vector<std::string>& words,
                               int netns_fd);

// The same in our own namespace, its output up to `max_bytes` (what comes after
// is thrown away) given back.
struct ProgramOutput {
  int exit_code = 0;
  std::string text;
};
absl::StatusOr<ProgramOutput> ReadProgram(const std::vector<std::string>& words,
                                          size_t max_bytes);

// sallyportd: beside this program, in sbin beside its bin, where it was
// installed, in PATH. "" if it is nowhere.
std::string FindDaemonBinary();

// Clears our table from the kernel by `sallyportd --remove-divert`: it alone
// knows what belongs to it.
absl::Status RemoveDivert(int netns_fd);

// What `sallyportd --verify-history` finds in `file`, as JSON: it alone knows
// how that is made. What is wrong it says on standard error. NotFound: there is
// no such file.
absl::StatusOr<std::string> ReadHistoryReport(
    const std::string& file, const std::vector<std::string>& heads);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_DAEMON_PROCESS_H_
