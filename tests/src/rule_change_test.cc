// What RuleStore says of files that another hand has changed, and the event
// that is made of it.

#include "src/rule_change.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/match.h"
#include "src/object_writer.h"
#include "src/rule_store.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using nlohmann::json;
using What = RuleFileChange::What;
using Names = std::vector<std::string>;

std::string TextOf(const std::string& name, const std::string& policy) {
  return "[[rule]]\nname = \"" + name + "\"\npolicy = \"" + policy +
         "\"\napp = \"/usr/bin/curl\"\n";
}

// The real thing, which fails after it has done its work, if told to.
class LateFailure : public FileWriter {
 public:
  absl::Status Write(const std::string& path,
                     std::string_view content) override {
    const absl::Status status = real_.Write(path, content);
    return fails ? absl::ErrnoToStatus(EIO, "fsync") : status;
  }
  absl::Status Remove(const std::string& path) override {
    const absl::Status status = real_.Remove(path);
    return fails ? absl::ErrnoToStatus(EIO, "fsync") : status;
  }
  absl::Status Apply(std::span<const FileChange> changes) override {
    const absl::Status status = real_.Apply(changes);
    return fails ? absl::ErrnoToStatus(EIO, "fsync") : status;
  }
  bool fails = false;

 private:
  AtomicFileWriter real_;
};

class ForeignChangeTest : public ::testing::Test {
 protected:
  ForeignChangeTest() : admin_(dir_.MakeDir("etc")) {
    RuleStoreOptions options;
    options.rules_dirs = {admin_};
    options.state_dir = dir_ / "state";
    options.writer = &writer_;
    options.on_foreign_change = [this](const RuleFileChange& change) {
      told_.push_back(change);
    };
    store_.emplace(options, [](std::shared_ptr<const RuleSet>) {});
  }

  // What a reload tells.
  std::vector<RuleFileChange> Reload(
      RuleStore::Why why = RuleStore::Why::kOnEvent) {
    told_.clear();
    reloaded_ = store_->Reload(why);
    return told_;
  }
  // The only change of a reload.
  RuleFileChange Only() {
    const auto told = Reload();
    EXPECT_EQ(told.size(), 1u);
    return told.empty() ? RuleFileChange() : told[0];
  }
  static Rule MakeRule(const std::string& name) {
    Rule rule;
    rule.name = name;
    rule.policy = RulePolicy::kDeny;
    rule.app = "/usr/bin/curl";
    return rule;
  }

  TempDir dir_;
  const std::string admin_;
  LateFailure writer_;
  std::vector<RuleFileChange> told_;
  absl::Status reloaded_;
  std::optional<RuleStore> store_;
};

TEST_F(ForeignChangeTest, ImportsAndTheirUndoAreOurs) {
  ASSERT_TRUE(store_->Load().ok());
  RuleImport batch;
  batch.rules = {MakeRule("a"), MakeRule("b")};
  batch.keep_undo = true;
  ASSERT_TRUE(store_->Import(batch).ok());
  EXPECT_TRUE(Reload().empty());
  ASSERT_TRUE(store_->UndoImport().ok());
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(Reload().empty());
  // One that failed left the files as they were, or as they could be.
  writer_.fails = true;
  batch.keep_undo = false;
  EXPECT_FALSE(store_->Import(batch).ok());
  writer_.fails = false;
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, WhatIsThereAtTheStartIsNoChange) {
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, EditedFileIsToldOnceWithItsDiffAndRules) {
  const std::string file =
      dir_.Write("etc/a.toml", TextOf("a", "deny") + TextOf("b", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("b", "allow") + TextOf("c", "deny"));
  const RuleFileChange change = Only();
  EXPECT_EQ(change.what, What::kChanged);
  EXPECT_EQ(change.file, file);
  EXPECT_TRUE(change.in_force);
  EXPECT_EQ(change.rules.added, Names{"c"});
  EXPECT_EQ(change.rules.removed, Names{"a"});
  EXPECT_EQ(change.rules.changed, Names{"b"});
  EXPECT_EQ(change.owner, geteuid());
  EXPECT_LT(absl::AbsDuration(absl::Now() - change.modified.value()),
            absl::Minutes(10));
  ASSERT_TRUE(change.diff.has_value());
  EXPECT_EQ(change.diff->added, change.diff->removed);
  EXPECT_TRUE(change.diff->complete);
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, NewAndRemovedFiles) {
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  RuleFileChange change = Only();
  EXPECT_EQ(change.what, What::kAdded);
  EXPECT_EQ(change.rules.added, Names{"a"});
  EXPECT_EQ(change.diff->added, 4u);
  unlink((admin_ + "/a.toml").c_str());
  change = Only();
  EXPECT_EQ(change.what, What::kRemoved);
  EXPECT_EQ(change.rules.removed, Names{"a"});
  EXPECT_EQ(change.diff->removed, 4u);
  EXPECT_FALSE(change.owner.has_value());
}

TEST_F(ForeignChangeTest, RuleThatMovesIsTakenFromOneAndAddedToTheOther) {
  dir_.Write("etc/a.toml", TextOf("a", "deny") + TextOf("x", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("x", "deny"));
  dir_.Write("etc/b.toml", TextOf("a", "deny"));
  const auto told = Reload();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].rules.removed, Names{"a"});
  EXPECT_EQ(told[1].rules.added, Names{"a"});
}

