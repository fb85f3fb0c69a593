// The load client, run in the firewall's namespace:
//   connect_load warm|cold|udp|tcp [--to A] [--port P] [--clients N]
//       [--seconds S] [--count N] [--warmup N] [--stats FILE] [--samples FILE]
// warm: each client is one process with a new socket per connection.
// cold: each connection is made by a process of its own (cold_connect).
// udp:  one socket sends datagrams one way to PORT + 1.
// tcp:  one established connection sends as fast as it can to PORT + 2.
// Prints one JSON object. Latency is that of connect() alone; samples are
// written as little-endian 32-bit nanoseconds, in order of time per client.

#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_util.h"

extern char** environ;

namespace sallyport::bench {
namespace {

constexpr size_t kMaxSamples = 4 << 20;  // per client: 16 MiB, touched lazily
constexpr int kMaxErrors = 100;          // then a client gives up
constexpr size_t kUdpPayloadBytes = 64;
constexpr size_t kTcpWriteBytes = 128 << 10;
constexpr int64_t kSettleNs = 50'000'000;  // sink counter unchanged this long

struct Options {
  std::string mode;
  std::string to = "127.0.0.1";
  int port = 7000;
  int clients = 1;
  double seconds = 1;
  size_t count = kMaxSamples;
  size_t warmup = 16;
  std::string stats_path;
  std::string samples_path;
};

// Shared between the parent and its client processes.
struct Shared {
  std::atomic<int> waiting;
  std::atomic<int64_t> start_ns;
};
struct Client {
  size_t samples;
  int errors;
  int64_t end_ns;
  uint32_t latency_ns[kMaxSamples];
};

template <typename T>
T* MapShared(size_t count) {
  void* map = mmap(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) Die("mmap");
  return static_cast<T*>(map);
}

// Returns the nanoseconds of one connect(), negative if it failed.
int64_t ConnectWarm(const sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int64_t start_ns = NowNs();
  const int result = connect(fd, AsSockaddr(address), sizeof(address));
  const int64_t took_ns = NowNs() - start_ns;
  CloseByReset(fd);
  return result == 0 ? took_ns : -1;
}

int64_t ConnectCold(const Options& options) {
  static const std::string helper = [] {
    std::array<char, 4096> self;
    const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
    if (length <= 0) Die("/proc/self/exe");
    const std::string_view path(self.data(), static_cast<size_t>(length));
    return std::string(path.substr(0, path.rfind('/'))) + "/cold_connect";
  }();
  std::string port = std::to_string(options.port);
  std::string to = options.to;
  std::string name = helper;
  char* argv[] = {name.data(), to.data(), port.data(), nullptr};
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) Die("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  pid_t child;
  const int spawned =
      posix_spawn(&child, helper.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  int64_t took_ns = -1;
  if (spawned == 0) {
    if (read(out[0], &took_ns, sizeof(took_ns)) != sizeof(took_ns)) {
      took_ns = -1;
    }
    waitpid(child, nullptr, 0);
  }
  close(out[0]);
  return took_ns;
}

void RunClient(const Options& options, Shared* shared, Client* client) {
  const sockaddr_in address = Address(options.to.c_str(), options.port);
  const bool cold = options.mode == "cold";
  auto connect_once = [&] {
    const int64_t ns = cold ? ConnectCold(options) : ConnectWarm(address);
    if (ns < 0) ++client->errors;
    return ns;
  };
  for (size_t i = 0; i < options.warmup; ++i) connect_once();
  shared->waiting.fetch_sub(1);
  while (shared->start_ns.load() == 0) usleep(50);
  const int64_t deadline_ns =
      shared->start_ns.load() + static_cast<int64_t>(options.seconds * 1e9);
  const size_t limit = std::min(options.count, kMaxSamples);
  while (client->samples < limit && client->errors < kMaxErrors &&
         NowNs() < deadline_ns) {
    const int64_t ns = connect_once();
    if (ns < 0) continue;
    client->latency_ns[client->samples++] =
        static_cast<uint32_t>(std::min<int64_t>(ns, UINT32_MAX));
  }
  client->end_ns = NowNs();
}

void WriteSamples(const Options& options, const std::vector<Client*>& clients) {
  if (options.samples_path.empty()) return;
  FILE* file = std::fopen(options.samples_path.c_str(), "wb");
  if (file == nullptr) Die(options.samples_path.c_str());
  for (const Client* client : clients) {
    std::fwrite(client->latency_ns, sizeof(uint32_t), client->samples, file);
  }
  if (std::fclose(file) != 0) Die("samples");
}

int MeasureConnects(const Options& options) {
  Shared* shared = MapShared<Shared>(1);
  shared->waiting.store(options.clients);
  std::vector<Client*> clients;
  for (int i = 0; i < options.clients; ++i) {
    clients.push_back(MapShared<Client>(1));
    const pid_t child = fork();
    if (child < 0) Die("fork");
    if (child == 0) {
      RunClient(options, shared, clients.back());
      _exit(0);
    }
  }
  while (shared->waiting.load() > 0) {
    // A client that died early must not hang the run.
    if (waitpid(-1, nullptr, WNOHANG) > 0) return 1;
    usleep(50);
  }
  shared->start_ns.store(NowNs());
  while (wait(nullptr) > 0) {
  }
  std::vector<uint32_t> all;
  int errors = 0;
  int64_t end_ns = 0;
  for (const Client* client : clients) {
    all.insert(all.end(), client->latency_ns,
               client->latency_ns + client->samples);
    errors += client->errors;
    end_ns = std::max(end_ns, client->end_ns);
  }
  WriteSamples(options, clients);
  if (all.empty()) {
    std::fprintf(stderr, "connect_load: no connection was made\n");
    return 1;
  }
  std::sort(all.begin(), all.end());
  auto quantile = [&](double q) {
    return all[static_cast<size_t>(q * static_cast<double>(all.size() - 1))];
  };
  const double seconds =
      static_cast<double>(end_ns - shared->start_ns.load()) / 1e9;
  std::printf(
      "{\"connections\":%zu,\"errors\":%d,\"seconds\":%.6f,"
      "\"per_second\":%.1f,\"p50_ns\":%u,\"p99_ns\":%u,\"p999_ns\":%u,"
      "\"max_ns\":%u}\n",
      all.size(), errors, seconds, static_cast<double>(all.size()) / seconds,
      quantile(0.5), quantile(0.99), quantile(0.999), all.back());
  return 0;
}

// What the sink still has to count after the last send.
uint64_t Settled(const std::atomic<uint64_t>& counter, uint64_t wanted) {
  uint64_t last = counter.load();
  int64_t since_ns = NowNs();
  while (last < wanted && NowNs() - since_ns < kSettleNs) {
    usleep(200);
    const uint64_t now = counter.load();
    if (now != last) since_ns = NowNs();
    last = now;
  }
  return last;
}

int MeasureUdp(const Options& options) {
  ServerStats* stats = MapStats(options.stats_path.c_str());
  const sockaddr_in address = Address(options.to.c_str(), options.port + 1);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, AsSockaddr(address), sizeof(address)) != 0) {
    Die("udp");
  }
  const std::array<char, kUdpPayloadBytes> payload{};
  const uint64_t before = stats->udp_packets.load();
  const int64_t start_ns = NowNs();
  const int64_t deadline_ns =
      start_ns + static_cast<int64_t>(options.seconds * 1e9);
  uint64_t sent = 0;
  uint64_t errors = 0;
  while (NowNs() < deadline_ns) {
    for (int i = 0; i < 16; ++i) {
      const bool ok = send(fd, payload.data(), payload.size(), 0) > 0;
      ++(ok ? sent : errors);
    }
  }
  const double seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
  const uint64_t delivered =
      Settled(stats->udp_packets, before + sent) - before;
  std::printf(
      "{\"sent\":%llu,\"delivered\":%llu,\"errors\":%llu,\"seconds\":%.6f,"
      "\"per_second\":%.1f,\"sent_per_second\":%.1f}\n",
      static_cast<unsigned long long>(sent),
      static_cast<unsigned long long>(delivered),
      static_cast<unsigned long long>(errors), seconds,
      static_cast<double>(delivered) / seconds,
      static_cast<double>(sent) / seconds);
  return delivered > 0 ? 0 : 1;
}

int MeasureTcp(const Options& options) {
  ServerStats* stats = MapStats(options.stats_path.c_str());
  const sockaddr_in address = Address(options.to.c_str(), options.port + 2);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, AsSockaddr(address), sizeof(address)) != 0) {
    Die("tcp");
  }
  const std::vector<char> buffer(kTcpWriteBytes);
  // The first tenth fills the buffers and opens the window; it is not counted.
  const int64_t start_ns = NowNs();
  const int64_t span_ns = static_cast<int64_t>(options.seconds * 1e9);
  while (NowNs() < start_ns + span_ns / 10) {
    if (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) Die("send");
  }
  const int64_t counted_from_ns = NowNs();
  const uint64_t before = stats->tcp_bytes.load();
  while (NowNs() < counted_from_ns + span_ns) {
    if (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) Die("send");
  }
  const uint64_t bytes = stats->tcp_bytes.load() - before;
  const double seconds = static_cast<double>(NowNs() - counted_from_ns) / 1e9;
  close(fd);
  std::printf("{\"bytes\":%llu,\"seconds\":%.6f,\"per_second\":%.1f}\n",
              static_cast<unsigned long long>(bytes), seconds,
              static_cast<double>(bytes) / seconds);
  return bytes > 0 ? 0 : 1;
}

