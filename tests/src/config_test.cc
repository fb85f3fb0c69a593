#include "src/config.h"

#include <gtest/gtest.h>

#include <regex>

#include "src/config_key.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

absl::Status Apply(std::string_view text, Config* config) {
  return ApplyConfigText(text, "c.toml", config);
}
std::string ErrorOf(std::string_view text) {
  Config config;
  return std::string(Apply(text, &config).message());
}

CommandLine ReadLine(std::vector<const char*> args) {
  args.insert(args.begin(), "sallyportd");
  return ReadCommandLine(static_cast<int>(args.size()), args.data());
}

// "history.max_mib" and a value as TOML.
std::string Assignment(const std::string& key, const std::string& value) {
  const size_t dot = key.find('.');
  if (dot == std::string::npos) return key + " = " + value + "\n";
  return "[" + key.substr(0, dot) + "]\n" + key.substr(dot + 1) + " = " +
         value + "\n";
}

TEST(Config, DefaultsAreTheSafeOnes) {
  const Config config;
  EXPECT_EQ(config.mode, Mode::kMonitor);
  EXPECT_EQ(config.on_failure, FailPosture::kClosed);
  EXPECT_EQ(config.judge_settings().unattributed_verdict, Verdict::kAllow);
  EXPECT_TRUE(ValidateConfig(config).ok());
}

TEST(Config, EveryKeyIsRead) {
  Config config;
  const absl::Status status = Apply(R"(
rules_dirs = ["/a", "/b"]
state_dir = "/s"
socket = "/r/s"
control_group = "wheel"
socket_access = "everyone"
mode = "enforce"
default = "reject"
unattributed = "deny"
on_failure = "open"
loopback = "skip"
builtin_loopback_rule = false
existing_flows = "cut"
divert = "xt"
attribution = "proc"
offload = "off"
queues = 64
queue_base = 65472
mark_mask = 0x0f
slow_lane_threads = 16
resolve_deadline_ms = 60000
event_log = "/l"
event_log_max_mib = 1
history.max_age_days = 2
history.max_mib = 3
)",
                                    &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.rules_dirs, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(config.state_rules_dir(), "/s/rules.d");
  EXPECT_EQ(config.socket, "/r/s");
  EXPECT_EQ(config.control_group, "wheel");
  EXPECT_TRUE(config.socket_for_everyone);
  EXPECT_EQ(config.judge_settings(),
            (JudgeSettings{Mode::kEnforce, Verdict::kReject, Verdict::kDeny}));
  EXPECT_EQ(config.on_failure, FailPosture::kOpen);
  EXPECT_FALSE(config.judge_loopback);
  EXPECT_FALSE(config.builtin_loopback_rule);
  EXPECT_EQ(config.existing_flows, ExistingFlows::kCut);
  EXPECT_EQ(config.divert, QueueExpression::kXt);
  EXPECT_EQ(config.attribution, AttributionSource::kProc);
  EXPECT_EQ(config.queues, 64);
  EXPECT_EQ(config.queue_base, 65472);
  EXPECT_EQ(config.mark_mask, 0x0fu);
  EXPECT_EQ(config.slow_lane_threads, 16u);
  EXPECT_EQ(config.resolve_deadline, absl::Minutes(1));
  EXPECT_EQ(config.event_log, "/l");
  EXPECT_EQ(config.event_log_max_mib, 1u);
  EXPECT_EQ(config.history_max_age_days, 2u);
  EXPECT_EQ(config.history_max_mib, 3u);
}

TEST(Config, F14_EachKeyWithEachWrongValue) {
  const std::regex place("^c\\.toml:[0-9]+:[0-9]+: ");
  const std::string huge(100'000, '9');
  for (const ConfigRow& row : ConfigRows()) {
    const std::string key = row.key.name;
    std::vector<std::string> values = {"",
                                       "null",
                                       "nan",
                                       "1.5",
                                       "{a = 1}",
                                       "[[1]]",
                                       "2020-01-01",
                                       huge,
                                       "\"a\\u0000b\"",
                                       "-1",
                                       "9223372036854775807",
                                       "99999999999999999999",
                                       "[1, \"x\"]",
                                       "\"\\u001b[31m\""};
    if (row.kind != ConfigKind::kYesNo) values.push_back("true");
    if (row.kind != ConfigKind::kTexts) values.push_back("[]");
    if (key != "control_group") values.push_back("\"" + huge + "\"");
    if (key == "control_group") values.pop_back();
    for (const std::string& value : values) {
      if (key == "control_group" && value.starts_with("\"\\u001b")) continue;
      const std::string error = ErrorOf(Assignment(key, value));
      EXPECT_TRUE(std::regex_search(error.substr(0, 100), place))
          << key << " = " << value.substr(0, 40) << ": "
          << error.substr(0, 200);
      EXPECT_EQ(error.find('\x1b'), std::string::npos) << key;
      EXPECT_LT(error.size(), 2000u) << key;
    }
  }
}

TEST(Config, F14_UnknownNeighboursOfEachKey) {
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string error =
        ErrorOf(Assignment(std::string(key.name) + "s", "1"));
    EXPECT_NE(error.find("unknown key"), std::string::npos) << error;
  }
  EXPECT_NE(ErrorOf("queeus = 1").find("did you mean queues?"),
            std::string::npos);
}