TEST_F(ForeignChangeTest, CommentIsAChangeOfNoRule) {
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", "# why\n" + TextOf("a", "deny"));
  const RuleFileChange change = Only();
  EXPECT_EQ(change.diff->lines[1], "+# why");
  EXPECT_TRUE(change.rules.changed.empty());
}

TEST_F(ForeignChangeTest, TouchAndRewriteOfTheSameTextAreNone) {
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  unlink((admin_ + "/a.toml").c_str());
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, OurOwnWritesAreNone) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  EXPECT_TRUE(Reload().empty());
  ASSERT_TRUE(store_->Add(MakeRule("b")).ok());
  ASSERT_TRUE(store_->Replace("a", MakeRule("c")).ok());
  ASSERT_TRUE(store_->Remove("b").ok());
  EXPECT_TRUE(Reload().empty());
  ASSERT_TRUE(store_->Remove("c").ok());
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, OurOwnWritesThatFailLateAreNone) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  writer_.fails = true;
  EXPECT_FALSE(store_->Add(MakeRule("b")).ok());
  Rule rule = MakeRule("a");
  rule.policy = RulePolicy::kAllow;
  EXPECT_FALSE(store_->Replace("a", rule).ok());
  EXPECT_TRUE(Reload().empty());
  EXPECT_FALSE(store_->Remove("a").ok());
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, OurFileInAnotherHand) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  const std::string file = dir_ / "state/rules.d/a.toml";
  std::string text = ReadWhole(file);
  dir_.Write("state/rules.d/a.toml", text + "priority = 5\n");
  RuleFileChange change = Only();
  EXPECT_EQ(change.what, What::kChanged);
  EXPECT_EQ(change.rules.changed, Names{"a"});
  EXPECT_EQ(change.diff->added, 1u);
  unlink(file.c_str());
  EXPECT_EQ(Only().what, What::kRemoved);
}

