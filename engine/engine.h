#ifndef SALLYPORT_ENGINE_ENGINE_H_
#define SALLYPORT_ENGINE_ENGINE_H_

// Engine: queues, workers and the slow lane, put together. Start and the
// destructor are for the control thread; failed() for any.
//
// Order matters: queues are bound before the divert goes in (no packet is
// queued to nobody), and the divert is taken out before the engine goes.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/canary.h"
#include "engine/decision_sink.h"
#include "engine/divert.h"
#include "engine/packet_queue.h"
#include "engine/slow_lane.h"
#include "engine/worker.h"
#include "rules/rule_table.h"

namespace sallyport {

struct EngineOptions {
  uint16_t queue_base = 4180;
  uint16_t queue_count = 1;
  FailPosture on_failure = FailPosture::kClosed;
  SettleBy settle = SettleBy::kSecondChain;
  MarkBits marks;
  size_t slow_lane_threads = 2;
};

class Engine {
 public:
  // `table`, `sink` and `interfaces` are not owned and outlive the engine. Errors: as
  // OpenNfqueue.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(
      const EngineOptions& options, SlowLane::ResolverFactory make_resolver,
      RuleTable& table, DecisionSink& sink, InterfaceTable& interfaces);
  ~Engine();

  Canary& canary() { return *canary_; }
  const FailPolicy& fail_policy() const { return fail_policy_; }
  const SlowLane& slow_lane() const { return *slow_lane_; }
  const QueueCounters& counters(size_t queue) const {
    return queues_[queue]->counters();
  }
  const EngineOptions& options() const { return options_; }
  // A worker has given up: its queue's socket broke.
  bool failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  explicit Engine(const EngineOptions& options);

  const EngineOptions options_;
  FailPolicy fail_policy_;
  std::unique_ptr<Canary> canary_;
  std::vector<std::unique_ptr<PacketQueue>> queues_;
  std::vector<std::unique_ptr<Resolver>> resolvers_;
  std::unique_ptr<SlowLane> slow_lane_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> failed_{false};
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_ENGINE_H_
