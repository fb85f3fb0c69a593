#include "src/confirmation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "rules/builtin_rules.h"
#include "tests/src/fake_boot_timer.h"
#include "tests/src/mortal_writer.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using absl::Seconds;
using Texts = std::vector<std::string>;

constexpr uint32_t kUid = 1000;

Rule MakeRule(const std::string& name, RulePolicy policy = RulePolicy::kDeny) {
  Rule rule;
  rule.name = name;
  rule.policy = policy;
  rule.app = "/usr/bin/curl";
  return rule;
}

RuleImport ImportOf(std::vector<Rule> rules, bool replace = false) {
  RuleImport batch;
  batch.rules = std::move(rules);
  batch.replace = replace;
  return batch;
}

// A daemon's rules, mode and confirmation, that can die and start again.
class ConfirmationTest : public ::testing::Test {
 protected:
  ConfirmationTest() { Restart(); }

  void Restart() {
    writer_.steps_left = MortalWriter::kImmortal;
    timer_.alarm_ns = BootTimer::kNever;
    mode_ = configured_;
    RuleStoreOptions rules;
    rules.state_dir = dir_ / "state";
    rules.writer = &writer_;
    std::filesystem::create_directories(rules.state_dir);
    store_.emplace(rules, [](std::shared_ptr<const RuleSet>) {});
    ConfirmationOptions options;
    options.state_dir = rules.state_dir;
    options.rules = &*store_;
    options.timer = &timer_;
    options.writer = &writer_;
    options.mode = [this] { return mode_; };
    options.set_mode = [this](Mode mode) { mode_ = mode; };
    options.on_event = [this](const PendingChange& change, ChangeState state,
                              const std::string& why) {
      events_.push_back(change.what + ": " + ChangeStateName(state) +
                        (why.empty() ? "" : ", " + why));
    };
    options.on_error = [this](const std::string& text) {
      errors_.push_back(text);
    };
    confirmation_.emplace(std::move(options));
    const Confirmation::Recovery recovery = confirmation_->Recover();
    const absl::Status loaded = store_->Load(recovery.rules);
    ASSERT_TRUE(loaded.ok()) << loaded;
    mode_ = recovery.mode.value_or(mode_);
    confirmation_->Start();
  }
  void Reboot() {
    timer_.now_ns = 1'000'000'000;
    timer_.boot_id += "+";
    Restart();
  }
  // Time passes; the alarm is heard if it rings.
  void Pass(absl::Duration time) {
    timer_.Pass(time);
    if (timer_.Rings()) confirmation_->OnAlarm();
  }

