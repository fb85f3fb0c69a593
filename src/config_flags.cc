// The command line: flags through the table of keys, over the config file.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "rules/text_util.h"
#include "src/config.h"
#include "src/config_key.h"
#include "src/file_guard.h"
#include "src/rule_store.h"

namespace sallyport {
namespace {

constexpr int kUsage = 2;
constexpr int kBadConfig = 3;
constexpr int kCheckFailed = 1;

// More queues than CPUs gain nothing; more than four were never needed.
uint16_t DefaultQueues() {
  return static_cast<uint16_t>(
      std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
}

struct Flags {
  std::string config_path;
  bool check_config = false;
  bool foreground = false;
  std::map<const ConfigRow*, std::vector<std::string>> values;
};

void AddOptions(CLI::App* app, Flags* flags) {
  app->add_option("--config", flags->config_path,
                  Concat("config file [", kDefaultConfigPath, "]"))
      ->type_name("FILE");
  for (const ConfigRow& row : ConfigRows()) {
    if (row.key.flag[0] == '\0') continue;
    app->add_option(row.key.flag, flags->values[&row],
                    Concat(row.key.help, ": ", row.key.expected))
        ->type_name("")
        ->allow_extra_args(false)
        ->expected(1, static_cast<int>(CLI::detail::expected_max_vector_size));
  }
  app->add_flag("--check-config", flags->check_config,
                "check config and rule files, then exit");
  app->add_flag("--foreground", flags->foreground,
                "log to standard error, with times");
  app->set_version_flag("--version", "sallyportd " SALLYPORT_VERSION);
}

// "" or the error.
std::string ApplyFlag(const ConfigRow& row,
                      const std::vector<std::string>& texts, Config* config) {
  ConfigValue value;
  if (row.kind == ConfigKind::kTexts) {
    value = texts;
  } else if (texts.size() > 1) {
    return Concat(row.key.flag, ": given ", texts.size(), " times");
  } else if (row.kind == ConfigKind::kNumber) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(texts[0], &number)) {
      return Concat(row.key.flag, ": expected ", row.key.expected, "; got ",
                    QuoteForMessage(texts[0]));
    }
    value = number;
  } else {
    value = texts[0];
  }
  std::string error = SetConfigKey(row, value, config);
  return error.empty() ? "" : Concat(row.key.flag, ": ", error);
}

absl::Status ReadFile(const std::string& given_path, Config* config) {
  const std::string path = given_path.empty() ? kDefaultConfigPath : given_path;
  absl::StatusOr<std::string> text = ReadGuardedFile(path, kMaxConfigFileBytes);
  if (!text.ok()) {
    const bool may_lack = given_path.empty() && absl::IsNotFound(text.status());
    return may_lack ? absl::OkStatus() : text.status();
  }
  config->config_path = path;
  return ApplyConfigText(*text, path, config);
}

void Append(std::string_view message, std::string* text) {
  if (message.empty()) return;
  *text += message;
  *text += '\n';
}

// All that is wrong, also if the config file is: its rules are looked at with
// what is known.
void CheckEverything(bool file_ok, CommandLine* out) {
  const Config& config = out->config;
  absl::StatusOr<size_t> rules = CheckRuleFiles(
      {config.rules_dirs, config.state_dir, config.builtin_loopback_rule});
  if (!rules.ok()) Append(MessageOf(rules.status()), &out->text);
  if (!file_ok || !rules.ok()) {
    out->exit_code = kCheckFailed;
    return;
  }
  out->exit_code = 0;
  Append(Concat("config ",
                config.config_path.empty() ? "(none, defaults)"
                                           : config.config_path,
                ": good; rules: ", *rules, ", all good"),
         &out->text);
}

}  // namespace

CommandLine ReadCommandLine(int argc, const char* const* argv) {
  CommandLine out;
  out.config.queues = DefaultQueues();
  Flags flags;
  CLI::App app(
      "Sallyport: an application firewall. Runs in the network "
      "namespace it is started in.",
      "sallyportd");
  AddOptions(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    out.exit_code = 0;
    Append(version.what(), &out.text);
    return out;
  } catch (const CLI::CallForHelp&) {
    out.exit_code = 0;
    out.text = app.help();
    return out;
  } catch (const CLI::Error& error) {
    out.exit_code = kUsage;
    out.text =
        Concat("sallyportd: ", error.what(), "\nTry 'sallyportd --help'.\n");
    return out;
  }

  absl::Status file = ReadFile(flags.config_path, &out.config);
  Append(MessageOf(file), &out.text);
  std::string flag_errors;
  for (const auto& [row, texts] : flags.values) {
    if (texts.empty()) continue;
    Append(ApplyFlag(*row, texts, &out.config), &flag_errors);
  }
  if (flag_errors.empty() && file.ok()) {
    Append(MessageOf(ValidateConfig(out.config)), &flag_errors);
  }
  out.config.check_config = flags.check_config;
  out.config.foreground = flags.foreground;
  if (!flag_errors.empty()) {
    out.text += flag_errors;
    out.exit_code = kUsage;
  } else if (flags.check_config) {
    CheckEverything(file.ok(), &out);
  } else if (!file.ok()) {
    out.exit_code = kBadConfig;
  }
  return out;
}

}  // namespace sallyport
