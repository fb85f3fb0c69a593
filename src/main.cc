// sallyportd: parses, wires and runs.

#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "engine/nft_divert.h"
#include "proc/process_events.h"
#include "src/config.h"
#include "src/daemon.h"
#include "src/log.h"
#include "src/privileges.h"
#include "src/rule_store.h"

namespace sallyport {
namespace {

void LogStatus(const absl::Status& status) {
  LogError(std::string(status.message()));
}

// For `sallyport off`: works whether or not a daemon is there.
int RunRemoveDivert() {
  if (absl::Status status = RemoveDivert(); !status.ok()) {
    LogStatus(status);
    return ExitCodeOf(status);
  }
  return 0;
}

int RunCheckConfig(const Config& config) {
  RuleStoreOptions options;
  options.rules_dirs = config.rules_dirs;
  options.state_dir = config.state_dir;
  options.builtin_loopback_rule = config.builtin_loopback_rule;
  const absl::StatusOr<size_t> count = CheckRuleFiles(options);
  if (!count.ok()) {
    fprintf(stderr, "%s\n", std::string(count.status().message()).c_str());
    return 1;
  }
  printf("configuration and %zu rules are fine\n", *count);
  return 0;
}

int RunDaemon(const Config& config) {
  absl::Status status = CheckPrivileges();
  // Before the drop: the kernel tells of processes in the initial network
  // namespace only, and to go there from another takes CAP_SYS_ADMIN.
  auto events = OpenProcessEvents();
  if (status.ok())
    status = DropOtherPrivileges(config.state_dir, config.socket);
  if (status.ok()) {
    auto daemon =
        Daemon::Start(config, events.ok() ? *std::move(events) : nullptr);
    status = daemon.ok() ? (*daemon)->Run() : daemon.status();
  }
  if (!status.ok()) LogStatus(status);
  return ExitCodeOf(status);
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  using namespace sallyport;
  if (argc == 2 && strcmp(argv[1], "--remove-divert") == 0) {
    return RunRemoveDivert();
  }
  const CommandLine command_line = ReadCommandLine(argc, argv);
  if (command_line.exit_code.has_value()) {
    FILE* const out = *command_line.exit_code == 0 ? stdout : stderr;
    fprintf(out, "%s\n", command_line.text.c_str());
    return *command_line.exit_code;
  }
  if (command_line.config.check_config) {
    return RunCheckConfig(command_line.config);
  }
  return RunDaemon(command_line.config);
}
