#include "src/heartbeat.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/netns.h"
#include "tests/src/log_capture.h"
#include "tests/src/notify_socket.h"

namespace sallyport {
namespace {

constexpr uint16_t kQueueBase = 100;
constexpr uint16_t kQueues = 2;
constexpr char kFed[] = "WATCHDOG=1";

// The way of a canary through the kernel: it is taken where it would arrive and
// shown to the canary as a worker shows it what came from a queue. In a network
// namespace of the test's own, where nothing diverts it.
class HeartbeatTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    for (uint16_t queue = 0; queue < kQueues; ++queue) {
      ports_[queue] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      sockaddr_in here{};
      here.sin_family = AF_INET;
      here.sin_port = htons(static_cast<uint16_t>(kCanaryPortBase + queue));
      here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ASSERT_EQ(
          bind(ports_[queue], reinterpret_cast<sockaddr*>(&here), sizeof(here)),
          0);
    }
  }
  void TearDown() override {
    for (int port : ports_) {
      if (port >= 0) close(port);
    }
    NetnsTest::TearDown();
  }

  // What was sent to `queue` last comes through it.
  void ComeBack(uint16_t queue) {
    constexpr size_t kHeaderBytes = 28;  // IPv4 and UDP
    std::array<uint8_t, 64> bytes{};
    size_t length = 0;
    pollfd port = {ports_[queue], POLLIN, 0};
    ASSERT_EQ(poll(&port, 1, 5000), 1) << "no canary";
    for (;;) {
      const ssize_t got = recv(port.fd, bytes.data() + kHeaderBytes,
                               bytes.size() - kHeaderBytes, MSG_DONTWAIT);
      if (got < 0) break;
      length = kHeaderBytes + static_cast<size_t>(got);
    }
    QueuedPacket packet;
    packet.mark = MarkBits{}.canary();
    packet.bytes = {bytes.data(), length};
    Flow flow;
    flow.protocol = kProtoUdp;
    flow.dst_port = static_cast<uint16_t>(kCanaryPortBase + queue);
    EXPECT_TRUE(canary_.Recognise(packet, flow, queue));
  }
  void AllComeBack() {
    for (uint16_t queue = 0; queue < kQueues; ++queue) ComeBack(queue);
  }
  // The first canary has come back, the second is on its way.
  void StartWell() {
    ASSERT_TRUE(canary_.Send().ok());
    AllComeBack();
    heartbeat_.Beat();
    ASSERT_EQ(manager_.Heard(), kFed);
  }

  NotifySocket manager_;
  LogCapture said_;
  Canary canary_{kQueues, MarkBits{}};
  std::vector<QueueRow> rows_;
  Heartbeat heartbeat_{canary_, kQueueBase, kQueues, [this] { return rows_; }};
  std::array<int, kQueues> ports_{-1, -1};
};

TEST_F(HeartbeatTest, F12_TheWatchdogIsFedWhenTheCanaryCameBack) {
  StartWell();
  for (int beat = 0; beat < 3; ++beat) {
    AllComeBack();
    heartbeat_.Beat();
    EXPECT_EQ(manager_.Heard(), kFed) << beat;
    EXPECT_EQ(manager_.Heard(), "") << "once a beat";
  }
  EXPECT_EQ(said_.text(), "");
}

TEST_F(HeartbeatTest, F12_ALostCanaryIsToldOnceAndFeedsNobody) {
  StartWell();
  for (int beat = 0; beat < 3; ++beat) heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), "");
  EXPECT_EQ(said_.Count("the canary packet did not come back"), 1);
}

TEST_F(HeartbeatTest, F12_EveryQueueHasToAnswer) {
  StartWell();
  ComeBack(1);
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), "");
  EXPECT_EQ(said_.Count("packets are not judged"), 1);
}

TEST_F(HeartbeatTest, F12_TheCanaryOfAnEarlierBeatIsNoAnswer) {
  StartWell();
  AllComeBack();                     // the second
  ASSERT_TRUE(canary_.Send().ok());  // the third is lost
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), "");
}