TEST_F(ForeignChangeTest, BrokenFileIsToldAndItsRepairToo) {
  const std::string file = dir_.Write("etc/a.toml", TextOf("a", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("a", "maybe"));
  RuleFileChange change = Only();
  EXPECT_FALSE(reloaded_.ok());
  EXPECT_FALSE(change.in_force);
  EXPECT_TRUE(absl::StrContains(change.error, "a.toml:3:"));
  EXPECT_EQ(change.diff->added, 1u);
  EXPECT_TRUE(Reload().empty());  // told already
  dir_.Write("etc/a.toml", TextOf("a", "allow"));
  change = Only();
  EXPECT_TRUE(change.in_force);
  EXPECT_EQ(change.what, What::kChanged);
  EXPECT_EQ(change.rules.changed, Names{"a"});  // against what was in force
}

// A change that a broken file elsewhere held up comes into force with its
// repair, and that must be seen, too.
TEST_F(ForeignChangeTest, ChangeThatIsTakenLaterIsToldAgain) {
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  dir_.Write("etc/b.toml", TextOf("b", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("a", "allow"));
  dir_.Write("etc/b.toml", "broken");
  EXPECT_EQ(Reload().size(), 2u);
  EXPECT_FALSE(told_[0].in_force);
  EXPECT_EQ(store_->Find("a")->rule.policy, RulePolicy::kDeny);
  dir_.Write("etc/b.toml", TextOf("b", "deny"));
  const auto told = Reload();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].file, admin_ + "/b.toml");
  EXPECT_TRUE(told[0].rules.changed.empty());
  EXPECT_EQ(told[1].what, What::kTaken);
  EXPECT_EQ(told[1].file, admin_ + "/a.toml");
  EXPECT_EQ(told[1].rules.changed, Names{"a"});
  EXPECT_FALSE(told[1].diff.has_value());
  EXPECT_TRUE(Reload().empty());
}

TEST_F(ForeignChangeTest, CutThatIsTakenWhenAskedIsToldAgain) {
  dir_.Write("etc/a.toml", TextOf("a", "deny") + "priority = 5\n");
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/a.toml", TextOf("a", "deny"));
  EXPECT_FALSE(Only().in_force);
  const auto told = Reload(RuleStore::Why::kAsked);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].what, What::kTaken);
  EXPECT_EQ(told[0].rules.changed, Names{"a"});
}

