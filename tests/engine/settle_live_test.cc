// What becomes of packets once they were answered: marks, rejects, and packets
// that wait while the ruleset is repaired. The queue is answered by the test.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

#include "engine/netlink_conntrack.h"
#include "engine/nfqueue.h"
#include "engine/nft_divert.h"
#include "engine/queue_table.h"
#include "engine/ruleset_guard.h"
#include "tests/engine/netns.h"

namespace sallyport {
namespace {

constexpr uint16_t kPort = 4000;
constexpr uint32_t kForeignMark = 0x0001abcd;

class SettleLive : public NetnsTest,
                   public testing::WithParamInterface<SettleBy> {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    AddPeer();
    // Somebody there takes the datagrams, or the port would be refused.
    InPeer([this] {
      receiver_ = socket(AF_INET6, SOCK_DGRAM, 0);
      sockaddr_in6 any{};
      any.sin6_family = AF_INET6;
      any.sin6_port = htons(kPort);
      ASSERT_EQ(
          bind(receiver_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)),
          0);
    });
    if (GetParam() == SettleBy::kConntrackAttribute &&
        !*ProbeConntrackAttribute(options_.queue_base)) {
      GTEST_SKIP() << "skipped: kernel without NETFILTER_NETLINK_GLUE_CT";
    }
    options_.settle = GetParam();
    options_.on_failure = GetParam() == SettleBy::kSecondChain
                              ? FailPosture::kClosed
                              : FailPosture::kOpen;
    NfqueueOptions queue_options;
    queue_options.number = options_.queue_base;
    queue_options.on_failure = options_.on_failure;
    queue_options.settle = options_.settle;
    auto queue = OpenNfqueue(queue_options);
    ASSERT_TRUE(queue.ok()) << queue.status();
    queue_ = *std::move(queue);
    auto divert = NftDivert::Create(options_);
    ASSERT_TRUE(divert.ok()) << divert.status();
    divert_ = *std::move(divert);
    ASSERT_TRUE(divert_->Install().ok());
    // The mark that leaves the host, and what others keep in the ct mark.
    MustRun(absl::StrCat(
        "nft 'table inet other { counter right {}; counter wrong {}; "
        "chain before { type filter hook output priority -120; "
        "udp dport ",
        kPort,
        " ct mark set ct mark | 0x5; }; "
        "chain after { type filter hook postrouting priority 300; udp dport ",
        kPort, " meta mark ", kForeignMark, " counter name right; udp dport ",
        kPort, " meta mark != ", kForeignMark, " counter name wrong; }; }'"));
  }

  void TearDown() override {
    if (receiver_ >= 0) close(receiver_);
    NetnsTest::TearDown();
  }

  // Waits for one packet and answers it.
  void AnswerOne(Verdict verdict) {
    std::array<QueuedPacket, 1> packets;
    size_t count = 0;
    while (count == 0) {
      ASSERT_NE(queue_->Receive(packets, &count), ReceiveStatus::kFailed);
    }
    const PacketAnswer answer{packets[0].id, packets[0].mark, verdict};
    queue_->Answer({&answer, 1});
  }
  uint32_t Waiting() { return FindQueue(options_.queue_base)->waiting; }
  static bool CounterIs(const std::string& name, int packets) {
    return MustRun("nft list counter inet other " + name)
               .find(absl::StrCat("packets ", packets, " ")) !=
           std::string::npos;
  }

  int receiver_ = -1;
  DivertOptions options_;
  std::unique_ptr<PacketQueue> queue_;
  std::unique_ptr<NftDivert> divert_;
};

INSTANTIATE_TEST_SUITE_P(EveryWay, SettleLive,
                         testing::Values(SettleBy::kSecondChain,
                                         SettleBy::kPacketMark,
                                         SettleBy::kConntrackAttribute),
                         [](const auto& way) {
                           switch (way.param) {
                             case SettleBy::kSecondChain:
                               return "second_chain";
                             case SettleBy::kPacketMark:
                               return "packet_mark";
                             case SettleBy::kConntrackAttribute:
                               return "conntrack_attribute";
                           }
                           return "";
                         });

// A UDP socket of fw that is connected to the peer, marked like wg-quick would.
int MarkedSocket(const char* peer) {
  const bool v6 = std::string(peer).find(':') != std::string::npos;
  const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  EXPECT_EQ(
      setsockopt(fd, SOL_SOCKET, SO_MARK, &kForeignMark, sizeof(kForeignMark)),
      0);
  sockaddr_in v4_address{};
  v4_address.sin_family = AF_INET;
  v4_address.sin_port = htons(kPort);
  inet_pton(AF_INET, peer, &v4_address.sin_addr);
  sockaddr_in6 v6_address{};
  v6_address.sin6_family = AF_INET6;
  v6_address.sin6_port = htons(kPort);
  inet_pton(AF_INET6, peer, &v6_address.sin6_addr);
  const int result =
      v6 ? connect(fd, reinterpret_cast<const sockaddr*>(&v6_address),
                   sizeof(v6_address))
         : connect(fd, reinterpret_cast<const sockaddr*>(&v4_address),
                   sizeof(v4_address));
  EXPECT_EQ(result, 0) << errno;
  return fd;
}

