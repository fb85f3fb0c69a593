// RuleStore::Import, and how it is kept or taken back.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <optional>

#include "rules/builtin_rules.h"
#include "src/rule_store.h"
#include "tests/src/mortal_writer.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using Names = std::vector<std::string>;

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
  batch.what = "the import";
  return batch;
}

class RuleImportTest : public ::testing::Test {
 protected:
  RuleImportTest() {
    admin_ = dir_.MakeDir("etc");
    Restart();
  }

  // A new process over the same files.
  void Restart(
      RuleStore::Unconfirmed unconfirmed = RuleStore::Unconfirmed::kUndo) {
    writer_.steps_left = MortalWriter::kImmortal;
    RuleStoreOptions options;
    options.rules_dirs = {admin_};
    options.state_dir = dir_ / "state";
    options.writer = &writer_;
    store_.emplace(options, [this](std::shared_ptr<const RuleSet> rules) {
      published_.push_back(std::move(rules));
    });
    const absl::Status status = store_->Load(unconfirmed);
    ASSERT_TRUE(status.ok()) << status;
  }

  // "name=policy" of all but the built-in rule, sorted.
  Names InForce() const {
    Names names;
    for (const StoredRule& stored : store_->List()) {
      if (stored.rule.name == kBuiltinLoopbackName) continue;
      names.push_back(stored.rule.name + "=" +
                      RulePolicyName(stored.rule.policy));
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  Names Files() const {
    Names names;
    for (const auto& entry :
         std::filesystem::directory_iterator(dir_ / "state/rules.d")) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  bool UndoFileIsThere() const {
    return std::filesystem::exists(dir_ / "state/rules.undo");
  }
  void RemoveFiles() {
    for (const std::string& name : Files()) {
      std::filesystem::remove(dir_ / ("state/rules.d/" + name));
    }
  }
  void AddTwo() {
    ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
    ASSERT_TRUE(store_->Add(MakeRule("b")).ok());
    published_.clear();
  }

  TempDir dir_;
  std::string admin_;
  MortalWriter writer_;
  std::vector<std::shared_ptr<const RuleSet>> published_;
  std::optional<RuleStore> store_;
};

TEST_F(RuleImportTest, AddsAllInOneFileAndPublishesOnce) {
  AddTwo();
  const auto imported = store_->Import(
      ImportOf({MakeRule("x"), MakeRule("y", RulePolicy::kAllow)}));
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->added, (Names{"x", "y"}));
  EXPECT_TRUE(imported->changed.empty() && imported->removed.empty());
  ASSERT_EQ(imported->rules.size(), 2u);
  EXPECT_FALSE(imported->rules[0].read_only);
  EXPECT_EQ(published_.size(), 1u);
  EXPECT_EQ(Files(), (Names{"a.toml", "b.toml", "import.toml"}));
  EXPECT_FALSE(UndoFileIsThere());
  const Names in_force = InForce();
  EXPECT_EQ(in_force, (Names{"a=deny", "b=deny", "x=deny", "y=allow"}));
  Restart();
  EXPECT_EQ(InForce(), in_force);
  // The next one gets a file of its own; each rule can be changed alone.
  ASSERT_TRUE(store_->Import(ImportOf({MakeRule("z")})).ok());
  ASSERT_TRUE(store_->Remove("x").ok());
  EXPECT_EQ(Files(),
            (Names{"a.toml", "b.toml", "import-2.toml", "import.toml"}));
}

TEST_F(RuleImportTest, TheFileIsCalledAsAskedAndNoOtherIsTouched) {
  RuleImport batch = ImportOf({MakeRule("x"), MakeRule("y")});
  batch.file_name = "learned";
  ASSERT_TRUE(store_->Import(batch).ok());
  // What is there no more keeps its file; the next gets another.
  ASSERT_TRUE(store_->Remove("x").ok());
  batch.rules = {MakeRule("z")};
  ASSERT_TRUE(store_->Import(batch).ok());
  EXPECT_EQ(Files(), (Names{"learned-2.toml", "learned.toml"}));
  Restart();
  EXPECT_EQ(InForce(), (Names{"y=deny", "z=deny"}));
}

TEST_F(RuleImportTest, ReplacePutsThemInThePlaceOfOurs) {
  dir_.Write("etc/admin.toml",
             "[[rule]]\nname = \"admin\"\npolicy = \"deny\"\napp = \"any\"\n");
  ASSERT_TRUE(store_->Reload().ok());
  AddTwo();
  ASSERT_TRUE(store_->Add(MakeRule("c")).ok());
  published_.clear();
  const auto imported = store_->Import(ImportOf(
      {MakeRule("b", RulePolicy::kAllow), MakeRule("c"), MakeRule("x")},
      /*replace=*/true));
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->added, Names{"x"});
  EXPECT_EQ(imported->changed, Names{"b"});
  EXPECT_EQ(imported->removed, Names{"a"});
  EXPECT_EQ(imported->unchanged, 1u);
  EXPECT_EQ(published_.size(), 1u);
  EXPECT_EQ(InForce(), (Names{"admin=deny", "b=allow", "c=deny", "x=deny"}));
  // What is changed stays where it was.
  EXPECT_EQ(Files(), (Names{"b.toml", "c.toml", "import.toml"}));
  Restart();
  EXPECT_EQ(InForce(), (Names{"admin=deny", "b=allow", "c=deny", "x=deny"}));
  // Of nothing: all of ours go.
  ASSERT_TRUE(store_->Import(ImportOf({}, true)).ok());
  EXPECT_EQ(InForce(), Names{"admin=deny"});
  EXPECT_EQ(Files(), Names{});
}

TEST_F(RuleImportTest, WhatStandsThereWordForWordIsLeftAlone) {
  dir_.Write("etc/admin.toml",
             "[[rule]]\nname = \"admin\"\npolicy = \"deny\"\napp = \"any\"\n");
  ASSERT_TRUE(store_->Reload().ok());
  AddTwo();
  // What `rules export` printed goes in again, the admin's rule too.
  std::vector<Rule> all;
  for (const StoredRule& stored : store_->List()) {
    if (stored.rule.name != kBuiltinLoopbackName) all.push_back(stored.rule);
  }
  for (bool replace : {false, true}) {
    const auto imported = store_->Import(ImportOf(all, replace));
    ASSERT_TRUE(imported.ok()) << imported.status();
    EXPECT_TRUE(imported->changes_nothing());
    EXPECT_EQ(imported->unchanged, 3u);
  }
  EXPECT_TRUE(published_.empty());
  // Such an import does not wait, so there is nothing to undo.
  RuleImport batch = ImportOf(all);
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  EXPECT_FALSE(store_->HasUndo());
}

TEST_F(RuleImportTest, RefusedWholeNamingTheRule) {
  dir_.Write("etc/admin.toml",
             "[[rule]]\nname = \"admin\"\npolicy = \"deny\"\napp = \"any\"\n");
  ASSERT_TRUE(store_->Reload().ok());
  AddTwo();
  Rule bad = MakeRule("bad");
  bad.app = "relative";
  Rule nobody = MakeRule("nobody");
  nobody.user = {{.text = "no-such-user-here"}};
  const struct {
    RuleImport batch;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {ImportOf({MakeRule("x"), bad}), absl::StatusCode::kInvalidArgument,
       "rule 'bad': app: "},
      {ImportOf({MakeRule("x"), nobody}), absl::StatusCode::kInvalidArgument,
       "rule 'nobody': user: "},
      {ImportOf({MakeRule("x"), MakeRule("")}),
       absl::StatusCode::kInvalidArgument, "rule '': name: "},
      {ImportOf({MakeRule("x"), MakeRule("x")}),
       absl::StatusCode::kInvalidArgument, "there are two rules 'x'"},
      {ImportOf({MakeRule("x"), MakeRule("a", RulePolicy::kAllow)}),
       absl::StatusCode::kAlreadyExists, "'a' is already a rule of "},
      {ImportOf({MakeRule("admin")}, true), absl::StatusCode::kAlreadyExists,
       "'admin' is already a rule of "},
  };
  for (const auto& c : cases) {
    const absl::Status status = store_->Import(c.batch).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_NE(status.message().find(c.message), std::string::npos) << status;
  }
  EXPECT_EQ(InForce(), (Names{"a=deny", "admin=deny", "b=deny"}));
  EXPECT_TRUE(published_.empty());
  EXPECT_FALSE(UndoFileIsThere());
}

TEST_F(RuleImportTest, DryRunChangesNothing) {
  AddTwo();
  const auto imported =
      store_->Import(ImportOf({MakeRule("x")}, true), /*dry_run=*/true);
  ASSERT_TRUE(imported.ok());
  EXPECT_EQ(imported->added, Names{"x"});
  EXPECT_EQ(imported->removed, (Names{"a", "b"}));
  EXPECT_EQ(imported->rules.at(0).rule.name, "x");
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  EXPECT_EQ(Files(), (Names{"a.toml", "b.toml"}));
}

TEST_F(RuleImportTest, VersionMustMatch) {
  AddTwo();
  const std::string version = store_->Version();
  const auto if_match = IfMatch::Parse(EntityTag(version));
  ASSERT_TRUE(if_match.ok());
  ASSERT_TRUE(store_->Import(ImportOf({MakeRule("x")}), false, *if_match).ok());
  EXPECT_NE(store_->Version(), version);
  const absl::Status late =
      store_->Import(ImportOf({MakeRule("y")}), false, *if_match).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted) << late;
  EXPECT_EQ(store_->Add(MakeRule("y"), false, *if_match).status().code(),
            absl::StatusCode::kAborted);
  // Of one rule.
  const auto of_a =
      IfMatch::Parse(EntityTag(RuleVersion(store_->Find("a")->rule)));
  ASSERT_TRUE(
      store_->Replace("a", MakeRule("a", RulePolicy::kAllow), *of_a).ok());
  EXPECT_EQ(store_->Remove("a", *of_a).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(store_
                ->Edit(
                    "a", [](Rule*) { return absl::OkStatus(); }, *of_a)
                .status()
                .code(),
            absl::StatusCode::kAborted);
  ASSERT_TRUE(store_->Remove("a").ok());
  EXPECT_EQ(store_->Remove("a", *of_a).code(), absl::StatusCode::kNotFound);
}

TEST_F(RuleImportTest, WaitsUntilKeptAndNothingElseMayChangeRules) {
  AddTwo();
  RuleImport batch = ImportOf({MakeRule("x")}, true);
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  EXPECT_TRUE(store_->HasUndo());
  EXPECT_EQ(InForce(), Names{"x=deny"});
  for (const absl::Status& status :
       {store_->Add(MakeRule("y")).status(), store_->Remove("x"),
        store_->Replace("x", MakeRule("z")).status(),
        store_->Import(ImportOf({})).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(status.message().find("the import waits to be confirmed"),
              std::string::npos)
        << status;
  }
  EXPECT_TRUE(store_->Reload().ok());
  EXPECT_EQ(InForce(), Names{"x=deny"});
  Restart(RuleStore::Unconfirmed::kWaitsOn);
  EXPECT_TRUE(store_->HasUndo());
  EXPECT_FALSE(store_->Add(MakeRule("y")).ok());
  ASSERT_TRUE(store_->KeepImport().ok());
  EXPECT_FALSE(store_->KeepImport().ok());  // nothing waits any more
  EXPECT_FALSE(UndoFileIsThere());
  EXPECT_TRUE(store_->Add(MakeRule("y")).ok());
  Restart();
  EXPECT_EQ(InForce(), (Names{"x=deny", "y=deny"}));
}

TEST_F(RuleImportTest, UndoPutsBackRulesAndFilesToTheByte) {
  AddTwo();
  // Somebody has written into our file.
  const std::string edited =
      ReadWhole(dir_ / "state/rules.d/a.toml") + "# a remark \xff\n";
  dir_.Write("state/rules.d/a.toml",
             edited.substr(0, edited.size() - 2) + "\n");
  const std::string before = ReadWhole(dir_ / "state/rules.d/a.toml");
  ASSERT_TRUE(store_->Reload().ok());
  const Names in_force = InForce();
  for (bool restarted : {false, true}) {
    RuleImport batch = ImportOf({MakeRule("a", RulePolicy::kAllow)}, true);
    batch.keep_undo = true;
    ASSERT_TRUE(store_->Import(batch).ok());
    EXPECT_EQ(InForce(), Names{"a=allow"});
    if (restarted) Restart(RuleStore::Unconfirmed::kWaitsOn);
    published_.clear();
    ASSERT_TRUE(store_->UndoImport().ok());
    EXPECT_EQ(InForce(), in_force);
    EXPECT_EQ(published_.size(), 1u);
    EXPECT_EQ(ReadWhole(dir_ / "state/rules.d/a.toml"), before);
    EXPECT_EQ(Files(), (Names{"a.toml", "b.toml"}));
    EXPECT_FALSE(UndoFileIsThere());
    EXPECT_TRUE(store_->UndoImport().ok());  // there is nothing to do
  }
  Restart();
  EXPECT_EQ(InForce(), in_force);
}

TEST_F(RuleImportTest, RestartUndoesWhatNobodyWaitsFor) {
  AddTwo();
  RuleImport batch = ImportOf({MakeRule("x")}, true);
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  Restart();
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  EXPECT_FALSE(store_->HasUndo());
}

TEST_F(RuleImportTest, UndoIsInForceAtOnceAlsoIfFilesCannotBeWritten) {
  AddTwo();
  RuleImport batch = ImportOf({MakeRule("x")}, true);
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  writer_.steps_left = 0;
  EXPECT_TRUE(absl::IsUnavailable(store_->UndoImport()));
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  EXPECT_NE(store_->last_error().find("could not be put back"),
            std::string::npos);
  // Half-changed files are no rules, whoever asks.
  EXPECT_FALSE(store_->Reload().ok());
  EXPECT_FALSE(store_->Add(MakeRule("y")).ok());
  EXPECT_FALSE(store_->KeepImport().ok());
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  writer_.steps_left = MortalWriter::kImmortal;
  ASSERT_TRUE(store_->UndoImport().ok());
  EXPECT_EQ(store_->last_error(), "");
  EXPECT_EQ(Files(), (Names{"a.toml", "b.toml"}));
  Restart();
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
}

// The daemon dies at each step of an import: what the next one finds is all of
// it or nothing.
TEST_F(RuleImportTest, DeathAtAnyStepIsAllOrNothing) {
  const Names old_rules = {"a=deny", "b=deny"};
  const Names new_rules = {"a=allow", "x=deny", "y=deny"};
  bool succeeded = false;
  for (int steps = 0; !succeeded && steps < 20; ++steps) {
    RemoveFiles();
    Restart();
    AddTwo();
    writer_.steps_left = steps;
    succeeded = store_
                    ->Import(ImportOf({MakeRule("a", RulePolicy::kAllow),
                                       MakeRule("x"), MakeRule("y")},
                                      true))
                    .ok();
    EXPECT_EQ(InForce(), succeeded ? new_rules : old_rules) << steps;
    Restart();
    EXPECT_EQ(InForce(), succeeded ? new_rules : old_rules) << steps;
    EXPECT_FALSE(UndoFileIsThere());
  }
  EXPECT_TRUE(succeeded);
}

TEST_F(RuleImportTest, DeathWhileItIsUndoneIsMadeGood) {
  bool succeeded = false;
  for (int steps = 0; !succeeded && steps < 20; ++steps) {
    Restart();
    RemoveFiles();
    Restart();
    AddTwo();
    RuleImport batch = ImportOf({MakeRule("x")}, true);
    batch.keep_undo = true;
    ASSERT_TRUE(store_->Import(batch).ok());
    writer_.steps_left = steps;
    succeeded = store_->UndoImport().ok();
    EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"})) << steps;
    // It was asked for before its time was over; the next start does not know
    // that, and lets wait what has not begun to go back.
    Restart(RuleStore::Unconfirmed::kWaitsOn);
    if (steps == 0) {
      EXPECT_TRUE(store_->HasUndo());
      continue;
    }
    EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"})) << steps;
    EXPECT_FALSE(UndoFileIsThere());
  }
  EXPECT_TRUE(succeeded);
}

TEST_F(RuleImportTest, F16_FullDisk) {
  store_.reset();
  const std::string state = dir_.MakeDir("state");
  if (mount("tmpfs", state.c_str(), "tmpfs", 0, "size=256k,mode=0755") != 0) {
    GTEST_SKIP() << "needs root to mount a small tmpfs";
  }
  Restart();
  AddTwo();
  std::vector<Rule> rules;
  for (int i = 0; i < 100; ++i) {
    Rule rule = MakeRule("r" + std::to_string(i));
    rule.description = std::string(kMaxDescriptionBytes, 'd');
    rules.push_back(rule);
  }
  const absl::Status status = store_->Import(ImportOf(rules, true)).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  EXPECT_FALSE(UndoFileIsThere());
  Restart();
  EXPECT_EQ(InForce(), (Names{"a=deny", "b=deny"}));
  store_.reset();
  EXPECT_EQ(umount(state.c_str()), 0);
}

TEST_F(RuleImportTest, BrokenUndoFileIsNotGuessedAt) {
  AddTwo();
  dir_.Write("state/rules.undo", "{\"version\":1");
  RuleStoreOptions options;
  options.state_dir = dir_ / "state";
  RuleStore store(options, [](std::shared_ptr<const RuleSet>) {});
  const absl::Status status = store.Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("rules.undo: not valid JSON, at byte"),
            std::string::npos)
      << status;
}

TEST_F(RuleImportTest, ThousandsOfFilesAtOnce) {
  std::vector<Rule> rules;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "r" + std::to_string(i);
    dir_.Write("state/rules.d/" + name + ".toml",
               "[[rule]]\nname = \"" + name +
                   "\"\npolicy = \"deny\"\napp = \"/bin/x\"\n");
  }
  ASSERT_TRUE(store_->Reload().ok());
  RuleImport batch = ImportOf({MakeRule("x")}, true);
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  EXPECT_EQ(Files(), Names{"import.toml"});
  ASSERT_TRUE(store_->UndoImport().ok());
  EXPECT_EQ(Files().size(), 2000u);
  EXPECT_EQ(InForce().size(), 2000u);
}

}  // namespace
}  // namespace sallyport
