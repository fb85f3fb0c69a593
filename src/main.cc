// sallyportd: parses, wires and runs.

#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "engine/nft_divert.h"
#include "proc/process_events.h"
#include "rules/text_util.h"
#include "src/config.h"
#include "src/daemon.h"
#include "src/escape.h"
#include "src/history_verify.h"
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

// For `sallyport history verify --file`: FILE [HASH...]. Prints what the API
// would answer; 0: intact, 1: not, or it cannot be told, 3: there is no file.
int RunVerifyHistory(std::span<char* const> words) {
  VerifyOptions options;
  for (const char* word : words.subspan(words.empty() ? 0 : 1)) {
    const std::optional<Sha256Digest> head = DigestFromHex(word);
    if (!head.has_value()) {
      fprintf(stderr, "%s is no hash: 64 hexadecimal digits\n",
              QuoteForMessage(word).c_str());
      return 2;
    }
    options.heads.push_back(*head);
  }
  if (words.empty()) {
    fprintf(stderr, "--verify-history needs a file\n");
    return 2;
  }
  const absl::StatusOr<HistoryReport> report = VerifyHistory(words[0], options);
  if (!report.ok()) {
    fprintf(stderr, "%s\n", Escape(MessageOf(report.status())).c_str());
    return absl::IsNotFound(report.status()) ? 3 : 1;
  }
  printf("%s\n", HistoryReportToJson(*report).c_str());
  return report->IsIntact() ? 0 : 1;
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
  if (argc >= 2 && strcmp(argv[1], "--verify-history") == 0) {
    return RunVerifyHistory(
        std::span<char* const>(argv, argv + argc).subspan(2));
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
