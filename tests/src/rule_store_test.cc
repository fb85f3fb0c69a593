#include "src/rule_store.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "absl/strings/match.h"
#include "rules/builtin_rules.h"
#include "rules/rule_text.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

// Does what it is told to fail at, and the rest for real.
class FaultyWriter : public FileWriter {
 public:
  absl::Status Write(const std::string& path,
                     std::string_view content) override {
    calls.push_back("write " + path);
    if (!fail.ok()) return fail;
    return real_.Write(path, content);
  }
  absl::Status Remove(const std::string& path) override {
    calls.push_back("remove " + path);
    if (!fail.ok()) return fail;
    return real_.Remove(path);
  }

  absl::Status Apply(std::span<const FileChange> changes) override {
    calls.push_back("apply " + std::to_string(changes.size()));
    if (!fail.ok()) return fail;
    return real_.Apply(changes);
  }

  absl::Status fail;
  std::vector<std::string> calls;

 private:
  AtomicFileWriter real_;
};

Rule MakeRule(const std::string& name, RulePolicy policy = RulePolicy::kDeny,
              const std::string& app = "/usr/bin/curl") {
  Rule rule;
  rule.name = name;
  rule.policy = policy;
  rule.app = app;
  return rule;
}

std::string TextOf(const std::string& name, const std::string& policy,
                   const std::string& more = "") {
  return "[[rule]]\nname = \"" + name + "\"\npolicy = \"" + policy +
         "\"\napp = \"/usr/bin/curl\"\n" + more;
}

class RuleStoreTest : public ::testing::Test {
 protected:
  RuleStoreTest() {
    admin_ = dir_.MakeDir("etc");
    Renew();
  }

  void Renew() {
    RuleStoreOptions options;
    options.rules_dirs = {admin_};
    options.state_dir = dir_ / "state";
    options.writer = &writer_;
    store_.emplace(options, [this](std::shared_ptr<const RuleSet> rules) {
      published_.push_back(std::move(rules));
    });
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const StoredRule& stored : store_->List()) {
      if (stored.rule.name != kBuiltinLoopbackName) {
        names.push_back(stored.rule.name);
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string OurFile(const std::string& name) const {
    return dir_ / ("state/rules.d/" + name + ".toml");
  }

  using Names_ = std::vector<std::string>;
  TempDir dir_;
  std::string admin_;
  FaultyWriter writer_;
  std::vector<std::shared_ptr<const RuleSet>> published_;
  std::optional<RuleStore> store_;
};

TEST_F(RuleStoreTest, NothingThereIsTheBuiltinRuleAlone) {
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_EQ(Names(), Names_{});
  ASSERT_EQ(store_->List().size(), 1u);
  EXPECT_TRUE(store_->List()[0].read_only);
  EXPECT_TRUE(published_.empty());
}

TEST_F(RuleStoreTest, AddedRuleIsInForceAndOnDisk) {
  ASSERT_TRUE(store_->Load().ok());
  absl::StatusOr<StoredRule> added = store_->Add(MakeRule("a"));
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_FALSE(added->read_only);
  ASSERT_EQ(published_.size(), 1u);
  EXPECT_EQ(published_.back(), store_->Current());
  // What a restart would read.
  Renew();
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_EQ(store_->Find("a")->rule, added->rule);
}

TEST_F(RuleStoreTest, OwnWritesAreNotPublishedAgain) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(store_->Add(MakeRule("b")).ok());
  ASSERT_TRUE(store_->Reload().ok());
  EXPECT_EQ(published_.size(), 2u);
}

TEST_F(RuleStoreTest, ReplaceEditRenameRemove) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  ASSERT_TRUE(store_->Replace("a", MakeRule("", RulePolicy::kAllow)).ok());
  EXPECT_EQ(store_->Find("a")->rule.policy, RulePolicy::kAllow);
  ASSERT_TRUE(store_
                  ->Edit("a",
                         [](Rule* rule) {
                           rule->enabled = false;
                           return absl::OkStatus();
                         })
                  .ok());
  EXPECT_FALSE(store_->Find("a")->rule.enabled);
  ASSERT_TRUE(store_->Replace("a", MakeRule("b")).ok());
  EXPECT_EQ(Names(), Names_{"b"});
  // The renamed rule is still in a.toml; a new 'a' must not overwrite it.
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  EXPECT_EQ(Names(), (Names_{"a", "b"}));
  ASSERT_TRUE(store_->Remove("b").ok());
  ASSERT_TRUE(store_->Reload().ok());
  EXPECT_EQ(Names(), Names_{"a"});
  ASSERT_TRUE(store_->Remove("a").ok());
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "state/rules.d"));
}

