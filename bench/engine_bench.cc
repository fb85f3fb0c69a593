// What the engine itself costs per packet, without kernel and owner look-up:
// parsing, and one packet's whole way through a worker (receive, parse, judge
// by a rule, record, answer) in batches of 1 and of kMaxBatch.

#include <benchmark/benchmark.h>

#include "engine/fail_policy.h"
#include "engine/packet.h"
#include "engine/worker.h"
#include "rules/rule_set.h"
#include "tests/engine/packet_builder.h"

namespace sallyport {
namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kDestinationOptions = 60;

void Parse(benchmark::State& state, const Bytes& bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  for (auto _ : state) {
    Flow flow;
    benchmark::DoNotOptimize(ParsePacket(bytes, length, &flow));
    benchmark::DoNotOptimize(flow);
  }
}

void BM_ParseTcpV4(benchmark::State& state) {
  Parse(state, Ipv4(kProtoTcp, Tcp(40000, 443)));
}
BENCHMARK(BM_ParseTcpV4);

void BM_ParseUdpV6(benchmark::State& state) {
  Parse(state, Ipv6(kProtoUdp, Udp(40000, 53)));
}
BENCHMARK(BM_ParseUdpV6);

void BM_ParseTcpV6ExtensionHeaders(benchmark::State& state) {
  const Bytes padding = {1, 4, 0, 0, 0, 0};  // PadN fills the eight bytes
  const Bytes second = Concat(Concat({kProtoTcp, 0}, padding), Tcp(40000, 443));
  Parse(state, Ipv6(kHopByHop,
                    Concat(Concat({kDestinationOptions, 0}, padding), second)));
}
BENCHMARK(BM_ParseTcpV6ExtensionHeaders);

// A queue that is never empty: hands out the same packet `batch` times per
// Receive until the benchmark has had enough.
class EndlessQueue final : public PacketQueue {
 public:
  EndlessQueue(benchmark::State& state, size_t batch)
      : state_(state),
        batch_(batch),
        bytes_(Ipv4(kProtoTcp, Tcp(40000, 443))) {}

  void set_worker(Worker* worker) { worker_ = worker; }
  uint64_t denied() const { return denied_; }

  ReceiveStatus Receive(std::span<QueuedPacket> packets,
                        size_t* count) override {
    *count = 0;
    if (!state_.KeepRunningBatch(static_cast<int64_t>(batch_))) {
      worker_->Stop();
      return ReceiveStatus::kWoken;
    }
    for (; *count < batch_; ++*count) {
      QueuedPacket& packet = packets[*count];
      packet = QueuedPacket{};
      packet.id = static_cast<uint32_t>(*count);
      packet.bytes = bytes_;
      packet.length = static_cast<uint32_t>(bytes_.size());
      packet.uid = 0;
    }
    return ReceiveStatus::kPackets;
  }
  void Answer(std::span<const PacketAnswer> answers) override {
    for (const PacketAnswer& answer : answers) {
      denied_ += answer.verdict != Verdict::kAllow;
    }
  }
  void Wake() override {}
  const QueueCounters& counters() const override { return counters_; }

 private:
  benchmark::State& state_;
  const size_t batch_;
  const Bytes bytes_;
  Worker* worker_ = nullptr;
  uint64_t denied_ = 0;
  QueueCounters counters_;
};

// Always the same owner, at once.
class KnownOwner final : public Resolver {
 public:
  KnownOwner() {
    auto app = std::make_shared<App>();
    app->path = "/usr/bin/curl";
    app->path_hash = HashAppPath(app->path);
    app->path_is_exe = true;
    app->link_count = 1;
    auto process = std::make_shared<Process>();
    process->id = {4711, 1};
    process->app = std::move(app);
    // With facts, so that nothing goes to the slow lane.
    process->SetFacts(std::make_unique<ProcessFacts>());
    process_ = std::move(process);
  }

  ResolveStatus ResolveFast(const Flow&, std::optional<uint32_t>,
                            Ownership* ownership) override {
    ownership->confidence = Confidence::kExact;
    ownership->owners.push_back(process_);
    return ResolveStatus::kDone;
  }
  void ResolveSlow(const Flow& flow, std::optional<uint32_t> uid,
                   Ownership* ownership) override {
    ResolveFast(flow, uid, ownership);
  }
  std::shared_ptr<const Process> WithSha256(
      std::shared_ptr<const Process> process) override {
    return process;
  }
  void Describe(const Process&) override {}

 private:
  std::shared_ptr<const Process> process_;
};

class NullSink final : public DecisionSink {
 public:
  void OnDecision(DecisionRecord&& record) override {
    benchmark::DoNotOptimize(record);
  }
};

std::unique_ptr<const PolicySnapshot> OneRule() {
  Rule rule;
  rule.name = "curl";
  rule.policy = RulePolicy::kAllow;
  rule.app = "/usr/bin/curl";
  auto snapshot = std::make_unique<PolicySnapshot>();
  snapshot->rules = *RuleSet::Build({rule});
  snapshot->settings = {Mode::kEnforce, Verdict::kDeny, Verdict::kDeny};
  return snapshot;
}

void BM_WorkerPacket(benchmark::State& state) {
  EndlessQueue queue(state, static_cast<size_t>(state.range(0)));
  RuleTable table(OneRule());
  NullSink sink;
  const std::unique_ptr<LinkLookup> links = OpenLinkLookup();
  InterfaceTable interfaces(*links);
  FailPolicy fail_policy(FailPosture::kClosed);
  Canary canary(1, MarkBits{});
  SlowLane slow_lane(
      1, [] { return std::make_unique<KnownOwner>(); }, table, sink,
      fail_policy, interfaces);
  KnownOwner resolver;
  Worker worker({queue, resolver, table, slow_lane, sink, fail_policy, canary,
                 interfaces},
                0);
  queue.set_worker(&worker);
  worker.Run();
  state.SetItemsProcessed(state.iterations());
  if (queue.denied() != 0) state.SkipWithError("the rule did not match");
}
BENCHMARK(BM_WorkerPacket)->Arg(1)->Arg(kMaxBatch);

}  // namespace
}  // namespace sallyport
