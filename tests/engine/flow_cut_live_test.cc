// Conntrack, socket destroyer and cutter on a real kernel: flows to a peer in a
// namespace of its own, the peer's sockets say what arrived.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "engine/cutter.h"
#include "engine/netlink_conntrack.h"
#include "engine/nft_divert.h"
#include "engine/socket_destroy.h"
#include "tests/engine/fakes.h"
#include "tests/engine/netns.h"

namespace sallyport {
namespace {

constexpr uint16_t kPort = 4000;
constexpr uint32_t kForeignBits = 0x0000002a;

// The kinds of sockets a flow can come from; one of them speaks IPv4 through
// AF_INET6 (CASES A25).
struct Kind {
  const char* name;
  int family;
  int type;
  const char* peer;
};
constexpr Kind kKinds[] = {
    {"tcp4", AF_INET, SOCK_STREAM, "10.99.0.2"},
    {"tcp6", AF_INET6, SOCK_STREAM, "fd99::2"},
    {"tcp4in6", AF_INET6, SOCK_STREAM, "::ffff:10.99.0.2"},
    {"udp4", AF_INET, SOCK_DGRAM, "10.99.0.2"},
    {"udp6", AF_INET6, SOCK_DGRAM, "fd99::2"},
    {"udp4in6", AF_INET6, SOCK_DGRAM, "::ffff:10.99.0.2"},
};

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

Endpoint At(int family, const char* address, uint16_t port) {
  Endpoint at;
  if (family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&at.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, address, &v4->sin_addr);
    at.length = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&at.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    inet_pton(AF_INET6, address, &v6->sin6_addr);
    at.length = sizeof(*v6);
  }
  return at;
}

int SocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

bool Readable(int fd, int timeout_ms) {
  pollfd event{fd, POLLIN, 0};
  return poll(&event, 1, timeout_ms) == 1;
}

// A flow from fw to the peer that has carried one byte.
struct LiveFlow {
  Fd client;
  Fd server;  // accepted, or the peer's UDP socket
};

class FlowCutLive : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    AddPeer();
    // Something that uses conntrack, so that there is one before our divert;
    // it writes bits that are none of ours.
    MustRun(absl::StrCat(
        "nft 'table inet other { chain out { type filter hook output "
        "priority 0; ct mark set ct mark | ",
        kForeignBits, "; }; }'"));
    auto conntrack = NetlinkConntrack::Open();
    ASSERT_TRUE(conntrack.ok()) << conntrack.status();
    conntrack_ = *std::move(conntrack);
    auto destroyer = DiagSocketDestroyer::Open();
    ASSERT_TRUE(destroyer.ok()) << destroyer.status();
    destroyer_ = *std::move(destroyer);
  }

  // One port per kind, so that kinds don't meet.
  static uint16_t PortOf(const Kind& kind) {
    return static_cast<uint16_t>(kPort + (&kind - kKinds));
  }

  LiveFlow Open(const Kind& kind) {
    LiveFlow flow;
    Fd listener;
    InPeer([&] {
      listener = Fd(socket(AF_INET6, kind.type, 0));
      const Endpoint any = At(AF_INET6, "::", PortOf(kind));
      const int one = 1;
      setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
      EXPECT_EQ(bind(listener.get(), any.get(), any.length), 0);
      if (kind.type == SOCK_STREAM) {
        EXPECT_EQ(listen(listener.get(), 1), 0);
      }
    });
    flow.client = Fd(socket(kind.family, kind.type, 0));
    const Endpoint to = At(kind.family, kind.peer, PortOf(kind));
    EXPECT_EQ(connect(flow.client.get(), to.get(), to.length), 0) << errno;
    if (kind.type == SOCK_STREAM) {
      flow.server = Fd(accept(listener.get(), nullptr, nullptr));
    } else {
      flow.server = std::move(listener);
    }
    EXPECT_TRUE(Delivers(flow));
    return flow;
  }
  static bool Delivers(const LiveFlow& flow, int timeout_ms = 2000) {
    send(flow.client.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    char byte;
    return Readable(flow.server.get(), timeout_ms) &&
           recv(flow.server.get(), &byte, 1, 0) == 1;
  }

  ConntrackEntry EntryOf(const Kind& kind) {
    const ConntrackDump dump = *conntrack_->Dump(0, 0);
    for (const ConntrackEntry& entry : dump.entries) {
      if (entry.flow.dst_port == PortOf(kind)) return entry;
    }
    ADD_FAILURE() << "no entry for " << kind.name;
    return {};
  }
  bool HasEntry(const Kind& kind) {
    const ConntrackDump dump = *conntrack_->Dump(0, 0);
    for (const ConntrackEntry& entry : dump.entries) {
      if (entry.flow.dst_port == PortOf(kind)) return true;
    }
    return false;
  }

  const MarkBits marks_;
  std::unique_ptr<NetlinkConntrack> conntrack_;
  std::unique_ptr<DiagSocketDestroyer> destroyer_;
};