TEST_F(RuleStoreTest, FileOfSeveralRulesKeepsTheOthers) {
  dir_.MakeDir("state/rules.d");
  dir_.Write("state/rules.d/mine.toml",
             TextOf("one", "allow") + TextOf("two", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Remove("one").ok());
  ASSERT_TRUE(store_->Reload().ok());
  EXPECT_EQ(Names(), Names_{"two"});
}

TEST_F(RuleStoreTest, ErrorsHaveTheirCodes) {
  dir_.Write("etc/a.toml", TextOf("admins", "allow"));
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Add(MakeRule("a")).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Add(MakeRule("admins")).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Remove("b")));
  EXPECT_TRUE(absl::IsPermissionDenied(store_->Remove("admins")));
  EXPECT_TRUE(absl::IsPermissionDenied(
      store_->Replace("admins", MakeRule("admins")).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      store_->Remove(std::string(kBuiltinLoopbackName))));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Add(MakeRule("A B")).status()));
  Rule rule = MakeRule("b");
  rule.user = {{"no-such-user-here", std::nullopt}};
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Add(rule).status()));
  EXPECT_EQ(Names(), (Names_{"a", "admins"}));
}

TEST_F(RuleStoreTest, DryRunChangesNothing) {
  ASSERT_TRUE(store_->Load().ok());
  absl::StatusOr<StoredRule> added = store_->Add(MakeRule(""), true);
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added->rule.name, "curl-deny");
  EXPECT_TRUE(writer_.calls.empty());
  EXPECT_TRUE(published_.empty());
  EXPECT_EQ(Names(), Names_{});
}

TEST_F(RuleStoreTest, A38_RulesWithoutNameGetOneThatIsAnId) {
  ASSERT_TRUE(store_->Load().ok());
  const std::pair<const char*, const char*> cases[] = {
      {"/usr/bin/curl", "curl-deny"},
      {"/usr/bin/curl", "curl-deny-2"},
      {"/usr/bin/curl", "curl-deny-3"},
      {"any", "any-deny"},
      {"/opt/Visual Studio (x)", "visual-studio-x-deny"},
      {"/opt/*", "rule-deny"},
      {"/tmp/a\\x0a\\x1b[31m..", "a-x0a-x1b-31m-deny"},
  };
  for (const auto& [app, name] : cases) {
    absl::StatusOr<StoredRule> added =
        store_->Add(MakeRule("", RulePolicy::kDeny, app));
    if (!added.ok()) continue;  // not a path to rules/: not this test's
    EXPECT_EQ(added->rule.name, name);
  }
  absl::StatusOr<StoredRule> added = store_->Add(
      MakeRule("", RulePolicy::kLocalOnly, "/" + std::string(300, 'x')));
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_LE(added->rule.name.size(), kMaxRuleNameBytes);
}

TEST_F(RuleStoreTest, UsersBecomeIds) {
  dir_.Write("etc/a.toml", TextOf("a", "deny", "user = \"root\"\n") +
                               TextOf("b", "deny", "user = 1234\n"));
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_EQ(store_->Find("a")->rule.user.at(0).id, 0u);
  EXPECT_EQ(store_->Find("b")->rule.user.at(0).id, 1234u);
}

TEST_F(RuleStoreTest, UnknownUserIsNamedWithItsFile) {
  const std::string file =
      dir_.Write("etc/a.toml", TextOf("a", "deny", "user = \"nobody-x\"\n"));
  const absl::Status status = store_->Load();
  EXPECT_TRUE(absl::StrContains(status.message(), file)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "nobody-x")) << status;
}

TEST_F(RuleStoreTest, F13_DuplicateNamesBothFiles) {
  const std::string one = dir_.Write("etc/1.toml", TextOf("same", "deny"));
  const std::string two = dir_.Write("etc/2.toml", TextOf("same", "allow"));
  const absl::Status status = store_->Load();
  EXPECT_TRUE(absl::StrContains(status.message(), one)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), two)) << status;
}

TEST_F(RuleStoreTest, F13_AllErrorsOfAllFilesAreTold) {
  dir_.Write("etc/1.toml", "[[rule]]\nname = 1\n");
  dir_.Write("etc/2.toml", "garbage");
  dir_.MakeDir("state/rules.d");
  dir_.Write("state/rules.d/3.toml", "colour = 1\n");
  const absl::Status status = store_->Load();
  for (const char* part : {"1.toml:2:", "2.toml:1:", "3.toml:1:1:"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), part)) << status;
  }
  RuleStoreOptions options;
  options.rules_dirs = {admin_};
  options.state_dir = dir_ / "state";
  EXPECT_EQ(CheckRuleFiles(options).status(), status);
}