TEST_P(SettleLive, B21_MarksOfOthersLeaveAsTheyCame) {
  const int fd = MarkedSocket("10.99.0.2");
  ASSERT_EQ(send(fd, "1", 1, 0), 1);
  AnswerOne(Verdict::kAllow);
  EXPECT_TRUE(WaitUntil([] { return CounterIs("right", 1); }));
  ASSERT_EQ(send(fd, "2", 1, 0), 1);
  // By the packet's mark, a packet with a mark of others is not settled: a mark
  // that changes in the queue would have it routed anew.
  const bool settled = GetParam() != SettleBy::kPacketMark;
  if (!settled) AnswerOne(Verdict::kAllow);
  EXPECT_TRUE(WaitUntil([] { return CounterIs("right", 2); }));
  EXPECT_EQ(Waiting(), 0u);
  EXPECT_TRUE(CounterIs("wrong", 0));
  auto conntrack = NetlinkConntrack::Open();
  ASSERT_TRUE(conntrack.ok());
  const ConntrackDump dump = *(*conntrack)->Dump(0, 0);
  ASSERT_EQ(dump.entries.size(), 1u);
  EXPECT_EQ(dump.entries[0].mark,
            0x5u | (settled ? options_.marks.allowed() : 0));
  close(fd);
}

TEST_P(SettleLive, B09_RejectIsAnsweredAtOnceInBothFamilies) {
  for (const auto& [peer, expected] :
       {std::pair{"10.99.0.2", EHOSTUNREACH}, std::pair{"fd99::2", EACCES}}) {
    const int fd = MarkedSocket(peer);
    ASSERT_EQ(send(fd, "1", 1, 0), 1);
    AnswerOne(Verdict::kReject);
    pollfd event{fd, POLLIN, 0};
    ASSERT_EQ(poll(&event, 1, 5000), 1) << peer;
    char byte;
    EXPECT_EQ(recv(fd, &byte, 1, 0), -1);
    EXPECT_EQ(errno, expected) << peer;
    close(fd);
  }
  EXPECT_TRUE(CounterIs("right", 0));
  EXPECT_TRUE(CounterIs("wrong", 0));
}

// What waits for a verdict is lost only if base chains have to go: rules that
// were changed are replaced in place.
TEST_P(SettleLive, F07_WaitingPacketsSurviveTheRepairOfRules) {
  const int fd = MarkedSocket("10.99.0.2");
  ASSERT_EQ(send(fd, "1", 1, 0), 1);
  ASSERT_TRUE(WaitUntil([&] { return Waiting() == 1; }));
  for (const char* tampering :
       {"flush chain inet sallyport ask", "flush table inet sallyport",
        "insert rule inet sallyport judge accept",
        "chain inet sallyport judge { policy drop; }"}) {
    MustRun(absl::StrCat("nft '", tampering, "'"));
    const auto repaired = RepairIfDamaged(*divert_);
    ASSERT_TRUE(repaired.ok()) << repaired.status();
    EXPECT_TRUE(*repaired) << tampering;
    EXPECT_EQ(Waiting(), 1u) << tampering;
  }
  AnswerOne(Verdict::kAllow);
  EXPECT_TRUE(WaitUntil([] { return CounterIs("right", 1); }));
  close(fd);
}

// The kernel's own rule (CASES F08): any base chain that goes takes along what
// waits, a stranger's too. The flow's next packet is simply asked about again.
TEST_P(SettleLive, F08_AStrangersChainTakesWaitingPacketsAlong) {
  MustRun(
      "nft 'table inet stranger { chain c { type filter hook forward "
      "priority 0; }; }'");
  const int fd = MarkedSocket("10.99.0.2");
  ASSERT_EQ(send(fd, "1", 1, 0), 1);
  ASSERT_TRUE(WaitUntil([&] { return Waiting() == 1; }));
  MustRun("nft delete table inet stranger");
  EXPECT_TRUE(WaitUntil([&] { return Waiting() == 0; }));
  EXPECT_TRUE(CounterIs("right", 0));
  ASSERT_EQ(send(fd, "2", 1, 0), 1);
  // The first one was handed to us as well; its answer comes too late.
  AnswerOne(Verdict::kAllow);
  AnswerOne(Verdict::kAllow);
  EXPECT_TRUE(WaitUntil([] { return CounterIs("right", 1); }));
  close(fd);
}

}  // namespace
}  // namespace sallyport
