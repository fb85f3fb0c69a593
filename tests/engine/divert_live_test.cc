// The divert on a real kernel, each test in a network namespace of its own,
// with each way to say "queue" that the kernel has.

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/divert_xt.h"
#include "engine/nft_divert.h"
#include "engine/ruleset_guard.h"
#include "tests/engine/netns.h"

namespace sallyport {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;

int64_t MicrosSince(steady_clock::time_point start) {
  return duration_cast<microseconds>(steady_clock::now() - start).count();
}

// A stateless listing: counters differ between two looks. Whether nft shows
// its warning about xtables expressions has nothing to do with the tables.
std::string ListRuleset() { return MustRun("nft -s list ruleset 2>/dev/null"); }

class DivertLive : public NetnsTest,
                   public testing::WithParamInterface<QueueExpression> {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    options_.expression = GetParam();
    options_.queue_count = 2;
    const auto how = ChooseQueueExpression(GetParam());
    if (absl::IsUnimplemented(how.status())) {
      GTEST_SKIP() << "skipped: " << how.status();
    }
    ASSERT_TRUE(how.ok()) << how.status();
  }
  std::unique_ptr<NftDivert> Create() {
    auto divert = NftDivert::Create(options_);
    EXPECT_TRUE(divert.ok()) << divert.status();
    return *std::move(divert);
  }

  DivertOptions options_;
};

INSTANTIATE_TEST_SUITE_P(BothWays, DivertLive,
                         testing::Values(QueueExpression::kNative,
                                         QueueExpression::kXt),
                         [](const auto& how) {
                           return how.param == QueueExpression::kNative
                                      ? "native"
                                      : "xt";
                         });

TEST_P(DivertLive, InstallsWhatThePlanSays) {
  const auto divert = Create();
  EXPECT_FALSE(divert->state().installed);
  ASSERT_TRUE(divert->Install().ok());
  EXPECT_TRUE(divert->state().installed);
  EXPECT_EQ(divert->state().expression, GetParam());
  EXPECT_TRUE(*divert->Verify());

  const TableState table = *ReadTable();
  ASSERT_EQ(table.chains.size(), 5u);
  const ChainState* judge = table.Find("judge");
  ASSERT_NE(judge, nullptr);
  EXPECT_EQ(judge->priority, -110);
  EXPECT_EQ(judge->hook, static_cast<uint32_t>(NF_INET_LOCAL_OUT));
  const ChainState* settle = table.Find("settle");
  ASSERT_NE(settle, nullptr);
  EXPECT_EQ(settle->priority, -109);
  EXPECT_EQ(table.Find("ask")->rule_handles.size(), 2u);
  EXPECT_EQ(table.Find("canary")->rule_handles.size(), 3u);
}

TEST_P(DivertLive, F39_RemovalLeavesNothing) {
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  EXPECT_NE(ListRuleset(), "");
  ASSERT_TRUE(divert->Remove().ok());
  EXPECT_EQ(ListRuleset(), "");
  EXPECT_FALSE((*ReadTable()).present);
  EXPECT_TRUE(divert->Remove().ok()) << "not being there is no error";
}

// What `sallyport off` does after a daemon that was killed.
TEST_P(DivertLive, F40_RemovalNeedsNoDaemon) {
  {
    const auto divert = Create();
    ASSERT_TRUE(divert->Install().ok());
  }
  EXPECT_TRUE((*ReadTable()).present);
  EXPECT_TRUE(RemoveDivert().ok());
  EXPECT_EQ(ListRuleset(), "");
  EXPECT_TRUE(RemoveDivert().ok());
}

TEST_P(DivertLive, F39_TablesOfStrangersAreUntouched) {
  MustRun(
      "nft 'table ip filter { set s { type ipv4_addr; "
      "elements = { 192.0.2.1 } }; chain output { type filter hook output "
      "priority -110; ip daddr @s drop; }; }; "
      "table inet sallyport2 { chain judge { type filter hook output "
      "priority -109; counter; }; }'");
  const std::string before = ListRuleset();
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  EXPECT_NE(ListRuleset(), before);
  ASSERT_TRUE(divert->Install().ok());
  MustRun("nft delete table inet sallyport");
  EXPECT_EQ(ListRuleset(), before);
  ASSERT_TRUE(*RepairIfDamaged(*divert));
  ASSERT_TRUE(divert->Remove().ok());
  EXPECT_EQ(ListRuleset(), before);
}

TEST_P(DivertLive, InstallingTwiceChangesNothing) {
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  const std::string first = ListRuleset();
  ASSERT_TRUE(divert->Install().ok());
  EXPECT_EQ(ListRuleset(), first);
  EXPECT_EQ(divert->state().repairs, 0u);
  // Another daemon's leavings are replaced as a whole, too.
  const auto other = Create();
  EXPECT_FALSE(*other->Verify()) << "not what this one has installed";
  ASSERT_TRUE(other->Install().ok());
  EXPECT_EQ(ListRuleset(), first);
  EXPECT_FALSE(*divert->Verify());
}