TEST(Config, F14_EdgesOfRanges) {
  const char* const good[] = {"queues = 1",
                              "queues = 64",
                              "queue_base = 0",
                              "queue_base = 65535\nqueues = 1",
                              "mark_mask = 0xf",
                              "mark_mask = \"0xffffffff\"",
                              "mark_mask = 0xf0000000",
                              "control_group = \"\"",
                              "rules_dirs = []"};
  const char* const bad[] = {"queues = 0",
                             "queues = 65",
                             "queue_base = 65536",
                             "queue_base = 65535\nqueues = 2",
                             "mark_mask = 0x7",
                             "mark_mask = 0",
                             "mark_mask = \"0x00f00f00\"",
                             "mark_mask = 0x1ffffffff",
                             "mark_mask = \"f00g\"",
                             "mark_mask = -1",
                             "rules_dirs = [\"/var/lib/sallyport/rules.d\"]",
                             "event_log = \"file\"",
                             "attribution = \"bpf\"",
                             "offload = \"on\""};
  for (const char* text : good) EXPECT_EQ(ErrorOf(text), "") << text;
  for (const char* text : bad) EXPECT_NE(ErrorOf(text), "") << text;
}

TEST(Config, MessagesSayWhereAndWhatToWrite) {
  EXPECT_EQ(ErrorOf("\nqueues = \"four\"\n"),
            "c.toml:2:10: queues: expected a number from 1 to 64; got a "
            "string");
  EXPECT_EQ(ErrorOf("mode = \"strict\""),
            "c.toml:1:8: mode: expected \"monitor\", \"learn\", "
            "\"enforce\" or \"lockdown\"; got 'strict'");
  for (const Mode mode : kAllModes) {
    EXPECT_EQ(ErrorOf(std::string("mode = \"") + ModeName(mode) + "\""), "");
  }
  // All of them at once.
  EXPECT_NE(ErrorOf("mode = 1\nqueues = 0\n").find("c.toml:2:"),
            std::string::npos);
}

TEST(Config, F14_FailedFileChangesNothing) {
  Config config;
  EXPECT_FALSE(Apply("mode = \"enforce\"\nqueues = 0\n", &config).ok());
  EXPECT_EQ(config.mode, Mode::kMonitor);
}

