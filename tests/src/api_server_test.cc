#include "src/api_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "tests/src/api_fixture.h"
#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience(20'000);  // before a test gives up

// A client that says what it is told, byte by byte.
class RawClient {
 public:
  explicit RawClient(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(
        connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
  }
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() {
    if (fd_ >= 0) close(fd_);
  }

  // False once the server has gone away.
  bool Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (n < 0) return false;
      data.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }

  // What comes until the server closes, or until `enough` is in it.
  std::string Read(const std::string& enough = "") {
    std::string out;
    const auto end = steady_clock::now() + kPatience;
    while (enough.empty() || out.find(enough) == out.npos) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
      pollfd fd = {fd_, POLLIN, 0};
      if (left.count() <= 0 ||
          poll(&fd, 1, static_cast<int>(left.count())) <= 0) {
        ADD_FAILURE() << "nothing more after: " << out;
        break;
      }
      char buffer[65536];
      const ssize_t n = read(fd_, buffer, sizeof(buffer));
      if (n <= 0) {
        closed_ = true;
        break;
      }
      out.append(buffer, static_cast<size_t>(n));
    }
    return out;
  }
  bool closed() const { return closed_; }

 private:
  int fd_ = -1;
  bool closed_ = false;
};

std::string Request(const std::string& method, const std::string& path,
                    const std::string& body = "",
                    const std::string& headers = "") {
  return method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class ApiServerTest : public ::testing::Test, protected ApiFixture {
 protected:
  void Start(ApiLimits limits = {}) {
    auto opened = ListeningSocket::Open(dir / "s", std::nullopt, false);
    ASSERT_TRUE(opened.ok()) << opened.status();
    socket_ = *std::move(opened);
    // Not root: we are the control group.
    auto started = ApiServer::Start(*socket_, getegid(), context, limits);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  RawClient Connect() { return RawClient(dir / "s"); }

  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
    RawClient client = Connect();
    client.Send(Request(method, path, body));
    return client.Read();
  }
  void ExpectAlive() {
    EXPECT_NE(Ask("GET", "/v1/version").find("HTTP/1.1 200"),
              std::string::npos);
  }

  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<ApiServer> server_;
};

TEST_F(ApiServerTest, AnswersOverTheSocket) {
  Start();
  const std::string answer = Ask("GET", "/v1/version");
  EXPECT_NE(answer.find("200 OK"), std::string::npos);
  EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos);
  EXPECT_NE(answer.find("\"api\":1"), std::string::npos);
  const std::string added =
      Ask("POST", "/v1/rules", R"({"name":"r","policy":"deny","app":"any"})");
  EXPECT_NE(added.find("201"), std::string::npos) << added;
  EXPECT_NE(Ask("BREW", "/v1/rules").find("Allow: GET, POST"),
            std::string::npos);
  EXPECT_NE(Ask("GET", "/v1/violations?since=%35m&limit=7").find("200 OK"),
            std::string::npos);
}

TEST_F(ApiServerTest, EntityTagsPassBothWays) {
  Start();
  const std::string added =
      Ask("POST", "/v1/rules", R"({"name":"r","policy":"deny","app":"any"})");
  const size_t at = added.find("ETag: \"");
  ASSERT_NE(at, added.npos) << added;
  const std::string tag = added.substr(at + 6, 34);
  const auto patch = [&](const std::string& if_match) {
    RawClient client = Connect();
    client.Send(Request("PATCH", "/v1/rules/r", R"({"priority":7})",
                        "If-Match: " + if_match + "\r\n"));
    return client.Read();
  };
  EXPECT_NE(patch(tag).find("HTTP/1.1 200"), std::string::npos);
  const std::string late = patch(tag);
  EXPECT_NE(late.find("HTTP/1.1 412"), std::string::npos) << late;
  EXPECT_NE(late.find("\"code\":\"newer\""), std::string::npos) << late;
  EXPECT_NE(patch("rubbish").find("HTTP/1.1 400"), std::string::npos);
}

TEST_F(ApiServerTest, ManyRequestsOnOneConnection) {
  Start();
  RawClient client = Connect();
  for (int i = 0; i < 100; ++i) {
    client.Send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client.Read("}").find("200 OK"), std::string::npos);
  }
}