TEST_F(FlowCutLive, ConntrackEntriesAreReadMarkedAndDeleted) {
  for (const Kind& kind : kKinds) {
    const LiveFlow flow = Open(kind);
    const ConntrackEntry entry = EntryOf(kind);
    EXPECT_EQ(entry.flow.is_v6, std::string(kind.name).ends_with("6") &&
                                    !std::string(kind.name).ends_with("in6"))
        << kind.name;
    EXPECT_EQ(entry.flow.protocol,
              kind.type == SOCK_STREAM ? kProtoTcp : kProtoUdp);
    EXPECT_EQ(entry.mark, kForeignBits);

    EXPECT_EQ(*conntrack_->SetMark({&entry, 1}, marks_.mask, marks_.allowed()),
              1u);
    EXPECT_EQ(EntryOf(kind).mark, kForeignBits | marks_.allowed());
    EXPECT_EQ(conntrack_->Dump(marks_.mask, marks_.allowed())->entries.size(),
              1u);
    EXPECT_EQ(*conntrack_->SetMark({&entry, 1}, marks_.mask, 0), 1u);
    EXPECT_EQ(EntryOf(kind).mark, kForeignBits);

    EXPECT_TRUE(conntrack_->Delete(entry).ok());
    EXPECT_FALSE(HasEntry(kind));
    EXPECT_TRUE(absl::IsNotFound(conntrack_->Delete(entry)));
    EXPECT_EQ(*conntrack_->SetMark({&entry, 1}, marks_.mask, 0), 0u);

    // An entry of the same tuple but another id is not the one that is meant.
    EXPECT_TRUE(Delivers(flow));
    ConntrackEntry other = EntryOf(kind);
    other.id ^= 1;
    EXPECT_TRUE(absl::IsNotFound(conntrack_->Delete(other))) << kind.name;
    EXPECT_TRUE(HasEntry(kind)) << kind.name;
  }
}

TEST_F(FlowCutLive, ManyEntriesAreMarkedInOneGo) {
  Fd sender(socket(AF_INET, SOCK_DGRAM, 0));
  for (uint16_t port = 10'000; port < 11'000; ++port) {
    const Endpoint to = At(AF_INET, "10.99.0.2", port);
    sendto(sender.get(), "x", 1, 0, to.get(), to.length);
  }
  const auto is_local = LocalAddresses();
  ASSERT_TRUE(is_local.ok());
  EXPECT_EQ(*MarkExisting(*conntrack_, marks_, *is_local), 1000u);
  EXPECT_EQ(conntrack_->Dump(marks_.mask, marks_.allowed())->entries.size(),
            1000u);
  EXPECT_EQ(*MarkExisting(*conntrack_, marks_, *is_local), 0u);
}

TEST_F(FlowCutLive, FlowsThatThePeerOpenedAreNotMarked) {
  Fd receiver(socket(AF_INET, SOCK_DGRAM, 0));
  const Endpoint here = At(AF_INET, "10.99.0.1", 5000);
  ASSERT_EQ(bind(receiver.get(), here.get(), here.length), 0);
  InPeer([&] {
    Fd sender(socket(AF_INET, SOCK_DGRAM, 0));
    sendto(sender.get(), "x", 1, 0, here.get(), here.length);
  });
  ASSERT_TRUE(Readable(receiver.get(), 2000));
  EXPECT_EQ(*MarkExisting(*conntrack_, marks_, *LocalAddresses()), 0u);
}

TEST_F(FlowCutLive, B05_SocketsOfEveryKindAreDestroyed) {
  for (const Kind& kind : kKinds) {
    const LiveFlow flow = Open(kind);
    const ConntrackEntry entry = EntryOf(kind);
    const DestroyResult result = destroyer_->Destroy(entry.flow);
    if (result == DestroyResult::kUnsupported) {
      GTEST_SKIP() << "skipped: kernel without CONFIG_INET_DIAG_DESTROY";
    }
    EXPECT_EQ(result, DestroyResult::kDestroyed)
        << kind.name << " errno " << destroyer_->last_errno();
    EXPECT_EQ(SocketError(flow.client.get()), ECONNABORTED) << kind.name;
    if (kind.type == SOCK_STREAM) {
      char byte;
      ASSERT_TRUE(Readable(flow.server.get(), 2000)) << kind.name;
      EXPECT_EQ(recv(flow.server.get(), &byte, 1, 0), -1);
      EXPECT_EQ(errno, ECONNRESET) << kind.name;
    }
    const DestroyResult again = destroyer_->Destroy(entry.flow);
    EXPECT_NE(again, DestroyResult::kDestroyed) << kind.name;
    EXPECT_NE(again, DestroyResult::kFailed)
        << kind.name << " errno " << destroyer_->last_errno();
  }
}

