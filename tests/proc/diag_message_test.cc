#include "proc/diag_message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace sallyport::proc {
namespace {

constexpr uint32_t kSequence = 7;

Flow V4Flow(uint8_t protocol) {
  Flow flow;
  flow.protocol = protocol;
  flow.src = IpAddress::V4(0xC0000201);
  flow.dst = IpAddress::V4(0xC6336402);
  flow.src_port = 40000;
  flow.dst_port = 443;
  return flow;
}

Flow V6Flow(uint8_t protocol) {
  Flow flow = V4Flow(protocol);
  flow.is_v6 = true;
  flow.src = *ParseIpAddress("2001:db8::1");
  flow.dst = *ParseIpAddress("2001:db8::2");
  return flow;
}

template <typename Words>
std::array<uint8_t, 16> BytesOf(const Words& words) {
  std::array<uint8_t, 16> bytes;
  static_assert(sizeof(words) == sizeof(bytes));
  std::memcpy(bytes.data(), &words, bytes.size());
  return bytes;
}

// What stands in the words of an IPv4 request: the four bytes, then nothing.
std::array<uint8_t, 16> V4Bytes(const IpAddress& address) {
  std::array<uint8_t, 16> bytes{};
  std::copy_n(address.bytes.begin() + 12, 4, bytes.begin());
  return bytes;
}

TEST(ExactRequest, IsOneQuestionInNaturalOrder) {
  const Flow flow = V4Flow(kProtoTcp);
  const DiagRequest request = ExactRequest(flow, AF_INET, 3, kSequence);
  EXPECT_EQ(request.header.nlmsg_len, sizeof(request));
  EXPECT_EQ(request.header.nlmsg_type, SOCK_DIAG_BY_FAMILY);
  EXPECT_EQ(request.header.nlmsg_flags, NLM_F_REQUEST);
  EXPECT_EQ(request.header.nlmsg_seq, kSequence);
  EXPECT_EQ(request.body.sdiag_family, AF_INET);
  EXPECT_EQ(request.body.sdiag_protocol, kProtoTcp);
  EXPECT_EQ(request.body.idiag_states, ~0u);
  const inet_diag_sockid& id = request.body.id;
  EXPECT_EQ(BytesOf(id.idiag_src), V4Bytes(flow.src));
  EXPECT_EQ(BytesOf(id.idiag_dst), V4Bytes(flow.dst));
  EXPECT_EQ(ntohs(id.idiag_sport), 40000);
  EXPECT_EQ(ntohs(id.idiag_dport), 443);
  EXPECT_EQ(id.idiag_if, 3u);
}

// The kernel compares the cookie of what it found with the one asked for.
TEST(ExactRequest, AsksForNoCookie) {
  const DiagRequest request = ExactRequest(V4Flow(kProtoTcp), AF_INET, 0, 1);
  for (uint32_t half : request.body.id.idiag_cookie) {
    EXPECT_EQ(half, static_cast<uint32_t>(INET_DIAG_NOCOOKIE));
  }
}

TEST(ExactRequest, A24_UdpIsAskedForWithItsEndsSwapped) {
  for (uint8_t protocol : {kProtoUdp, kProtoUdpLite}) {
    const Flow flow = V4Flow(protocol);
    const DiagRequest request = ExactRequest(flow, AF_INET, 0, kSequence);
    EXPECT_EQ(request.body.sdiag_protocol, protocol);
    const inet_diag_sockid& id = request.body.id;
    EXPECT_EQ(BytesOf(id.idiag_src), V4Bytes(flow.dst));
    EXPECT_EQ(BytesOf(id.idiag_dst), V4Bytes(flow.src));
    EXPECT_EQ(ntohs(id.idiag_sport), 443);
    EXPECT_EQ(ntohs(id.idiag_dport), 40000);
  }
  const DiagRequest sctp = ExactRequest(V4Flow(kProtoSctp), AF_INET, 0, 1);
  EXPECT_EQ(ntohs(sctp.body.id.idiag_sport), 40000);
}

TEST(ExactRequest, A25_AnIpv4FlowOfAnIpv6SocketIsAskedForMapped) {
  const Flow flow = V4Flow(kProtoTcp);
  const DiagRequest request = ExactRequest(flow, AF_INET6, 0, kSequence);
  EXPECT_EQ(request.body.sdiag_family, AF_INET6);
  EXPECT_EQ(BytesOf(request.body.id.idiag_src), flow.src.bytes);
  EXPECT_EQ(BytesOf(request.body.id.idiag_dst), flow.dst.bytes);
  EXPECT_EQ(flow.src.bytes[10], 0xff) << "mapped";
}

TEST(ExactRequest, AnIpv6FlowIsAskedForWhole) {
  const Flow flow = V6Flow(kProtoUdp);
  const DiagRequest request = ExactRequest(flow, AF_INET6, 0, kSequence);
  EXPECT_EQ(BytesOf(request.body.id.idiag_src), flow.dst.bytes);
  EXPECT_EQ(BytesOf(request.body.id.idiag_dst), flow.src.bytes);
}

// Also of UDP, whose dump is in natural order.
TEST(PortRequest, IsADumpOfOneSourcePortAndNothingElse) {
  for (uint8_t protocol : {kProtoTcp, kProtoUdp}) {
    const DiagRequest request =
        PortRequest(V4Flow(protocol), AF_INET6, kSequence);
    EXPECT_EQ(request.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    EXPECT_EQ(request.header.nlmsg_seq, kSequence);
    EXPECT_EQ(request.body.sdiag_family, AF_INET6);
    EXPECT_EQ(request.body.sdiag_protocol, protocol);
    EXPECT_EQ(request.body.idiag_states, ~0u);
    EXPECT_EQ(ntohs(request.body.id.idiag_sport), 40000);
    EXPECT_EQ(request.body.id.idiag_dport, 0);
    EXPECT_EQ(BytesOf(request.body.id.idiag_src), (std::array<uint8_t, 16>{}));
  }
}

TEST(ProbeRequest, AsksForNoSocketAtAll) {
  const DiagRequest request = ProbeRequest(kProtoSctp, AF_INET, kSequence);
  EXPECT_EQ(request.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
  EXPECT_EQ(request.body.sdiag_protocol, kProtoSctp);
  EXPECT_EQ(request.body.idiag_states, 0u);
  EXPECT_NE(request.body.id.idiag_sport, 0);
  EXPECT_NE(request.body.id.idiag_dport, 0);
}

// One datagram of the kernel's, message by message.
class Datagram {
 public:
  template <typename Body>
  Datagram& Add(uint16_t type, const Body& body,
                const std::vector<uint8_t>& attributes = {},
                uint32_t sequence = kSequence) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(sizeof(header) + sizeof(body) +
                                             attributes.size());
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    Append(&header, sizeof(header));
    Append(&body, sizeof(body));
    Append(attributes.data(), attributes.size());
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    return *this;
  }
  Datagram& Socket(const inet_diag_msg& socket,
                   const std::vector<uint8_t>& attributes = {}) {
    return Add(SOCK_DIAG_BY_FAMILY, socket, attributes);
  }
  Datagram& Done(int32_t error = 0) { return Add(NLMSG_DONE, error); }
  Datagram& Error(int32_t error) {
    return Add(NLMSG_ERROR, nlmsgerr{error, {}});
  }

  std::vector<DiagMessage> ReadAll() const { return Read(bytes_); }
  static std::vector<DiagMessage> Read(const std::vector<uint8_t>& bytes) {
    DiagReader reader(bytes, kSequence);
    std::vector<DiagMessage> messages;
    for (DiagMessage message; reader.Next(&message);) {
      messages.push_back(message);
    }
    return messages;
  }
  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  void Append(const void* data, size_t size) {
    if (size == 0) return;
    const size_t at = bytes_.size();
    bytes_.resize(at + size);
    std::memcpy(bytes_.data() + at, data, size);
  }

  std::vector<uint8_t> bytes_;
};

inet_diag_msg SocketBody(uint8_t family, uint32_t inode = 4711) {
  inet_diag_msg body{};
  body.idiag_family = family;
  body.idiag_state = TCP_ESTABLISHED;
  body.idiag_inode = inode;
  body.idiag_uid = 1000;
  body.id.idiag_sport = htons(40000);
  body.id.idiag_dport = htons(443);
  body.id.idiag_if = 3;
  body.id.idiag_src[0] = htonl(0xC0000201);
  body.id.idiag_dst[0] = htonl(0xC6336402);
  return body;
}

// Header and one byte, padded to four.
std::vector<uint8_t> ByteAttribute(uint16_t type, uint8_t value) {
  nlattr head{sizeof(nlattr) + 1, type};
  std::vector<uint8_t> bytes(NLA_ALIGN(head.nla_len));
  std::memcpy(bytes.data(), &head, sizeof(head));
  bytes[sizeof(head)] = value;
  return bytes;
}

TEST(DiagReader, EveryFieldOfASocketFindsItsPlace) {
  Datagram datagram;
  datagram.Socket(SocketBody(AF_INET));
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].kind, DiagMessage::Kind::kSocket);
  const SocketInfo& socket = messages[0].socket;
  EXPECT_EQ(socket.inode, 4711u);
  EXPECT_EQ(socket.uid, 1000u);
  EXPECT_EQ(socket.state, TCP_ESTABLISHED);
  EXPECT_FALSE(socket.is_v6);
  EXPECT_FALSE(socket.v6_only);
  EXPECT_EQ(socket.bound_ifindex, 3u);
  EXPECT_EQ(socket.local, IpAddress::V4(0xC0000201));
  EXPECT_EQ(socket.remote, IpAddress::V4(0xC6336402));
  EXPECT_EQ(socket.local_port, 40000);
  EXPECT_EQ(socket.remote_port, 443);
}