bool Parse(int argc, char** argv, Options* options) {
  static const option kLong[] = {
      {"to", 1, nullptr, 't'},      {"port", 1, nullptr, 'p'},
      {"clients", 1, nullptr, 'c'}, {"seconds", 1, nullptr, 's'},
      {"count", 1, nullptr, 'n'},   {"warmup", 1, nullptr, 'w'},
      {"stats", 1, nullptr, 'S'},   {"samples", 1, nullptr, 'o'},
      {nullptr, 0, nullptr, 0}};
  int flag;
  while ((flag = getopt_long(argc, argv, "", kLong, nullptr)) != -1) {
    switch (flag) {
      case 't':
        options->to = optarg;
        break;
      case 'p':
        options->port = std::atoi(optarg);
        break;
      case 'c':
        options->clients = std::atoi(optarg);
        break;
      case 's':
        options->seconds = std::atof(optarg);
        break;
      case 'n':
        options->count = std::strtoull(optarg, nullptr, 10);
        break;
      case 'w':
        options->warmup = std::strtoull(optarg, nullptr, 10);
        break;
      case 'S':
        options->stats_path = optarg;
        break;
      case 'o':
        options->samples_path = optarg;
        break;
      default:
        return false;
    }
  }
  if (optind + 1 != argc) return false;
  options->mode = argv[optind];
  const bool bulk = options->mode == "udp" || options->mode == "tcp";
  return (bulk && !options->stats_path.empty()) || options->mode == "warm" ||
         options->mode == "cold";
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  using namespace sallyport::bench;
  Options options;
  if (!Parse(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: connect_load warm|cold|udp|tcp [--to A] [--port P] "
                 "[--clients N] [--seconds S]\n    [--count N] [--warmup N] "
                 "[--stats FILE] [--samples FILE]\n"
                 "(udp and tcp need --stats)\n");
    return 2;
  }
  if (options.mode == "udp") return MeasureUdp(options);
  if (options.mode == "tcp") return MeasureTcp(options);
  return MeasureConnects(options);
}