// The kernel's lookup of a tuple that nobody has finds who listens on its port.
TEST_F(FlowCutLive, ListenersAndUnconnectedSocketsAreSpared) {
  Flow flow;
  flow.src = *ParseIpAddress("10.99.0.1");
  flow.dst = *ParseIpAddress("10.99.0.2");
  flow.src_port = 6000;
  flow.dst_port = 80;
  const Endpoint here = At(AF_INET, "0.0.0.0", 6000);
  Fd listener(socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(bind(listener.get(), here.get(), here.length), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  flow.protocol = kProtoTcp;
  EXPECT_NE(destroyer_->Destroy(flow), DestroyResult::kDestroyed);
  EXPECT_EQ(SocketError(listener.get()), 0);
  int listening = 0;
  socklen_t length = sizeof(listening);
  getsockopt(listener.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
  EXPECT_EQ(listening, 1);

  Fd udp(socket(AF_INET, SOCK_DGRAM, 0));
  ASSERT_EQ(bind(udp.get(), here.get(), here.length), 0);
  flow.protocol = kProtoUdp;
  EXPECT_EQ(destroyer_->Destroy(flow), DestroyResult::kNotConnected);
  EXPECT_EQ(SocketError(udp.get()), 0);
  flow.protocol = kProtoSctp;
  EXPECT_EQ(destroyer_->Destroy(flow), DestroyResult::kUnsupported);
}

// The whole story: flows older than the firewall are accepted, go on without
// asking anybody, then a rule denies one program's. Nobody listens on the
// queue, so what is asked about is dropped.
TEST_F(FlowCutLive, B05_ADenyRuleEndsTheFlowsOfItsProgramOnly) {
  LiveFlow flows[std::size(kKinds)];
  for (const Kind& kind : kKinds) flows[&kind - kKinds] = Open(kind);
  ASSERT_EQ(*MarkExisting(*conntrack_, marks_, *LocalAddresses()),
            std::size(kKinds));
  auto divert = NftDivert::Create(DivertOptions{});
  ASSERT_TRUE(divert.ok()) << divert.status();
  ASSERT_TRUE((*divert)->Install().ok());
  for (const LiveFlow& flow : flows) EXPECT_TRUE(Delivers(flow));

  // tcp4 and udp6 belong to a program that is allowed still.
  FakeWorld world;
  for (const Kind& kind : kKinds) {
    const bool allowed = &kind == &kKinds[0] || &kind == &kKinds[4];
    world.owners[PortOf(kind)] =
        MakeProcess(allowed ? "/usr/bin/allowed" : "/usr/bin/denied");
  }
  Rule deny;
  deny.name = "no-more";
  deny.policy = RulePolicy::kDeny;
  deny.app = "/usr/bin/denied";
  PolicySnapshot policy;
  policy.rules = *RuleSet::Build({deny});
  policy.settings.mode = Mode::kEnforce;
  FakeResolver resolver(world);
  FakeSink sink;
  const auto report =
      Recheck({*conntrack_, *destroyer_, resolver, sink}, marks_, policy);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->walked, 6u);
  EXPECT_EQ(report->allowed, 2u);
  EXPECT_EQ(report->cut, 4u);
  EXPECT_EQ(report->failed, 0u);
  EXPECT_EQ(sink.WaitFor(4).size(), 4u);

  for (const Kind& kind : kKinds) {
    const LiveFlow& flow = flows[&kind - kKinds];
    const bool allowed = &kind == &kKinds[0] || &kind == &kKinds[4];
    if (!allowed && !report->destroy_unsupported) {
      EXPECT_EQ(SocketError(flow.client.get()), ECONNABORTED) << kind.name;
    }
    EXPECT_EQ(HasEntry(kind), allowed) << kind.name;
    if (!allowed && kind.type == SOCK_DGRAM) {
      // A disconnected UDP socket sends again, to the same peer, in vain.
      const Endpoint to = At(kind.family, kind.peer, PortOf(kind));
      sendto(flow.client.get(), "y", 1, 0, to.get(), to.length);
      EXPECT_FALSE(Readable(flow.server.get(), 50)) << kind.name;
    } else if (allowed) {
      EXPECT_TRUE(Delivers(flow)) << kind.name;
    } else if (!report->destroy_unsupported) {
      char byte;
      ASSERT_TRUE(Readable(flow.server.get(), 2000)) << kind.name;
      EXPECT_EQ(recv(flow.server.get(), &byte, 1, 0), -1) << kind.name;
      EXPECT_EQ(errno, ECONNRESET) << "the RST has passed: " << kind.name;
    }
  }
}

}  // namespace
}  // namespace sallyport