TEST_P(DivertLive, ProbingLeavesNoTraceAndMakesNoEvent) {
  const auto guard = RulesetGuard::Open();
  ASSERT_TRUE(guard.ok()) << guard.status();
  ASSERT_TRUE(ChooseQueueExpression(QueueExpression::kAuto).ok());
  pollfd event{(*guard)->fd(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 0), 0);
  EXPECT_EQ(ListRuleset(), "");
}

TEST_P(DivertLive, EveryPostureAndSettlingInstalls) {
  for (SettleBy settle : {SettleBy::kSecondChain, SettleBy::kPacketMark,
                          SettleBy::kConntrackAttribute}) {
    for (bool loopback : {true, false}) {
      for (uint16_t queues : {1, 64}) {
        options_.settle = settle;
        options_.on_failure = settle == SettleBy::kSecondChain
                                  ? FailPosture::kClosed
                                  : FailPosture::kOpen;
        options_.judge_loopback = loopback;
        options_.queue_count = queues;
        const auto divert = Create();
        const absl::Status status = divert->Install();
        EXPECT_TRUE(status.ok()) << status;
        EXPECT_TRUE(*divert->Verify());
      }
    }
  }
}

constexpr const char* kTamperings[] = {
    "flush ruleset",
    "delete table inet sallyport",
    "flush table inet sallyport",
    "flush chain inet sallyport ask",
    "flush chain inet sallyport judge; delete chain inet sallyport judge",
    "flush chain inet sallyport settle; delete chain inet sallyport settle",
    "add rule inet sallyport judge accept",
    "insert rule inet sallyport judge accept",
    "insert rule inet sallyport ask accept",
    "chain inet sallyport judge { policy drop; }",
    "add table inet sallyport { flags dormant; }",
    "add chain inet sallyport strange { type filter hook output priority "
    "-111; }",
    // Nothing is lost or added by count.
    "flush chain inet sallyport ask; add rule inet sallyport ask accept; "
    "add rule inet sallyport ask accept",
};

TEST_P(DivertLive, F07_EveryTamperingIsSeenAndRepaired) {
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  const std::string good = ListRuleset();
  const auto guard = RulesetGuard::Open();
  ASSERT_TRUE(guard.ok()) << guard.status();
  uint64_t repairs = 0;
  for (const char* tampering : kTamperings) {
    MustRun(absl::StrCat("nft '", tampering, "'"));
    EXPECT_EQ((*guard)->HandleReadable(), RulesetGuard::Seen::kTouched)
        << tampering;
    EXPECT_FALSE(*divert->Verify()) << tampering;
    const absl::StatusOr<bool> repaired = RepairIfDamaged(*divert);
    ASSERT_TRUE(repaired.ok()) << tampering << repaired.status();
    EXPECT_TRUE(*repaired) << tampering;
    EXPECT_EQ(ListRuleset(), good) << tampering;
    EXPECT_EQ(divert->state().repairs, ++repairs) << tampering;
    // The repair's own events are no reason for another one.
    EXPECT_EQ((*guard)->HandleReadable(), RulesetGuard::Seen::kTouched);
    EXPECT_FALSE(*RepairIfDamaged(*divert)) << tampering;
  }
  MustRun("nft add table ip stranger; nft delete table ip stranger");
  EXPECT_EQ((*guard)->HandleReadable(), RulesetGuard::Seen::kNothing);
}

// A stranger that changes rules from this process: the clock starts when the
// kernel has his change, not when a program has started.
class Stranger {
 public:
  Stranger() : context_(nft_ctx_new(NFT_CTX_DEFAULT)) {}
  ~Stranger() { nft_ctx_free(context_); }
  void Run(const std::string& text) {
    EXPECT_EQ(nft_run_cmd_from_buffer(context_, text.c_str()), 0) << text;
  }

 private:
  nft_ctx* context_;
};

// The kernel had no room for its word of a change: that is said, and the table
// looked at as if it had been touched.
TEST_P(DivertLive, F05_LostWordOfAChangeIsReasonEnoughToLook) {
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  const auto guard = RulesetGuard::Open();
  ASSERT_TRUE(guard.ok()) << guard.status();
  const auto set_buffer = [&](int bytes) {
    return setsockopt((*guard)->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
                      sizeof(bytes));
  };
  ASSERT_EQ(set_buffer(1), 0);  // the kernel's least
  Stranger stranger;
  std::string crowd = "add table ip crowd;";
  for (int i = 0; i < 500; ++i)
    absl::StrAppend(&crowd, "add chain ip crowd c", i, ";");
  stranger.Run(crowd);
  stranger.Run("flush chain inet sallyport ask; delete table ip crowd");
  EXPECT_EQ((*guard)->HandleReadable(), RulesetGuard::Seen::kOverflow);
  const absl::StatusOr<bool> repaired = RepairIfDamaged(*divert);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_TRUE(*repaired);
  // And the next change is heard as ever.
  ASSERT_EQ(set_buffer(1 << 20), 0);
  (*guard)->HandleReadable();
  stranger.Run("flush chain inet sallyport ask");
  EXPECT_EQ((*guard)->HandleReadable(), RulesetGuard::Seen::kTouched);
}