// A mode that makes us refuse the file is no change of its text.
TEST_F(ForeignChangeTest, F15_UnreadableFileIsNotRemoved) {
  const std::string file = dir_.Write("etc/a.toml", TextOf("a", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  chmod(file.c_str(), 0666);
  EXPECT_TRUE(Reload().empty());
  EXPECT_FALSE(reloaded_.ok());
  chmod(file.c_str(), 0644);
  EXPECT_TRUE(Reload().empty());
  chmod(admin_.c_str(), 0777);
  EXPECT_TRUE(Reload().empty());
  EXPECT_FALSE(reloaded_.ok());
  chmod(admin_.c_str(), 0755);
  EXPECT_TRUE(Reload().empty());
  std::filesystem::remove_all(admin_);
  EXPECT_EQ(Only().what, What::kRemoved);
}

TEST_F(ForeignChangeTest, HugeFileHasNoDiff) {
  const std::string text = TextOf("a", "deny");
  const std::string filler = "# " + std::string(kMaxRememberedBytes, 'x');
  dir_.Write("etc/a.toml", text + filler);
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_TRUE(Reload().empty());
  dir_.Write("etc/a.toml", text + filler.substr(0, filler.size() - 1) + "y");
  RuleFileChange change = Only();
  EXPECT_FALSE(change.diff.has_value());
  // Whether its text is kept or only its hash: the same is the same.
  dir_.Write("etc/a.toml", text);
  EXPECT_FALSE(Only().diff.has_value());
  dir_.Write("etc/a.toml", text + "# y\n");
  EXPECT_TRUE(Only().diff.has_value());
}

TEST_F(ForeignChangeTest, ManyFilesAtOnceAreCounted) {
  ASSERT_TRUE(store_->Load().ok());
  for (int i = 0; i < 100; ++i) {
    const std::string name = "r" + std::to_string(i);
    dir_.Write("etc/" + name + ".toml", TextOf(name, "deny"));
  }
  const auto told = Reload();
  ASSERT_EQ(told.size(), kMaxChangesTold + 1);
  EXPECT_EQ(told.back().more_files, 100 - kMaxChangesTold);
  EXPECT_TRUE(Reload().empty());
}

RuleFileChange Sample() {
  RuleFileChange change;
  change.what = What::kChanged;
  change.file = "/etc/a\x1b[2J.toml";
  change.owner = 0;
  change.modified = absl::FromUnixSeconds(1'700'000'000);
  change.diff = DiffTexts("a\nb\n", "a\nb\x1b[31m\xe2\x80\xae\n");
  change.in_force = true;
  change.rules = {{"x", "y"}, {}, {"z"}};
  return change;
}

TEST(RulesChangedEvent, Json) {
  const EventNotice notice =
      NoticeOf(Sample(), "root", 1'700'000'001'000'000'000);
  EXPECT_EQ(notice.type, "rules_changed");
  EXPECT_EQ(notice.kind, StoredKind::kRulesChanged);
  const json event = json::parse(notice.json);
  EXPECT_EQ(event["timestamp"], "2023-11-14T22:13:21.000000Z");
  EXPECT_EQ(event["event_type"], "rules_changed");
  EXPECT_EQ(event["file"], "/etc/a\\x1b[2J.toml");
  EXPECT_EQ(event["change"], "changed");
  EXPECT_EQ(event["in_force"], true);
  EXPECT_EQ(event["rules"]["added"], json({"x", "y"}));
  EXPECT_EQ(event["rules"]["removed"], json::array());
  EXPECT_EQ(event["rules"]["changed"], json({"z"}));
  EXPECT_EQ(event["who"], "unknown");
  EXPECT_EQ(event["owner"]["uid"], 0);
  EXPECT_EQ(event["owner"]["user"], "root");
  EXPECT_EQ(event["modified"], "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(event["lines"]["added"], 1);
  EXPECT_EQ(event["diff"], json({"@@ -1,2 +1,2 @@", " a", "-b",
                                 "+b\\x1b[31m\\xe2\\x80\\xae"}));
  EXPECT_FALSE(event.contains("diff_complete"));
  EXPECT_FALSE(event.contains("error"));
}

TEST(RulesChangedEvent, Text) {
  RuleFileChange change = Sample();
  EXPECT_EQ(NoticeOf(change, "root", 0).text,
            "rule file /etc/a\\x1b[2J.toml changed by another hand: +1 -1 "
            "lines; rules added: x, y; rules changed: z (who: unknown; file "
            "owner root)");
  change.rules = {};
  change.owner = 1234;
  change.in_force = false;
  change.error = "/etc/a.toml:3:1: bad\n/etc/b.toml:1:1: worse";
  EXPECT_EQ(NoticeOf(change, "", 0).text,
            "rule file /etc/a\\x1b[2J.toml changed by another hand: +1 -1 "
            "lines; NOT in force: /etc/a.toml:3:1: bad (who: unknown; file "
            "owner uid 1234)");
  EXPECT_EQ(json::parse(NoticeOf(change, "", 0).json)["in_force"], false);
  RuleFileChange more;
  more.more_files = 7;
  EXPECT_EQ(NoticeOf(more, "", 0).text,
            "7 more rule files changed by another hand");
  EXPECT_EQ(json::parse(NoticeOf(more, "", 0).json)["more_files"], 7);
}

TEST(RulesChangedEvent, IsBounded) {
  RuleFileChange change = Sample();
  change.file = "/" + std::string(5000, '\x01');
  for (int i = 0; i < 100'000; ++i) {
    change.rules.removed.push_back("rule-" + std::to_string(i));
  }
  change.diff = DiffTexts(
      "", std::string(200'000, '\x01') + "\n" + std::string(60'000, '\n'));
  const EventNotice notice = NoticeOf(change, std::string(9999, 'u'), 0);
  EXPECT_LT(notice.text.size(), 4 * kMaxTextBytes + 1);
  EXPECT_LT(notice.json.size(), 200'000u);
  const json event = json::parse(notice.json);
  EXPECT_EQ(event["rules"]["removed"].size(), kMaxRulesNamed);
  EXPECT_EQ(event["rules"]["more"], 100'000 - kMaxRulesNamed);
  EXPECT_EQ(event["diff_complete"], false);
}

TEST(RulesChangedEvent, AnyTimeOfTheFile) {
  RuleFileChange change = Sample();
  for (const absl::Time time : {absl::InfiniteFuture(), absl::InfinitePast(),
                                absl::FromUnixSeconds(1LL << 60)}) {
    change.modified = time;
    EXPECT_TRUE(json::parse(NoticeOf(change, "", 0).json).is_object());
  }
}

}  // namespace
}  // namespace sallyport
