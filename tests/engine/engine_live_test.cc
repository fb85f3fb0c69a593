// The engine on real packets: a network namespace of the test's own, the real
// queue and divert, real sockets over loopback; only the owner is told.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "engine/engine.h"
#include "engine/nfqueue.h"
#include "engine/nft_divert.h"
#include "engine/queue_table.h"
#include "tests/engine/fakes.h"

namespace sallyport {
namespace {

constexpr uint16_t kQueue = 4180;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A bound socket and its port, closed at the end of the scope.
class Bound {
 public:
  explicit Bound(int type, uint16_t port) : fd_(socket(AF_INET, type, 0)) {
    const int one = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(
        bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_, 16), 0);
    }
  }
  ~Bound() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

int ConnectErrno(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in to = Loopback(port);
  const int result =
      connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0
          ? 0
          : errno;
  close(fd);
  return result;
}

void SendTo(int fd, uint16_t port, char byte) {
  const sockaddr_in to = Loopback(port);
  EXPECT_EQ(sendto(fd, &byte, 1, 0, reinterpret_cast<const sockaddr*>(&to),
                   sizeof(to)),
            1);
}

char ReceiveByte(int fd) {
  char byte = 0;
  EXPECT_EQ(recv(fd, &byte, 1, 0), 1);
  return byte;
}

// Every test moves to a new network namespace; threads started after that
// live there too.
class EngineLive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "skipped: needs root to make a network namespace";
    }
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ASSERT_EQ(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
  }

  void Start(std::vector<Rule> rules, FailPosture posture,
             SettleBy settle = SettleBy::kSecondChain) {
    auto policy = std::make_unique<PolicySnapshot>();
    policy->rules = *RuleSet::Build(std::move(rules));
    policy->settings = {Mode::kEnforce, Verdict::kAllow, Verdict::kAllow};
    table_ = std::make_unique<RuleTable>(std::move(policy));
    EngineOptions options;
    options.queue_base = kQueue;
    options.on_failure = posture;
    options.settle = settle;
    auto engine = Engine::Start(
        options, [this] { return std::make_unique<FakeResolver>(world_); },
        *table_, sink_, interfaces_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    DivertOptions divert_options;
    divert_options.queue_base = kQueue;
    divert_options.on_failure = posture;
    divert_options.settle = settle;
    auto divert = NftDivert::Create(divert_options);
    ASSERT_TRUE(divert.ok()) << divert.status();
    divert_ = *std::move(divert);
    ASSERT_TRUE(divert_->Install().ok());
  }
  void TearDown() override {
    if (divert_ != nullptr) {
      EXPECT_TRUE(divert_->Remove().ok());
    }
  }
  uint64_t Queued() const { return FindQueue(kQueue)->last_id; }

  static Rule PortRule(const char* name, RulePolicy policy, uint16_t port) {
    Rule rule;
    rule.name = name;
    rule.policy = policy;
    rule.app = "any";
    rule.port = {{port, port}};
    return rule;
  }

  FakeWorld world_;
  FakeSink sink_;
  FakeLinkLookup links_;
  InterfaceTable interfaces_{links_};
  std::unique_ptr<RuleTable> table_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<NftDivert> divert_;
};

TEST_F(EngineLive, AllowsRejectsAndDenies) {
  Start({PortRule("deny-81", RulePolicy::kDeny, 81),
         PortRule("reject-82", RulePolicy::kReject, 82)},
        FailPosture::kClosed);
  Bound tcp(SOCK_STREAM, 80), rejected(SOCK_STREAM, 82);
  EXPECT_EQ(ConnectErrno(80), 0);
  EXPECT_EQ(ConnectErrno(82), ECONNREFUSED);

  // The denied datagram was sent first and is not the one that arrives.
  Bound denied(SOCK_DGRAM, 81), allowed(SOCK_DGRAM, 83);
  Bound sender(SOCK_DGRAM, 84);
  SendTo(sender.fd(), 81, 'd');
  SendTo(sender.fd(), 83, 'a');
  EXPECT_EQ(ReceiveByte(allowed.fd()), 'a');
  char byte;
  EXPECT_EQ(recv(denied.fd(), &byte, 1, MSG_DONTWAIT), -1);
}

TEST_F(EngineLive, B07_AOneWayStreamCostsOneTrip) {
  Start({}, FailPosture::kClosed);
  Bound receiver(SOCK_DGRAM, 90), sender(SOCK_DGRAM, 91);
  for (int i = 0; i < 100; ++i) {
    SendTo(sender.fd(), 90, 'x');
    ReceiveByte(receiver.fd());
  }
  EXPECT_EQ(Queued(), 1u);
}

TEST_F(EngineLive, OpenPostureSettlesWithoutTheSecondChain) {
  const absl::StatusOr<bool> glue = ProbeConntrackAttribute(kQueue);
  ASSERT_TRUE(glue.ok()) << glue.status();
  for (SettleBy settle :
       {SettleBy::kPacketMark, SettleBy::kConntrackAttribute}) {
    if (settle == SettleBy::kConntrackAttribute && !*glue) {
      std::cout << "skipped part: the kernel has no ctnetlink glue\n";
      continue;
    }
    Start({}, FailPosture::kOpen, settle);
    // A port for each, or the second rides on the first one's ct mark.
    const uint16_t port = settle == SettleBy::kPacketMark ? 90 : 92;
    Bound receiver(SOCK_DGRAM, port), sender(SOCK_DGRAM, 91);
    for (int i = 0; i < 100; ++i) {
      SendTo(sender.fd(), port, 'x');
      ReceiveByte(receiver.fd());
    }
    EXPECT_EQ(Queued(), 1u) << static_cast<int>(settle);
    ASSERT_TRUE(divert_->Remove().ok());
    engine_.reset();
  }
}

TEST_F(EngineLive, F01_PostureDecidesWhatHappensWithoutUs) {
  for (FailPosture posture : {FailPosture::kClosed, FailPosture::kOpen}) {
    Start({}, posture,
          posture == FailPosture::kOpen ? SettleBy::kPacketMark
                                        : SettleBy::kSecondChain);
    engine_.reset();  // as if killed: the ruleset stays
    Bound receiver(SOCK_DGRAM, 90), sender(SOCK_DGRAM, 91);
    const sockaddr_in to = Loopback(90);
    // Nobody listens on the queue: dropped at once, or passed.
    const ssize_t sent =
        sendto(sender.fd(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof(to));
    char byte;
    const ssize_t got = recv(receiver.fd(), &byte, 1, MSG_DONTWAIT);
    EXPECT_EQ(got == 1, posture == FailPosture::kOpen) << sent;
    ASSERT_TRUE(divert_->Remove().ok());
  }
}

TEST_F(EngineLive, F12_TheCanaryComesBackAndArrivesNowhere) {
  Start({}, FailPosture::kClosed);
  Bound listener(SOCK_DGRAM, kCanaryPortBase);
  ASSERT_TRUE(engine_->canary().Send().ok());
  while (!engine_->canary().AllBack()) std::this_thread::yield();
  char byte;
  EXPECT_EQ(recv(listener.fd(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_GT(engine_->canary().last_back_ns(), 0);
}

TEST_F(EngineLive, F11_AQueueThatIsTakenIsRefusedAndItsHolderNamed) {
  Start({}, FailPosture::kClosed);
  NfqueueOptions options;
  options.number = kQueue;
  const auto second = OpenNfqueue(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(
      second.status().message().find(std::to_string(FindQueue(kQueue)->portid)),
      std::string::npos)
      << second.status();
}

}  // namespace
}  // namespace sallyport