TEST_F(RuleStoreTest, F13_BrokenFileKeepsTheLastGoodSet) {
  dir_.Write("etc/1.toml", TextOf("one", "deny"));
  dir_.Write("etc/2.toml", TextOf("two", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/2.toml", "[[rule]]\n");
  EXPECT_FALSE(store_->Reload().ok());
  EXPECT_TRUE(absl::StrContains(store_->last_error(), "2.toml:1:"));
  EXPECT_EQ(Names(), (Names_{"one", "two"}));
  EXPECT_TRUE(published_.empty());
  // A deny that the user wants now is not refused because of it.
  EXPECT_TRUE(store_->Add(MakeRule("three")).ok());
  EXPECT_EQ(Names(), (Names_{"one", "three", "two"}));
  dir_.Write("etc/2.toml", TextOf("two", "reject"));
  EXPECT_TRUE(store_->Reload().ok());
  EXPECT_EQ(store_->last_error(), "");
  EXPECT_EQ(store_->Find("two")->rule.policy, RulePolicy::kReject);
}

// An allow rule that loses its last line allows more; an editor that truncates
// before it writes makes just that for a moment.
TEST_F(RuleStoreTest, F13_AdminsFileCutAtEachByteNeverWidens) {
  const std::string text =
      "# my rules\n" + TextOf("one", "deny", "to = \"192.0.2.0/24\"\n") + "\n" +
      TextOf("two", "allow", "to = \"192.0.2.1\"\nport = 443\n") +
      "\n# the last\n" + TextOf("three", "allow", "user = 0\n");
  for (size_t cut = 0; cut < text.size(); ++cut) {
    dir_.Write("etc/1.toml", text);
    ASSERT_TRUE(store_->Reload().ok());
    const std::shared_ptr<const RuleSet> good = store_->Current();
    dir_.Write("etc/1.toml", text.substr(0, cut));
    if (!store_->Reload().ok()) {
      EXPECT_EQ(store_->Current(), good) << cut;
      EXPECT_NE(store_->last_error(), "") << cut;
      continue;
    }
    // Taken: then whole rules are gone at the end, as if deleted.
    EXPECT_GE(Names().size(), 1u) << cut;
    for (const StoredRule& stored : store_->List()) {
      const auto before =
          std::ranges::find(good->rules(), stored.rule.name, &Rule::name);
      ASSERT_NE(before, good->rules().end()) << cut;
      EXPECT_EQ(*before, stored.rule) << cut;
    }
  }
}

TEST_F(RuleStoreTest, F13_CutThatIsMeantIsTakenWhenAsked) {
  const std::string line = "to = \"192.0.2.1\"\n";
  dir_.Write("etc/1.toml", TextOf("one", "allow", line));
  ASSERT_TRUE(store_->Load().ok());
  dir_.Write("etc/1.toml", TextOf("one", "allow"));
  EXPECT_FALSE(store_->Reload().ok());
  EXPECT_TRUE(absl::StrContains(store_->last_error(), "cut off?"));
  EXPECT_TRUE(store_->Reload(RuleStore::Why::kAsked).ok());
  EXPECT_TRUE(store_->Find("one")->rule.to.empty());
}

TEST_F(RuleStoreTest, F13_OurFileCutAtEachByteIsRefused) {
  ASSERT_TRUE(store_->Load().ok());
  Rule rule = MakeRule("one", RulePolicy::kAllow);
  rule.port = {{443, 443}};
  rule.protocol = {kProtoTcp};
  ASSERT_TRUE(store_->Add(rule).ok());
  const std::string text = ReadWhole(OurFile("one"));
  const std::shared_ptr<const RuleSet> good = store_->Current();
  for (size_t cut = 0; cut < text.size(); ++cut) {
    dir_.Write("state/rules.d/one.toml", text.substr(0, cut));
    EXPECT_FALSE(store_->Reload(RuleStore::Why::kAsked).ok()) << cut;
    EXPECT_EQ(store_->Current(), good) << cut;
  }
  // Nor at a start, when nothing is known of before.
  for (size_t cut = 0; cut < text.size(); ++cut) {
    dir_.Write("state/rules.d/one.toml", text.substr(0, cut));
    Renew();
    EXPECT_FALSE(store_->Load().ok()) << cut;
  }
}

TEST_F(RuleStoreTest, OurFileMayBeEditedToBeLonger) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("one")).ok());
  dir_.Write("state/rules.d/one.toml",
             ReadWhole(OurFile("one")) + "priority = 7\n");
  ASSERT_TRUE(store_->Reload().ok()) << store_->last_error();
  EXPECT_EQ(store_->Find("one")->rule.priority, 7);
}

