// off: the emergency switch (CASES F40). Stops whatever runs the firewall, then
// clears its kernel rules; needs neither a daemon that answers nor a queue that
// moves.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/daemon_process.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

// Which of the two ways stopped it, for the report.
enum class Stopped { kNothing, kUnit, kProcess };

absl::StatusOr<Stopped> StopDaemon(const Session& session,
                                   const DaemonProcess& daemon) {
  const UnitState unit = ReadUnitState();
  const bool is_ours = session.socket_path == kDefaultSocket ||
                       (daemon.pid() > 0 && unit.main_pid == daemon.pid());
  if (unit.running && is_ours) {
    const absl::StatusOr<int> code =
        RunProgram({"systemctl", "stop", kUnitName}, -1);
    if (!code.ok()) return code.status();
    if (*code != 0) {
      return absl::FailedPreconditionError(
          Concat("systemctl stop ", kUnitName, " failed with ", *code));
    }
    return Stopped::kUnit;
  }
  if (daemon.pid() <= 0) return Stopped::kNothing;
  const absl::Status status = daemon.Stop(absl::Seconds(5));
  if (!status.ok()) return status;
  return Stopped::kProcess;
}

int RunOff(const Session& session) {
  if (!IsRoot()) {
    return Report(absl::PermissionDeniedError(
        "off needs root: it stops the daemon and changes kernel rules\nrun: "
        "sudo sallyport off"));
  }
  // First of all: its network namespace can't be found once it is gone.
  const DaemonProcess daemon = DaemonProcess::Behind(session.socket_path);
  const absl::StatusOr<Stopped> stopped = StopDaemon(session, daemon);
  if (!stopped.ok()) Report(stopped.status());  // the rules go all the same
  const absl::Status cleared = RemoveDivert(daemon.network_namespace_fd());
  if (!cleared.ok()) return Report(cleared);
  if (!stopped.ok()) return kFailed;
  const bool comes_back = *stopped == Stopped::kUnit && ReadUnitState().enabled;
  if (session.json) {
    PrintJson(Json{{"off", true},
                   {"stopped", *stopped == Stopped::kUnit      ? "unit"
                               : *stopped == Stopped::kProcess ? "process"
                                                               : "nothing"},
                   {"starts_at_boot", comes_back}});
    return kDone;
  }
  std::printf("off: %s, kernel rules cleared, everything may connect\n",
              *stopped == Stopped::kNothing ? "no daemon was running"
                                            : "the daemon is stopped");
  if (comes_back) {
    std::printf(
        "it starts again at the next boot; to keep it off: sudo "
        "systemctl disable %s\n",
        kUnitName);
  }
  return kDone;
}

}  // namespace

void AddOff(CLI::App& verb, Session& session) {
  verb.callback([&session] { session.exit_code = RunOff(session); });
}

}  // namespace sallyport::cli
