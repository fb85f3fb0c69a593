// Over a fake /proc: what program the owner runs.

#include "tests/proc/resolver_fixture.h"

namespace sallyport {
namespace {

// The process was known by what it ran when it sent before. It has exec'ed
// since: the packet may be older than the exec, so both are judged, once.
TEST_F(ResolverTest, A03_ExecBetweenTwoPacketsIsAmbiguousOnce) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  Ownership owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  ASSERT_EQ(owner.owners.size(), 2u);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/python");
  EXPECT_EQ(owner.owners[1]->app->path, "/bin/sleep");
  owner = ResolveSocket(78);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/sleep");
}

TEST_F(ResolverTest, A03_CloseOnExecSocketWasMadeAfterTheExec) {
  Start();
  fs_->Add(11, "/bin/python");
  fs_->Hold(11, 3, 78);
  ResolveSocket(78);
  fs_->SetExe(fs_->At(11), "/bin/sleep");
  fs_->Hold(11, 3, 79);
  fs_->At(11).texts["fdinfo/3"] = "pos:\t0\nflags:\t02000002\nmnt_id:\t9\n";
  Ownership owner = ResolveSocket(79);
  EXPECT_EQ(owner.confidence, Confidence::kExact);
  EXPECT_EQ(owner.owners[0]->app->path, "/bin/sleep");
}

TEST_F(ResolverTest, A04_ReplacedBinaryIsNotItsPath) {
  fs_->Add(10, "/tmp/app");
  fs_->Hold(10, 5, 77);
  fs_->At(10).exe = "/tmp/app (deleted)";
  fs_->At(10).exe_stat.link_count = 0;
  fs_->host_files["/tmp/app"].id.inode = 1;  // another file by now
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->path, "/tmp/app");
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A05_FileReallyCalledDeletedKeepsItsName) {
  fs_->Add(10, "/tmp/x (deleted)");
  fs_->Hold(10, 5, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->path, "/tmp/x (deleted)");
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A06_MemfdIsItsOwnKind) {
  fs_->Add(10, "/memfd:firefox (deleted)");
  fs_->At(10).exe_stat.link_count = 0;
  fs_->Hold(10, 5, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  EXPECT_EQ(owner.owners[0]->app->kind, App::Kind::kMemfd);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, A07_SamePathInAnotherMountNamespaceIsNotThePath) {
  fs_->Add(10, "/usr/local/bin/curl");
  fs_->Hold(10, 5, 77);
  fs_->At(10).exe_stat.id.device = 99;
  Start();
  EXPECT_FALSE(ResolveSocket(77).owners[0]->app->path_is_exe);
}

TEST_F(ResolverTest, HashReachesTheNextLookup) {
  fs_->Add(10, "/bin/curl");
  fs_->Hold(10, 3, 77);
  Start();
  Ownership owner = ResolveSocket(77);
  auto same = resolver_->WithSha256(owner.owners[0]);
  EXPECT_EQ(same, owner.owners[0]);  // the fake's file is not the fake's exe
  EXPECT_TRUE(same->app->sha256.empty());
}

}  // namespace
}  // namespace sallyport