TEST_F(RuleStoreTest, F15_FilesOthersCouldWriteAreRefused) {
  dir_.Write("etc/1.toml", TextOf("one", "deny"));
  ASSERT_TRUE(store_->Load().ok());
  const std::string planted = dir_.Write("etc/2.toml", TextOf("two", "allow"));
  chmod(planted.c_str(), 0666);
  EXPECT_FALSE(store_->Reload().ok());
  EXPECT_EQ(Names(), Names_{"one"});
  chmod(planted.c_str(), 0644);
  EXPECT_TRUE(store_->Reload().ok());
  chmod(admin_.c_str(), 0777);
  EXPECT_FALSE(store_->Reload().ok());
  chmod(admin_.c_str(), 0755);
  ASSERT_EQ(symlink(planted.c_str(), (admin_ + "/3.toml").c_str()), 0);
  EXPECT_FALSE(store_->Reload().ok());
}

TEST_F(RuleStoreTest, F16_NotSavedIsToldAndNothingChanges) {
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("a")).ok());
  const std::string before = ReadWhole(OurFile("a"));
  const std::shared_ptr<const RuleSet> rules = store_->Current();
  for (int error : {ENOSPC, EIO, EROFS, EDQUOT}) {
    writer_.fail = absl::ErrnoToStatus(error, "write");
    for (const absl::Status& status :
         {store_->Add(MakeRule("b")).status(),
          store_->Replace("a", MakeRule("a", RulePolicy::kAllow)).status(),
          store_->Remove("a")}) {
      EXPECT_TRUE(absl::IsUnavailable(status)) << status;
      EXPECT_TRUE(absl::StrContains(status.message(), "not saved")) << status;
    }
  }
  EXPECT_EQ(store_->Current(), rules);
  EXPECT_EQ(published_.size(), 1u);
  EXPECT_EQ(ReadWhole(OurFile("a")), before);
}

TEST_F(RuleStoreTest, F16_FullDisk) {
  const std::string state = dir_.MakeDir("state");
  if (mount("tmpfs", state.c_str(), "tmpfs", 0, "size=64k,mode=0755") != 0) {
    GTEST_SKIP() << "needs root to mount a small tmpfs";
  }
  ASSERT_TRUE(store_->Load().ok());
  ASSERT_TRUE(store_->Add(MakeRule("first", RulePolicy::kAllow)).ok());
  Rule rule = MakeRule("");
  rule.description = std::string(kMaxDescriptionBytes, 'd');
  absl::Status status;
  size_t saved = 0;
  while (status.ok() && saved < 100) {
    rule.name = "r" + std::to_string(saved);
    status = store_->Add(rule).status();
    if (status.ok()) ++saved;
  }
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  Rule longer = MakeRule("first", RulePolicy::kDeny);
  longer.description = rule.description;
  EXPECT_TRUE(absl::IsUnavailable(store_->Replace("first", longer).status()));
  EXPECT_EQ(store_->Find("first")->rule.policy, RulePolicy::kAllow);
  // What a restart would find is what is in force.
  const size_t count = store_->List().size();
  Renew();
  EXPECT_TRUE(store_->Load().ok());
  EXPECT_EQ(store_->List().size(), count);
  store_.reset();
  EXPECT_EQ(umount(state.c_str()), 0);
}

TEST_F(RuleStoreTest, LeftoversOfACrashAreRemoved) {
  dir_.MakeDir("state/rules.d");
  dir_.Write("state/rules.d/.a.toml.Xy12ab.tmp", "half");
  ASSERT_TRUE(store_->Load().ok());
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "state/rules.d"));
}

TEST(CutInsideRule, Table) {
  const std::string one = TextOf("one", "deny", "port = 1\n");
  const std::string two = TextOf("two", "deny", "port = 2\n");
  struct {
    std::string before, now;
    bool cut;
  } cases[] = {
      {one + two, one, false},
      {one + "\n# about two\n" + two, one, false},
      {one + "\n# about two\n" + two, one + "\n# ab", false},
      {one + two, one + two, false},
      {one, one + two, false},
      {one + two, two, false},  // no prefix: an edit
      {one, TextOf("one", "deny"), true},
      {one + two, one + "[[rule]]\n", true},
      {one, "", true},
      {"# nothing\n", "", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CutInsideRule(c.before, c.now), c.cut) << c.now;
  }
}

}  // namespace
}  // namespace sallyport