TEST_F(ApiServerTest, F28_GarbageHurtsOnlyItsSender) {
  Start({.request_timeout = absl::Seconds(1)});
  std::mt19937 random(1);
  std::string noise(65536, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const std::string head = "POST /v1/rules HTTP/1.1\r\nHost: x\r\n";
  const std::string cases[] = {
      "",
      std::string(4096, '\0'),
      noise,
      "GET",
      "GET / HTTP/1.1\r\n",
      "GET /v1/status HTTP/9.9\r\n\r\n",
      "GET /" + std::string(200'000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET /v1/status?" + std::string(30'000, '&') + " HTTP/1.1\r\n\r\n",
      "GET /v1/rules/%00%0a%ff HTTP/1.1\r\nHost: x\r\n\r\n",
      head + "Content-Length: 4294967296\r\n\r\n{",
      head + "Content-Length: -1\r\n\r\n{}",
      head + "Content-Length: 99999999999999999999999\r\n\r\n{}",
      head + "Content-Length: 100\r\n\r\n{\"name\":",
      head + "Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n{}",
  };
  for (const std::string& text : cases) {
    RawClient client = Connect();
    client.Send(text);
    client.EndSending();
    client.Read();
    ExpectAlive();
  }
  EXPECT_EQ(published, 0);
}

TEST_F(ApiServerTest, F28_TooLargeBodyIsTold) {
  Start({.body_bytes = 10'000});
  const std::string answer = Ask("POST", "/v1/rules", std::string(10'001, ' '));
  EXPECT_NE(answer.find("HTTP/1.1 413"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\"too_large\""), std::string::npos) << answer;
  // So large that it is not read to its end: no memory, and no waiting.
  RawClient client = Connect();
  client.Send(
      "POST /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000000\r\n"
      "\r\n");
  EXPECT_NE(client.Read("too_large").find("413"), std::string::npos);
  // Without announcing it.
  RawClient chunked = Connect();
  chunked.Send(
      "POST /v1/rules HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
      "\r\n");
  const std::string chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  for (int i = 0; i < 1000 && chunked.Send(chunk); ++i) {
  }
  chunked.Read();
  EXPECT_TRUE(chunked.closed());
  ExpectAlive();
}

TEST_F(ApiServerTest, F28_HalfARequestIsDroppedInTime) {
  Start({.request_timeout = absl::Seconds(1)});
  RawClient half = Connect();
  half.Send("POST /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
  RawClient silent = Connect();
  // One that sends a byte now and then, so that it is never idle.
  RawClient dripping = Connect();
  std::thread drip([&dripping] {
    const auto end = steady_clock::now() + kPatience;
    pollfd never = {-1, 0, 0};
    while (dripping.Send("G") && steady_clock::now() < end) {
      poll(&never, 1, 50);
    }
  });
  half.Read();
  silent.Read();
  EXPECT_TRUE(half.closed());
  EXPECT_TRUE(silent.closed());
  drip.join();
  dripping.Read();
  EXPECT_TRUE(dripping.closed());
  ExpectAlive();
}

// The story: what a client had sent was read, but not that it had ended, where
// both came at once: it was let go only when its time was over.
TEST_F(ApiServerTest, F28_HalfARequestWithItsEndIsDroppedAtOnce) {
  Start({.request_timeout = absl::Hours(1)});
  for (int i = 0; i < 50; ++i) {
    RawClient client = Connect();
    client.Send("GET /v1/version HTTP/1.1\r\nHost");
    client.EndSending();
    client.Read();
    ASSERT_TRUE(client.closed());
  }
  ExpectAlive();
}

TEST_F(ApiServerTest, F27_OneUserCannotTakeAllConnections) {
  if (geteuid() == 0) {
    // Root is not limited per user, but in total.
    Start({.connections = 4});
  } else {
    Start({.connections_per_uid = 4});
  }
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(Connect());
    clients.back().Send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(clients.back().Read("}").find("200"), std::string::npos);
  }
  RawClient refused = Connect();
  const std::string answer = refused.Read();
  EXPECT_NE(answer.find("HTTP/1.1 503"), std::string::npos) << answer;
  EXPECT_NE(answer.find("too many connections"), std::string::npos) << answer;
  clients.clear();
  // Those that ended make room, as soon as the server has seen it.
  std::string later;
  const auto end = steady_clock::now() + kPatience;
  while (later.find("200 OK") == later.npos && steady_clock::now() < end) {
    later = Ask("GET", "/v1/version");
  }
  EXPECT_NE(later.find("200 OK"), std::string::npos);
}

TEST_F(ApiServerTest, LiveEventsArrive) {
  Start();
  RawClient client = Connect();
  client.Send("GET /v1/events?follow=1&type=all HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.Read("\n\n").find("text/event-stream"), std::string::npos);
  for (int i = 0; i < 100; ++i) {
    const std::string json = "{\"n\":" + std::to_string(i) + "}";
    feed.Publish(testing::MakeRecord(), json);
    EXPECT_NE(client.Read(json).find("event: flow\ndata: "), std::string::npos);
  }
}

TEST_F(ApiServerTest, LiveEventsArriveInAFlood) {
  Start();
  RawClient client = Connect();
  client.Send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  client.Read(": sallyport");
  std::thread writer([this] {
    for (int i = 0; i < 20'000; ++i) {
      feed.Publish(testing::MakeRecord(), "{\"n\":" + std::to_string(i) + "}");
    }
    feed.Publish(testing::MakeRecord(), "{\"last\":1}");
  });
  client.Read("{\"last\":1}");
  writer.join();
}

TEST_F(ApiServerTest, SilentStreamIsKeptAlive) {
  Start({.request_timeout = absl::Seconds(1),
         .stream_keep_alive = absl::Milliseconds(300)});
  RawClient client = Connect();
  client.Send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  client.Read(": sallyport");
  // Longer than a request may take.
  for (int i = 0; i < 6; ++i) client.Read(": keep-alive\n\n");
  EXPECT_FALSE(client.closed());
}

TEST_F(ApiServerTest, F27_SlowReaderIsNotWaitedFor) {
  Start();
  RawClient lazy = Connect();  // never reads
  lazy.Send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient client = Connect();
  client.Send("GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  client.Read(": sallyport");
  const std::string big = "{\"x\":\"" + std::string(4000, 'x') + "\"}";
  for (int i = 0; i < 2000; ++i) feed.Publish(testing::MakeRecord(), big);
  feed.Publish(testing::MakeRecord(), "{\"last\":1}");
  client.Read("{\"last\":1}");
  ExpectAlive();
}

TEST_F(ApiServerTest, StopsWithClientsOfEveryKind) {
  for (int round = 0; round < 5; ++round) {
    Start();
    std::vector<RawClient> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(Connect());
      clients.back().Send(
          "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
      if (i % 2 == 0) clients.back().Read(": sallyport");
      clients.push_back(Connect());
      clients.back().Send("GET /v1/ver");
    }
    std::atomic<bool> stop{false};
    std::thread writer([this, &stop] {
      while (!stop) feed.Publish(testing::MakeRecord(), "{}");
    });
    server_.reset();
    stop = true;
    writer.join();
    socket_.reset();
    for (RawClient& client : clients) client.Read();
  }
}

TEST_F(ApiServerTest, ManyClientsAtOnce) {
  Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string name = "t" + std::to_string(t);
      for (int i = 0; i < 20; ++i) {
        Ask("POST", "/v1/rules",
            R"({"policy":"deny","app":"any","name":")" + name + "\"}");
        Ask("GET", "/v1/rules");
        Ask("GET", "/v1/events");
        Ask("DELETE", "/v1/rules/" + name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(published, 4 * 20 * 2);
}

// In a process of its own, whose limit it may lower. 0: as it should be.
void RunOutOfDescriptors(const std::function<void()>& start,
                         const std::string& path) {
  start();
  int spare = open("/dev/null", O_RDONLY);
  std::vector<RawClient> clients;
  clients.emplace_back(path);
  clients[0].Send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
  clients[0].Read("}");
  const int before = fcntl(spare, F_DUPFD_CLOEXEC, 0);
  // None is left but the one our own next client takes.
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit full{static_cast<rlim_t>(before) + 1, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &full);
  close(before);
  rusage usage_before{};
  getrusage(RUSAGE_SELF, &usage_before);
  for (int i = 0; i < 5; ++i) {
    RawClient refused(path);
    refused.Read();
    if (!refused.closed()) _exit(1);  // it waits for ever
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const long cpu_ms = (usage.ru_utime.tv_sec - usage_before.ru_utime.tv_sec +
                       usage.ru_stime.tv_sec - usage_before.ru_stime.tv_sec) *
                      1000;
  if (cpu_ms > 2000) _exit(2);  // it spins
  // Who was there before is still served, and so are new ones afterwards.
  clients[0].Send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
  if (clients[0].Read("}").find("200") == std::string::npos) _exit(3);
  setrlimit(RLIMIT_NOFILE, &limit);
  RawClient last(path);
  last.Send(Request("GET", "/v1/version"));
  if (last.Read().find("200") == std::string::npos) _exit(4);
  _exit(::testing::Test::HasFailure() ? 5 : 0);
}

TEST_F(ApiServerTest, F29_AcceptBacksOffWhenDescriptorsAreShort) {
  EXPECT_EXIT(RunOutOfDescriptors([this] { Start(); }, dir / "s"),
              ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sallyport