TEST_F(HeartbeatTest, F12_ACanaryThatComesAgainEndsTheAlarm) {
  StartWell();
  heartbeat_.Beat();
  ASSERT_EQ(said_.Count("packets are not judged"), 1);
  AllComeBack();
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), kFed);
  EXPECT_EQ(said_.Count("the canary came back"), 1);
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), "");
  EXPECT_EQ(said_.Count("packets are not judged"), 2) << "a new alarm";
}

TEST_F(HeartbeatTest, FirstEndsWhenEveryQueueHasAnswered) {
  std::thread worker([this] { AllComeBack(); });
  EXPECT_TRUE(heartbeat_.First(absl::Seconds(10)).ok());
  worker.join();
  EXPECT_TRUE(canary_.AllBack());
}

TEST_F(HeartbeatTest, FirstDoesNotWaitForEver) {
  const absl::Status status = heartbeat_.First(absl::Milliseconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_NE(status.message().find("sallyport doctor"), std::string::npos);
}

TEST_F(HeartbeatTest, ACanaryThatCannotBeSentIsToldOnce) {
  StartWell();
  AllComeBack();
  MustRun("ip addr flush dev lo");
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), kFed) << "the last one had come back";
  EXPECT_EQ(said_.Count("is loopback up?"), 1);
  heartbeat_.Beat();
  EXPECT_EQ(manager_.Heard(), "");
  EXPECT_EQ(said_.Count("is loopback up?"), 1);
  const absl::Status first = heartbeat_.First(absl::Seconds(10));
  EXPECT_NE(first.message().find("is loopback up?"), std::string::npos)
      << first;
}

TEST_F(HeartbeatTest, F05_PacketsTheKernelDroppedAreTold) {
  rows_ = {{.number = kQueueBase + 1, .dropped = 3, .user_dropped = 4}};
  heartbeat_.Beat();
  EXPECT_EQ(said_.Count("queue 101: the kernel dropped 7 packets"), 1);
  heartbeat_.Beat();
  EXPECT_EQ(said_.Count("the kernel dropped"), 1) << "what is told is told";
  rows_[0].user_dropped = 5;
  heartbeat_.Beat();
  EXPECT_EQ(said_.Count("queue 101: the kernel dropped 1 packets"), 1);
}

TEST_F(HeartbeatTest, F05_QueuesOfOthersAreNotOurs) {
  rows_ = {{.number = kQueueBase - 1, .dropped = 3},
           {.number = kQueueBase + kQueues, .dropped = 3},
           {.number = 0, .dropped = 3},
           {.number = 65535, .dropped = 3}};
  heartbeat_.Beat();
  EXPECT_EQ(said_.Count("the kernel dropped"), 0);
}

TEST_F(HeartbeatTest, F05_AQueueThatWasBoundAnewBeginsAtNothing) {
  rows_ = {{.number = kQueueBase, .dropped = 100}};
  heartbeat_.Beat();
  rows_[0].dropped = 2;  // a new queue: two of its own
  heartbeat_.Beat();
  rows_[0].dropped = 5;
  heartbeat_.Beat();
  EXPECT_EQ(said_.Count("queue 100: the kernel dropped 3 packets"), 1);
}

TEST(Heartbeat, BeatsAtLeastAsOftenAsTheWatchdogWants) {
  Canary canary(kQueues, MarkBits{});
  const Heartbeat heartbeat(canary, kQueueBase, kQueues);
  EXPECT_EQ(heartbeat.Interval(), absl::Seconds(5));
  setenv("WATCHDOG_USEC", "4000000", 1);
  EXPECT_EQ(heartbeat.Interval(), absl::Seconds(2));
  setenv("WATCHDOG_USEC", "60000000", 1);
  EXPECT_EQ(heartbeat.Interval(), absl::Seconds(5));
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace sallyport