TEST(DiagReader, AddressesOfAnIpv6SocketAreWhole) {
  inet_diag_msg body = SocketBody(AF_INET6);
  const IpAddress local = *ParseIpAddress("2001:db8::1");
  std::memcpy(body.id.idiag_src, local.bytes.data(), local.bytes.size());
  Datagram datagram;
  datagram.Socket(body);
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(messages[0].socket.is_v6);
  EXPECT_EQ(messages[0].socket.local, local);
}

TEST(DiagReader, A25_V6OnlyIsFoundBehindOtherAttributes) {
  std::vector<uint8_t> attributes = ByteAttribute(INET_DIAG_SHUTDOWN, 1);
  const auto v6_only = ByteAttribute(INET_DIAG_SKV6ONLY, 1);
  attributes.insert(attributes.end(), v6_only.begin(), v6_only.end());
  Datagram datagram;
  datagram.Socket(SocketBody(AF_INET6), attributes)
      .Socket(SocketBody(AF_INET6), ByteAttribute(INET_DIAG_SKV6ONLY, 0))
      .Socket(SocketBody(AF_INET6), ByteAttribute(INET_DIAG_SHUTDOWN, 1))
      .Socket(SocketBody(AF_INET), attributes);
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_TRUE(messages[0].socket.v6_only);
  EXPECT_FALSE(messages[1].socket.v6_only);
  EXPECT_FALSE(messages[2].socket.v6_only);
  EXPECT_FALSE(messages[3].socket.v6_only) << "no IPv6 socket";
}

