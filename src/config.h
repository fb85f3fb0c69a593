#ifndef SALLYPORT_SRC_CONFIG_H_
#define SALLYPORT_SRC_CONFIG_H_

// Config: everything the daemon is told at start, from defaults, then the
// config file, then the command line; the later wins. Called by main before
// any thread exists. Errors name file:line:column (or the flag) and say what
// to write instead; all of them are reported, not just the first.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/divert.h"
#include "rules/judge.h"
#include "rules/verdict.h"

namespace sallyport {

inline constexpr char kDefaultConfigPath[] = "/etc/sallyport/sallyport.toml";
inline constexpr char kDefaultRulesDir[] = "/etc/sallyport/rules.d";

// Flows that are older than the daemon.
enum class ExistingFlows : uint8_t { kRecheck, kAccept, kCut };
// Who is asked which process sends.
enum class AttributionSource : uint8_t { kAuto, kProc };

struct Config {
  std::string config_path;  // the file that was read; empty: there was none
  std::vector<std::string> rules_dirs = {kDefaultRulesDir};  // the admin's
  std::string state_dir = "/var/lib/sallyport";
  std::string socket = "/run/sallyport/api.sock";
  std::string control_group = "sallyport";  // may use everything on the socket
  bool socket_for_everyone = false;  // others too may see their own flows

  Mode mode = Mode::kMonitor;
  Verdict default_verdict = Verdict::kAllow;
  std::optional<Verdict> unattributed;  // unset: same as default_verdict
  FailPosture on_failure = FailPosture::kClosed;
  bool judge_loopback = true;
  bool builtin_loopback_rule = true;
  ExistingFlows existing_flows = ExistingFlows::kRecheck;

  QueueExpression divert = QueueExpression::kAuto;
  uint16_t queues = 1;  // ReadConfig: one per CPU, at most 4
  uint16_t queue_base = 4180;
  uint32_t mark_mask = 0x00f00000;

  AttributionSource attribution = AttributionSource::kAuto;
  uint32_t slow_lane_threads = 2;
  absl::Duration resolve_deadline = absl::Milliseconds(500);

  std::string event_log = "none";  // "none", "journal", or an absolute path
  uint32_t event_log_max_mib = 64;
  uint32_t history_max_age_days = 30;
  uint32_t history_max_mib = 256;

  bool check_config = false;
  bool foreground = false;

  JudgeSettings judge_settings() const {
    return {mode, default_verdict, unattributed.value_or(default_verdict)};
  }
  // Where rules that we write live.
  std::string state_rules_dir() const { return state_dir + "/rules.d"; }
};

// What main should do after the flags were read.
struct CommandLine {
  Config config;
  std::optional<int> exit_code;  // set: print `text` and exit with this code
  std::string text;              // help, version or the errors
};

// Flags, then the file they name (or the default one, if it exists), then the
// flags over it. Never throws. exit_code is 2 for flags, 3 for the file (1
// under --check-config), 0 for --help and --version.
CommandLine ReadCommandLine(int argc, const char* const* argv);

// The file alone, over `config`. `text` is its content, `file_name` is for
// messages only. InvalidArgument: one message per line.
absl::Status ApplyConfigText(std::string_view text, std::string_view file_name,
                             Config* config);

// What keys cannot say alone: base + count, mask, paths.
absl::Status ValidateConfig(const Config& config);

// One line per key: name, kind and allowed values. For --help, docs and tests.
struct ConfigKey {
  const char* name;      // "on_failure", "history.max_mib"
  const char* expected;  // "\"open\" or \"closed\"", "1 to 64"
  const char* flag;      // "--on-failure", or "" if file only
  const char* help;
};
const ConfigKey* FindConfigKey(std::string_view name);  // null: unknown
std::vector<ConfigKey> ConfigKeys();

}  // namespace sallyport

#endif  // SALLYPORT_SRC_CONFIG_H_
