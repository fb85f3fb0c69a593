// On the real kernel: everybody who holds the socket, wherever he keeps it.

#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/proc/real_resolver_fixture.h"

#ifdef SALLYPORT_HAVE_LIBURING
#include <liburing.h>
#endif

namespace sallyport {
namespace {

TEST_F(RealResolverTest, A17_ParentAndChildWithOneSocketAreBothOwners) {
  TcpServer server;
  UniqueFd client = server.Connect();
  Flow flow = server.FlowOf(client);
  ExpectOnly(Resolve(flow), getpid());
  Child child([] {});
  Ownership owner = Resolve(flow);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
}

TEST_F(RealResolverTest, A18_SocketKeptOverExecHasOwnersOfTwoPrograms) {
  UniqueFd udp = UdpSocket();
  Flow flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9);
  Child child({"/bin/sleep", "100"});
  Ownership owner = Resolve(flow);
  EXPECT_EQ(owner.confidence, Confidence::kAmbiguous);
  EXPECT_EQ(Pids(owner), (Pid{getpid(), child.pid()}));
  std::vector<std::string> paths;
  for (const auto& found : owner.owners) paths.push_back(found->app->path);
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> expected = {ExeOf(getpid()), ExeOf(child.pid())};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(paths, expected);
}

TEST_F(RealResolverTest, A19_SocketInFlightIsUnattributed) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
  Flow flow;
  {
    UniqueFd udp = UdpSocket();
    flow = LoopbackFlow(kProtoUdp, LocalPort(udp.get()), 9);
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = udp.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    ASSERT_EQ(sendmsg(pair[0], &message, 0), 1);
  }
  EXPECT_EQ(Resolve(flow).confidence, Confidence::kNone);
  close(pair[0]);
  close(pair[1]);
}

#ifdef SALLYPORT_HAVE_LIBURING
TEST_F(RealResolverTest, A21_DirectDescriptorOfIoUringIsFound) {
  io_uring ring;
  int error = io_uring_queue_init(4, &ring, 0);
  if (error < 0) GTEST_SKIP() << "io_uring: " << strerror(-error);
  error = io_uring_register_files_sparse(&ring, 4);
  if (error < 0) GTEST_SKIP() << "sparse files: " << strerror(-error);
  auto run = [&](auto prepare) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    prepare(entry);
    io_uring_submit(&ring);
    io_uring_cqe* result = nullptr;
    io_uring_wait_cqe(&ring, &result);
    int value = result->res;
    io_uring_cqe_seen(&ring, result);
    return value;
  };
  int made = run([](io_uring_sqe* entry) {
    io_uring_prep_socket_direct(entry, AF_INET, SOCK_STREAM, 0, 1, 0);
  });
  if (made < 0) GTEST_SKIP() << "socket_direct: " << strerror(-made);
  TcpServer server;
  sockaddr_in to = LoopbackV4(server.port());
  ASSERT_EQ(run([&](io_uring_sqe* entry) {
              io_uring_prep_connect(entry, 1, reinterpret_cast<sockaddr*>(&to),
                                    sizeof(to));
              entry->flags |= IOSQE_FIXED_FILE;
            }),
            0);
  // Whom the server talks to; the socket itself has no descriptor to ask.
  std::ifstream table("/proc/thread-self/net/tcp");
  std::string line;
  uint16_t port = 0;
  while (std::getline(table, line)) {
    unsigned local = 0, remote = 0;
    if (std::sscanf(line.c_str(), " %*d: 0100007F:%X 0100007F:%X", &local,
                    &remote) == 2 &&
        remote == server.port()) {
      port = static_cast<uint16_t>(local);
    }
  }
  ASSERT_NE(port, 0);
  ExpectOnly(Resolve(LoopbackFlow(kProtoTcp, port, server.port())), getpid());
  EXPECT_TRUE(was_slow_);
  ExpectOnly(ResolveFast(LoopbackFlow(kProtoTcp, port, server.port())),
             getpid());
  io_uring_queue_exit(&ring);
}
#endif

TEST_F(RealResolverTest, A22_ThreadWithItsOwnDescriptorsIsFound) {
  std::mutex mutex;
  std::condition_variable changed;
  uint16_t port = 0;
  bool is_done = false;
  std::thread thread([&] {
    int error = unshare(CLONE_FILES);
    std::unique_lock lock(mutex);
    static UniqueFd udp;
    udp = UdpSocket();
    port = error == 0 ? LocalPort(udp.get()) : 1;
    changed.notify_all();
    changed.wait(lock, [&] { return is_done; });
    udp = UniqueFd();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return port != 0; });
  }
  Ownership owner = Resolve(LoopbackFlow(kProtoUdp, port, 9));
  {
    std::lock_guard lock(mutex);
    is_done = true;
  }
  changed.notify_all();
  thread.join();
  ExpectOnly(owner, getpid());
}

// Its /proc/PID/exe and fd are empty then; those of its threads are not.
TEST_F(RealResolverTest, A22_ProcessWhoseFirstThreadHasEndedIsFound) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    std::thread([&] {
      while (!ExeOf(getpid()).empty()) usleep(1000);  // until it has ended
      static UniqueFd udp = UdpSocket();
      uint16_t port = LocalPort(udp.get());
      if (write(ready[1], &port, sizeof(port)) != sizeof(port)) _exit(1);
      while (true) pause();
    }).detach();
    syscall(SYS_exit, 0);  // of this thread; pthread_exit would unwind
  }
  uint16_t port = 0;
  close(ready[1]);
  ASSERT_EQ(read(ready[0], &port, sizeof(port)), 2);
  close(ready[0]);
  for (int times = 0; times < 2; ++times) {
    ExpectOnly(Resolve(LoopbackFlow(kProtoUdp, port, 9)), child);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace sallyport