TEST(DiagReader, BrokenAttributesAreNoneAndTheSocketCounts) {
  const auto good = ByteAttribute(INET_DIAG_SKV6ONLY, 1);
  for (uint16_t length : {0, 3, 4, 255, 65535}) {
    auto attributes = good;
    std::memcpy(attributes.data(), &length, sizeof(length));
    Datagram datagram;
    datagram.Socket(SocketBody(AF_INET6), attributes).Done();
    const auto messages = datagram.ReadAll();
    ASSERT_EQ(messages.size(), 2u) << length;
    EXPECT_FALSE(messages[0].socket.v6_only) << length;
  }
}

// Nothing of one socket may stick to the next.
TEST(DiagReader, SocketsFollowEachOtherToTheEnd) {
  Datagram datagram;
  datagram.Socket(SocketBody(AF_INET6, 1), ByteAttribute(INET_DIAG_SKV6ONLY, 1))
      .Socket(SocketBody(AF_INET6, 2))
      .Done();
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].socket.inode, 1u);
  EXPECT_EQ(messages[1].socket.inode, 2u);
  EXPECT_FALSE(messages[1].socket.v6_only);
  EXPECT_EQ(messages[2].kind, DiagMessage::Kind::kDone);
  EXPECT_EQ(messages[2].error, 0);
}