  bool FileIsThere() const {
    return std::filesystem::exists(dir_ / "state/pending-change.json");
  }
  Texts Names() const {
    Texts names;
    for (const StoredRule& stored : store_->List()) {
      if (stored.rule.name != kBuiltinLoopbackName) {
        names.push_back(stored.rule.name);
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  absl::Status Enforce(std::optional<absl::Duration> window = Seconds(60)) {
    return confirmation_->SetMode(Mode::kEnforce, window, kUid);
  }
  absl::Status ImportX(std::optional<absl::Duration> window = Seconds(60)) {
    return confirmation_
        ->Import(ImportOf({MakeRule("x")}, true), window, {}, kUid)
        .status();
  }
  void ExpectNothingIsLeft() {
    EXPECT_FALSE(FileIsThere());
    EXPECT_FALSE(std::filesystem::exists(dir_ / "state/rules.undo"));
    EXPECT_FALSE(confirmation_->Waiting().has_value());
    EXPECT_EQ(timer_.alarm_ns, BootTimer::kNever);
    EXPECT_EQ(errors_, Texts{});
  }

  TempDir dir_;
  Mode configured_ = Mode::kMonitor;
  Mode mode_ = Mode::kMonitor;
  MortalWriter writer_;
  FakeBootTimer timer_;
  Texts events_;
  Texts errors_;
  std::optional<RuleStore> store_;
  std::optional<Confirmation> confirmation_;
};

TEST_F(ConfirmationTest, ModeGoesBackByItself) {
  ASSERT_TRUE(Enforce().ok());
  EXPECT_EQ(mode_, Mode::kEnforce);
  ASSERT_TRUE(confirmation_->Waiting().has_value());
  EXPECT_EQ(confirmation_->Waiting()->left, Seconds(60));
  EXPECT_EQ(confirmation_->Waiting()->change.asked_by_uid, kUid);
  Pass(Seconds(59));
  EXPECT_EQ(mode_, Mode::kEnforce);
  EXPECT_EQ(confirmation_->Waiting()->left, Seconds(1));
  Pass(Seconds(1));
  EXPECT_EQ(mode_, Mode::kMonitor);
  EXPECT_EQ(events_,
            (Texts{"mode monitor -> enforce: applied",
                   "mode monitor -> enforce: rolled-back, not confirmed in "
                   "time"}));
  ExpectNothingIsLeft();
  // Too late, and told so.
  EXPECT_EQ(confirmation_->Confirm().status().message(),
            "nothing waits to be confirmed (mode monitor -> enforce has gone "
            "back: not confirmed in time)");
}

TEST_F(ConfirmationTest, ConfirmedModeStays) {
  ASSERT_TRUE(Enforce().ok());
  Pass(Seconds(30));
  ASSERT_EQ(confirmation_->Confirm()->what, "mode monitor -> enforce");
  ExpectNothingIsLeft();
  Pass(Seconds(3600));
  EXPECT_EQ(mode_, Mode::kEnforce);
  EXPECT_EQ(events_.back(), "mode monitor -> enforce: confirmed");
  EXPECT_EQ(confirmation_->Confirm().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(confirmation_->TakeBack().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ConfirmationTest, TakenBackBeforeItsTime) {
  ASSERT_TRUE(Enforce().ok());
  ASSERT_TRUE(confirmation_->TakeBack().ok());
  EXPECT_EQ(mode_, Mode::kMonitor);
  EXPECT_EQ(events_.back(), "mode monitor -> enforce: rolled-back, taken back");
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, NewRulesGoBackByThemselves) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(ImportX().ok());
  EXPECT_EQ(Names(), Texts{"x"});
  Pass(Seconds(60));
  EXPECT_EQ(Names(), Texts{"a"});
  const std::string what = "import of rules (1 added, 0 changed, 1 removed)";
  EXPECT_EQ(events_, (Texts{what + ": applied",
                            what + ": rolled-back, not confirmed in time"}));
  ExpectNothingIsLeft();
  Restart();
  EXPECT_EQ(Names(), Texts{"a"});
}

TEST_F(ConfirmationTest, ConfirmedRulesStay) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(ImportX().ok());
  ASSERT_TRUE(confirmation_->Confirm().ok());
  Pass(Seconds(3600));
  ExpectNothingIsLeft();
  Restart();
  EXPECT_EQ(Names(), Texts{"x"});
}

TEST_F(ConfirmationTest, SecondChangeIsRefusedNamingTheFirst) {
  ASSERT_TRUE(Enforce().ok());
  Pass(Seconds(15) + absl::Milliseconds(500));
  const std::string expected =
      "mode monitor -> enforce, asked for by uid 1000, waits to be confirmed "
      "for 45s more: `sallyport confirm` keeps it, `sallyport confirm --undo` "
      "takes it back";
  for (const absl::Status& status :
       {Enforce(), confirmation_->SetMode(Mode::kLockdown, Seconds(5), 0),
        confirmation_->SetMode(Mode::kMonitor, std::nullopt, 0), ImportX()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(status.message(), expected);
  }
  EXPECT_EQ(mode_, Mode::kEnforce);
  // Rules for good are another matter than the mode.
  EXPECT_TRUE(ImportX(std::nullopt).ok());
  EXPECT_TRUE(store_->Add(MakeRule("y")).ok());
  ASSERT_TRUE(confirmation_->Confirm().ok());

  ASSERT_TRUE(
      confirmation_->Import(ImportOf({MakeRule("z")}), Seconds(60), {}, kUid)
          .ok());
  for (const absl::Status& status :
       {ImportX(), ImportX(std::nullopt), store_->Remove("z"),
        confirmation_->SetMode(Mode::kLockdown, Seconds(5), 0)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(status.message().find("import of rules (1 added"),
              std::string::npos)
        << status;
  }
  EXPECT_TRUE(confirmation_->SetMode(Mode::kLockdown, std::nullopt, 0).ok());
  Pass(Seconds(60));
  EXPECT_EQ(mode_, Mode::kLockdown);
  EXPECT_EQ(Names(), (Texts{"x", "y"}));
}

TEST_F(ConfirmationTest, WhatChangesNothingDoesNotWait) {
  ASSERT_TRUE(confirmation_->SetMode(Mode::kMonitor, Seconds(60), kUid).ok());
  ASSERT_TRUE(ImportX(std::nullopt).ok());
  ASSERT_TRUE(ImportX().ok());
  EXPECT_EQ(events_, Texts{});
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, WindowIsBounded) {
  for (absl::Duration bad :
       {absl::ZeroDuration(), Seconds(-5), absl::Milliseconds(999),
        Seconds(kMaxConfirmSeconds + 1), absl::InfiniteDuration()}) {
    EXPECT_EQ(Enforce(bad).message(),
              "confirm_seconds: must be from 1 to 86400");
    EXPECT_TRUE(absl::IsInvalidArgument(ImportX(bad)));
  }
  EXPECT_EQ(mode_, Mode::kMonitor);
  EXPECT_TRUE(Enforce(Seconds(kMaxConfirmSeconds)).ok());
}

TEST_F(ConfirmationTest, RestartWithinTheTimeWaitsOn) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(Enforce().ok());
  Pass(Seconds(20));
  Restart();
  EXPECT_EQ(mode_, Mode::kEnforce);
  EXPECT_EQ(confirmation_->Waiting()->left, Seconds(40));
  EXPECT_EQ(events_.back(),
            "mode monitor -> enforce: applied, waits on after a restart");
  Pass(Seconds(40));
  EXPECT_EQ(mode_, Mode::kMonitor);
  ExpectNothingIsLeft();

  ASSERT_TRUE(ImportX().ok());
  Pass(Seconds(20));
  Restart();
  EXPECT_EQ(Names(), Texts{"x"});
  EXPECT_FALSE(store_->Add(MakeRule("y")).ok());
  Restart();
  ASSERT_TRUE(confirmation_->Confirm().ok());
  Restart();
  EXPECT_EQ(Names(), Texts{"x"});
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, RestartAfterTheTimeHasGoneBackBeforeAnythingIsJudged) {
  // What was in force, not what is configured.
  configured_ = Mode::kLockdown;
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(Enforce().ok());
  timer_.Pass(Seconds(60));  // the daemon is dead and does not hear it
  Restart();
  EXPECT_EQ(mode_, Mode::kMonitor);
  EXPECT_EQ(events_.back(),
            "mode monitor -> enforce: rolled-back, not confirmed in time");
  ExpectNothingIsLeft();
  Restart();
  EXPECT_EQ(mode_, Mode::kLockdown);  // it is over for good

  ASSERT_TRUE(ImportX().ok());
  timer_.Pass(Seconds(3600));
  Restart();
  EXPECT_EQ(Names(), Texts{"a"});
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, RebootGoesBackAtOnce) {
  configured_ = Mode::kEnforce;
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(confirmation_->SetMode(Mode::kLockdown, Seconds(60), kUid).ok());
  Reboot();
  EXPECT_EQ(mode_, Mode::kEnforce);  // a mode never outlives the boot
  EXPECT_EQ(events_.back(),
            "mode monitor -> lockdown: rolled-back, not confirmed before the "
            "machine was restarted");
  ExpectNothingIsLeft();
  ASSERT_TRUE(ImportX().ok());
  Reboot();
  EXPECT_EQ(Names(), Texts{"a"});
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, ClockThatIsNotOursIsNotWaitedFor) {
  timer_.now_ns = int64_t{kMaxConfirmSeconds} * 1'000'000'000 * 10;
  ASSERT_TRUE(Enforce().ok());
  timer_.now_ns = 1;
  Restart();
  EXPECT_EQ(mode_, Mode::kMonitor);
  ExpectNothingIsLeft();
}

TEST_F(ConfirmationTest, UnreadableFileGoesBack) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(ImportX().ok());
  dir_.Write("state/pending-change.json", "{");
  Restart();
  EXPECT_EQ(Names(), Texts{"a"});
  EXPECT_FALSE(FileIsThere());
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_NE(errors_[0].find("pending-change.json: not valid JSON"),
            std::string::npos)
      << errors_[0];
  EXPECT_FALSE(confirmation_->Waiting().has_value());
}

TEST_F(ConfirmationTest, F16_NothingIsChangedThatCouldNotGoBack) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  writer_.steps_left = 0;
  EXPECT_TRUE(absl::IsUnavailable(Enforce()));
  EXPECT_TRUE(absl::IsUnavailable(ImportX()));
  EXPECT_EQ(mode_, Mode::kMonitor);
  EXPECT_EQ(Names(), Texts{"a"});
  EXPECT_EQ(events_, Texts{});
  EXPECT_FALSE(confirmation_->Waiting().has_value());
  timer_.boot_id.clear();
  writer_.steps_left = MortalWriter::kImmortal;
  EXPECT_TRUE(absl::IsUnavailable(Enforce()));
}

TEST_F(ConfirmationTest, F16_GoingBackIsTriedUntilTheFilesAreThere) {
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(ImportX().ok());
  writer_.steps_left = 0;
  Pass(Seconds(60));
  EXPECT_EQ(Names(), Texts{"a"});  // in force at once
  EXPECT_EQ(errors_.size(), 1u);
  EXPECT_EQ(confirmation_->Waiting()->left, absl::ZeroDuration());
  EXPECT_NE(
      confirmation_->Confirm().status().message().find("is going back already"),
      std::string::npos);
  Pass(Seconds(5));
  EXPECT_EQ(errors_.size(), 1u);  // told once
  writer_.steps_left = MortalWriter::kImmortal;
  Pass(Seconds(5));
  errors_.clear();
  ExpectNothingIsLeft();
  Restart();
  EXPECT_EQ(Names(), Texts{"a"});
}

// The daemon dies at each step of a change that is to be confirmed: the next
// one has it, and it waits, or has it not; and in the end it has gone back.
TEST_F(ConfirmationTest, DeathAtAnyStepLeavesAChangeThatWaitsOrNone) {
  bool succeeded = false;
  for (int steps = 0; !succeeded && steps < 20; ++steps) {
    Restart();
    ASSERT_TRUE(
        store_->Import(ImportOf({MakeRule("a"), MakeRule("b")}, true)).ok());
    writer_.steps_left = steps;
    succeeded = ImportX().ok();
    errors_.clear();
    Restart();
    const bool waits = confirmation_->Waiting().has_value();
    EXPECT_EQ(waits, succeeded) << steps;
    EXPECT_EQ(Names(), waits ? Texts{"x"} : (Texts{"a", "b"})) << steps;
    EXPECT_EQ(store_->HasUndo(), waits);
    Pass(Seconds(60));
    EXPECT_EQ(Names(), (Texts{"a", "b"})) << steps;
    ExpectNothingIsLeft();
    ASSERT_TRUE(store_->Add(MakeRule("y")).ok()) << steps;
  }
  EXPECT_TRUE(succeeded);
}

TEST_F(ConfirmationTest, DeathWhileItIsConfirmedIsEitherConfirmedOrNot) {
  bool succeeded = false;
  for (int steps = 0; !succeeded && steps < 20; ++steps) {
    Restart();
    ASSERT_TRUE(store_->Import(ImportOf({MakeRule("a")}, true)).ok());
    ASSERT_TRUE(ImportX().ok());
    writer_.steps_left = steps;
    succeeded = confirmation_->Confirm().ok() && errors_.empty();
    errors_.clear();
    Restart();
    if (!confirmation_->Waiting().has_value()) {
      EXPECT_EQ(Names(), Texts{"x"}) << steps;  // kept
    }
    const bool waited = confirmation_->Waiting().has_value();
    Pass(Seconds(60));
    EXPECT_EQ(Names(), waited ? Texts{"a"} : Texts{"x"}) << steps;
    ExpectNothingIsLeft();
  }
  EXPECT_TRUE(succeeded);
}

// Several people at once: one change waits, and each of the others is told.
TEST_F(ConfirmationTest, ThreadsGetOneChangeBetweenThem) {
  for (int round = 0; round < 20; ++round) {
    mode_ = Mode::kMonitor;
    std::atomic<int> made{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        const Mode mode = t == 0 ? Mode::kLockdown : Mode::kEnforce;
        made += confirmation_->SetMode(mode, Seconds(60), kUid).ok();
        confirmation_->Waiting();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(made.load(), 1);
    ASSERT_TRUE(confirmation_->TakeBack().ok());
    EXPECT_EQ(mode_, Mode::kMonitor);
  }
}

}  // namespace
}  // namespace sallyport