// Under emulation everything takes 10 to 30 times as long.
int64_t RepairLimitMicros() {
  return getenv("SALLYPORT_IN_VM") == nullptr ? 100'000 : 1'000'000;
}

// As in the daemon: a thread sleeps on the guard, somebody flushes. Measured
// until the table is whole again.
TEST_P(DivertLive, F07_BackWithin100Milliseconds) {
  const auto divert = Create();
  ASSERT_TRUE(divert->Install().ok());
  auto guard = RulesetGuard::Open();
  ASSERT_TRUE(guard.ok()) << guard.status();
  std::atomic<bool> stop{false};
  std::thread events([&] {
    pollfd event{(*guard)->fd(), POLLIN, 0};
    while (!stop) {
      if (poll(&event, 1, 10) <= 0) continue;
      if ((*guard)->HandleReadable() != RulesetGuard::Seen::kNothing) {
        EXPECT_TRUE(RepairIfDamaged(*divert).ok());
      }
    }
  });
  Stranger stranger;
  for (const char* tampering :
       {"flush ruleset", "delete table inet sallyport",
        "flush chain inet sallyport judge; delete chain inet sallyport judge",
        "flush chain inet sallyport ask"}) {
    std::vector<int64_t> took;
    for (int round = 0; round < 9; ++round) {
      const uint64_t repairs = divert->state().repairs;
      stranger.Run(tampering);
      const auto start = steady_clock::now();
      ASSERT_TRUE(WaitUntil([&] { return divert->state().repairs > repairs; }));
      took.push_back(MicrosSince(start));
      EXPECT_TRUE(*divert->Verify());
    }
    std::sort(took.begin(), took.end());
    std::cout << "repaired after '" << tampering << "': median "
              << took[took.size() / 2] << " us, worst " << took.back()
              << " us\n";
    EXPECT_LT(took.back(), RepairLimitMicros()) << tampering;
  }
  stop = true;
  events.join();
}

TEST_P(DivertLive, SpeedOfTheThree) {
  const auto divert = Create();
  auto start = steady_clock::now();
  ASSERT_TRUE(divert->Install().ok());
  const int64_t first = MicrosSince(start);
  start = steady_clock::now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(divert->Install().ok());
  const int64_t again = MicrosSince(start) / 10;
  start = steady_clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(*divert->Verify());
  const int64_t verify = MicrosSince(start) / 100;
  start = steady_clock::now();
  ASSERT_TRUE(divert->Remove().ok());
  std::cout << "first install " << first << " us, again " << again
            << " us, verify " << verify << " us, remove " << MicrosSince(start)
            << " us\n";
}

class DivertRefusals : public NetnsTest {};

TEST_F(DivertRefusals, F33_AMissingExpressionIsNamedWithItsModule) {
  for (QueueExpression how : {QueueExpression::kNative, QueueExpression::kXt}) {
    const absl::Status status = ChooseQueueExpression(how).status();
    if (status.ok()) continue;
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    const char* module =
        how == QueueExpression::kNative ? "nft_queue" : "xt_NFQUEUE";
    EXPECT_NE(status.message().find(module), std::string::npos) << status;
    EXPECT_NE(status.message().find("CONFIG_"), std::string::npos) << status;
  }
}

TEST_F(DivertRefusals, AWrongMaskIsRefusedBeforeAnythingIsDone) {
  DivertOptions options;
  options.marks.mask = 0x5;
  EXPECT_TRUE(absl::IsInvalidArgument(NftDivert::Create(options).status()));
  EXPECT_EQ(ListRuleset(), "");
}

TEST_F(DivertRefusals, NoneInstallsNothing) {
  DivertOptions options;
  options.expression = QueueExpression::kNone;
  const auto divert = NftDivert::Create(options);
  ASSERT_TRUE(divert.ok()) << divert.status();
  EXPECT_TRUE((*divert)->Install().ok());
  EXPECT_TRUE(*(*divert)->Verify());
  EXPECT_FALSE((*divert)->state().installed);
  EXPECT_EQ(ListRuleset(), "");
  EXPECT_TRUE((*divert)->Remove().ok());
}

// In a child, since the privilege does not come back.
int WithoutNetAdmin(const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    syscall(SYS_capget, &header, data);
    for (auto& half : data) half.inheritable = 0;
    data[0].effective &= ~(1u << CAP_NET_ADMIN);
    data[0].permitted &= ~(1u << CAP_NET_ADMIN);
    if (syscall(SYS_capset, &header, data) != 0) _exit(3);
    _exit(check() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(DivertRefusals, F32_AMissingPrivilegeIsNamed) {
  const auto names_it = [](const absl::Status& status) {
    return absl::IsPermissionDenied(status) &&
           status.message().find("CAP_NET_ADMIN") != std::string::npos;
  };
  EXPECT_EQ(WithoutNetAdmin([&] {
              return names_it(NftDivert::Create(DivertOptions{}).status()) &&
                     names_it(RemoveDivert());
            }),
            0);
}

}  // namespace
}  // namespace sallyport