TEST(Config, F14_DeepNestingEndsInAnError) {
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_NE(ErrorOf(deep + " = 1"), "");
  EXPECT_NE(ErrorOf("a = " + std::string(100'000, '[')), "");
  EXPECT_NE(ErrorOf("[" + deep + "]"), "");
}

TEST(Config, TheFileWeShipShowsEveryKeyWithItsDefault) {
  const std::string text =
      ReadWhole(SALLYPORT_SOURCE_DIR "/systemd/sallyport.toml");
  ASSERT_NE(text, "");
  EXPECT_EQ(ErrorOf(text), "");
  const std::string all =
      std::regex_replace(text, std::regex("(^|\n)#([a-z\\[])"), "$1$2");
  Config config;
  const absl::Status status = Apply(all, &config);
  ASSERT_TRUE(status.ok()) << status;
  const Config defaults;
  EXPECT_EQ(config.judge_settings(), defaults.judge_settings());
  EXPECT_EQ(config.on_failure, defaults.on_failure);
  EXPECT_EQ(config.rules_dirs, defaults.rules_dirs);
  EXPECT_EQ(config.state_dir, defaults.state_dir);
  EXPECT_EQ(config.socket, defaults.socket);
  EXPECT_EQ(config.socket_for_everyone, defaults.socket_for_everyone);
  EXPECT_EQ(config.queue_base, defaults.queue_base);
  EXPECT_EQ(config.mark_mask, defaults.mark_mask);
  EXPECT_EQ(config.resolve_deadline, defaults.resolve_deadline);
  EXPECT_EQ(config.event_log, defaults.event_log);
  EXPECT_EQ(config.history_max_mib, defaults.history_max_mib);
  for (const ConfigKey& key : ConfigKeys()) {
    std::string name = key.name;
    name = name.substr(name.find('.') + 1);
    EXPECT_NE(text.find("#" + name + " = "), std::string::npos) << key.name;
  }
}

TEST(CommandLine, FlagsGoBeforeTheFile) {
  TempDir dir;
  const std::string file = dir.Write(
      "c.toml", "mode = \"enforce\"\ndefault = \"deny\"\nqueues = 3\n");
  const CommandLine line =
      ReadLine({"--config", file.c_str(), "--mode", "lockdown", "--queues=2",
                "--rules-dir", "/a", "--rules-dir", "/b", "--foreground"});
  ASSERT_FALSE(line.exit_code.has_value()) << line.text;
  EXPECT_EQ(line.config.mode, Mode::kLockdown);
  EXPECT_EQ(line.config.default_verdict, Verdict::kDeny);
  EXPECT_EQ(line.config.queues, 2);
  EXPECT_EQ(line.config.rules_dirs, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_TRUE(line.config.foreground);
  EXPECT_EQ(line.config.config_path, file);
}

TEST(CommandLine, HelpAndVersion) {
  const CommandLine help = ReadLine({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_NE(help.text.find(key.flag), std::string::npos) << key.flag;
  }
  EXPECT_EQ(ReadLine({"--version"}).exit_code, 0);
}

TEST(CommandLine, F14_BadFlagsAreUsageErrors) {
  const std::vector<std::vector<const char*>> cases = {
      {"--colour"},
      {"extra"},
      {"--mode"},
      {"--mode", "strict"},
      {"--queues", "0"},
      {"--queues", "x"},
      {"--queues", "1", "--queues", "2"},
      {"--socket", "relative"},
      {"--queue-base", "65535", "--queues", "2"},
      {"--divert", "magic"},
      {"--attribution", "bpf"},
      {"--offload", "on"},
      {"--rules-dir", "x"},
      {"--queues", "99999999999999999999"}};
  for (const auto& args : cases) {
    std::vector<const char*> all = {"--config", "/dev/null/no"};
    all.insert(all.end(), args.begin(), args.end());
    const CommandLine line = ReadLine(args);
    EXPECT_EQ(line.exit_code, 2) << args[0];
    EXPECT_NE(line.text, "") << args[0];
  }
}

TEST(CommandLine, FileThatIsNamedMustBeThereAndSafe) {
  TempDir dir;
  EXPECT_EQ(ReadLine({"--config", (dir / "no").c_str()}).exit_code, 3);
  const std::string file = dir.Write("c.toml", "");
  EXPECT_FALSE(ReadLine({"--config", file.c_str()}).exit_code.has_value());
  chmod(file.c_str(), 0666);
  const CommandLine line = ReadLine({"--config", file.c_str()});
  EXPECT_EQ(line.exit_code, 3);  // F15
  EXPECT_NE(line.text.find("refused"), std::string::npos);
}

TEST(CommandLine, CheckConfigTellsEverythingThatIsWrong) {
  TempDir dir;
  const std::string rules = dir.MakeDir("rules.d");
  const std::string state = "state_dir = \"" + (dir / "state") + "\"\n";
  const std::string file = dir.Write("c.toml", state);
  const std::vector<const char*> args = {
      "--check-config", "--config", file.c_str(), "--rules-dir", rules.c_str()};
  dir.Write("rules.d/r.toml",
            "[[rule]]\nname = \"r\"\npolicy = \"deny\"\napp = \"any\"\n");
  CommandLine line = ReadLine(args);
  EXPECT_EQ(line.exit_code, 0) << line.text;
  EXPECT_NE(line.text.find("good"), std::string::npos);
  dir.Write("rules.d/r.toml", "[[rule]]\nname = 5\n");
  dir.Write("c.toml", state + "queues = 0\n");
  line = ReadLine(args);
  EXPECT_EQ(line.exit_code, 1);
  EXPECT_NE(line.text.find("c.toml:2:10:"), std::string::npos) << line.text;
  EXPECT_NE(line.text.find("r.toml:2:"), std::string::npos) << line.text;
}

}  // namespace
}  // namespace sallyport