TEST(DiagReader, AnswersToEarlierRequestsArePassedOver) {
  Datagram datagram;
  datagram.Add(SOCK_DIAG_BY_FAMILY, SocketBody(AF_INET, 1), {}, kSequence - 1)
      .Add(NLMSG_DONE, int32_t{0}, {}, kSequence - 1)
      .Add(NLMSG_ERROR, nlmsgerr{-ENOENT, {}}, {}, 0)
      .Socket(SocketBody(AF_INET, 2));
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].socket.inode, 2u);
}

TEST(DiagReader, ErrorsKeepTheirNumber) {
  for (int32_t error : {-ENOENT, -EPERM, 0}) {
    Datagram datagram;
    datagram.Error(error);
    const auto messages = datagram.ReadAll();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].kind, DiagMessage::Kind::kError);
    EXPECT_EQ(messages[0].error, error);
  }
}

TEST(DiagReader, ADumpThatFailedSaysSoAtItsEnd) {
  Datagram datagram;
  datagram.Done(-ENOENT);
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].kind, DiagMessage::Kind::kDone);
  EXPECT_EQ(messages[0].error, -ENOENT);
}

TEST(DiagReader, AnEndWithoutANumberIsOneThatWentWell) {
  Datagram datagram;
  datagram.Error(-EPERM).Add(NLMSG_DONE, std::array<uint8_t, 2>{0xff, 0xff});
  const auto messages = datagram.ReadAll();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[1].error, 0) << "and not that of the message before";
}

TEST(DiagReader, OtherTypesArePassedOver) {
  Datagram datagram;
  datagram.Add(NLMSG_NOOP, uint32_t{0}).Add(uint16_t{1000}, uint32_t{0}).Done();
  EXPECT_EQ(datagram.ReadAll().size(), 1u);
}

TEST(DiagReader, SocketsOfOtherFamiliesEndIt) {
  Datagram datagram;
  datagram.Socket(SocketBody(AF_UNIX)).Socket(SocketBody(AF_INET));
  EXPECT_TRUE(datagram.ReadAll().empty());
}

TEST(DiagReader, BrokenLengthsEndIt) {
  for (uint32_t length : {0u, 15u, 1000u, ~0u, ~0u - 2}) {
    Datagram datagram;
    datagram.Socket(SocketBody(AF_INET));
    std::memcpy(datagram.bytes().data(), &length, sizeof(length));
    datagram.Done();
    EXPECT_TRUE(datagram.ReadAll().empty()) << length;
  }
}

TEST(DiagReader, CutOffDatagramsAreHarmless) {
  Datagram whole;
  whole.Socket(SocketBody(AF_INET6), ByteAttribute(INET_DIAG_SKV6ONLY, 1))
      .Done();
  for (size_t length = 0; length < whole.bytes().size(); ++length) {
    // Its own allocation, so that a read behind its end is seen by ASan.
    const std::vector<uint8_t> part(
        whole.bytes().begin(),
        whole.bytes().begin() + static_cast<ptrdiff_t>(length));
    EXPECT_LE(Datagram::Read(part).size(), 1u) << length;
  }
}

}  // namespace
}  // namespace sallyport::proc
