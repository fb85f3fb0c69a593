// On the real kernel: what program the owner runs, and what is told of it.

#include <sys/syscall.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/proc/real_resolver_fixture.h"

namespace sallyport {
namespace {

TEST_F(RealResolverTest, A04_DeletedAndReplacedBinaryIsNotItsPath) {
  std::string path = CopyOfSleep("app");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
  unlink(path.c_str());
  CopyOfSleep("app");
  owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  EXPECT_EQ(owner.owners[0]->app->link_count, 0u);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
}

TEST_F(RealResolverTest, A05_FileReallyCalledDeletedKeepsItsName) {
  std::string path = CopyOfSleep("x (deleted)");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  EXPECT_TRUE(owner.owners[0]->app->path_is_exe);
}

TEST_F(RealResolverTest, A06_MemfdIsItsOwnKind) {
  UniqueFd memfd(static_cast<int>(syscall(SYS_memfd_create, "firefox", 1u)));
  std::ifstream sleep("/bin/sleep", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(sleep)), {});
  ASSERT_EQ(write(memfd.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  Flow flow;
  auto child =
      RunWithSocket("/proc/self/fd/" + std::to_string(memfd.get()), &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->kind, App::Kind::kMemfd);
  EXPECT_FALSE(owner.owners[0]->app->path_is_exe);
  EXPECT_EQ(owner.owners[0]->app->path, "/memfd:firefox");
}

TEST_F(RealResolverTest, A38_HostileNameIsKeptByteForByte) {
  std::string path = CopyOfSleep("a\nb\x1b[31m\xff\xfe (x) S 1");
  Flow flow;
  auto child = RunWithSocket(path, &flow);
  Ownership owner = Resolve(flow);
  ExpectOnly(owner, child->pid());
  EXPECT_EQ(owner.owners[0]->app->path, path);
  resolver_->Describe(*owner.owners[0]);
  ASSERT_NE(owner.owners[0]->facts(), nullptr);
  EXPECT_EQ(owner.owners[0]->facts()->cmdline,
            (std::vector<std::string>{path, "100"}));
}

TEST_F(RealResolverTest, ShaIsThatOfTheRunningFile) {
  Flow flow;
  auto child = RunWithSocket(CopyOfSleep("app"), &flow);
  Ownership owner = Resolve(flow);
  ASSERT_FALSE(owner.owners.empty());
  auto hashed = resolver_->WithSha256(owner.owners[0]);
  FILE* pipe = popen("sha256sum /bin/sleep", "r");
  char expected[65] = {};
  ASSERT_EQ(fread(expected, 1, 64, pipe), 64u);
  pclose(pipe);
  EXPECT_EQ(hashed->app->sha256, expected);
  EXPECT_EQ(hashed->id, owner.owners[0]->id);
  // The next packet's app has it without being asked.
  EXPECT_EQ(Resolve(flow).owners[0]->app->sha256, expected);
  resolver_ = CreateProcResolver(table_);
  EXPECT_EQ(ResolveFast(flow).owners[0]->app->sha256, expected);
}

TEST_F(RealResolverTest, FactsAreOfTheProcess) {
  Flow flow;
  auto child = RunWithSocket("/bin/sleep", &flow);
  Ownership owner = Resolve(flow);
  ASSERT_FALSE(owner.owners.empty());
  resolver_->Describe(*owner.owners[0]);
  const ProcessFacts* facts = owner.owners[0]->facts();
  ASSERT_NE(facts, nullptr);
  EXPECT_EQ(facts->cmdline, (std::vector<std::string>{"/bin/sleep", "100"}));
  EXPECT_EQ(facts->comm, "sleep");
  EXPECT_FALSE(facts->user_name.empty());
  ASSERT_FALSE(facts->parent_paths.empty());
  EXPECT_EQ(facts->parent_paths[0], ExeOf(getpid()));
  EXPECT_EQ(owner.owners[0]->parent_pid, getpid());
  resolver_->Describe(*owner.owners[0]);
  EXPECT_EQ(owner.owners[0]->facts(), facts);
}

TEST_F(RealResolverTest, FactsOfADeadProcessAreItsUserOnly) {
  Process process;
  process.id = {getpid(), 1};  // not our start time: another life of the pid
  process.uid = 0;
  resolver_->Describe(process);
  ASSERT_NE(process.facts(), nullptr);
  EXPECT_TRUE(process.facts()->cmdline.empty());
  EXPECT_EQ(process.facts()->user_name, "root");
}

}  // namespace
}  // namespace sallyport
