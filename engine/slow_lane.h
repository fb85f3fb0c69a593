#ifndef SALLYPORT_ENGINE_SLOW_LANE_H_
#define SALLYPORT_ENGINE_SLOW_LANE_H_

// SlowLane: a few threads for what a worker must not wait for: scans of /proc,
// hashes, and reading the facts that events show. Submit* are for workers, any
// thread; they never wait for the work. Each lane thread has its own Resolver
// and judges with the policy of the moment it answers.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/decision_sink.h"
#include "engine/interface_table.h"
#include "engine/pending_packet.h"
#include "proc/resolver.h"
#include "rules/rule_table.h"

namespace sallyport {

// Packets that wait for a slow answer at once: as many as one kernel queue
// holds. Beyond that the fail policy decides.
inline constexpr size_t kSlowPacketsMax = 4096;
// Processes that wait to be described. Beyond that events lack the facts.
inline constexpr size_t kDescribeMax = 4096;

class SlowLane {
 public:
  using ResolverFactory = std::function<std::unique_ptr<Resolver>()>;

  // Nothing is owned but the resolvers; all outlive the lane.
  SlowLane(size_t threads, const ResolverFactory& make_resolver,
           RuleTable& table, DecisionSink& sink, FailPolicy& fail_policy,
           InterfaceTable& interfaces);
  // Answers what still waits by the fail policy.
  ~SlowLane();

  // False if the lane is full; then `packet` is untouched.
  bool SubmitPacket(PendingPacket& packet);
  // A full lane forgets the wish.
  void SubmitDescribe(const std::shared_ptr<const Process>& process);

  uint64_t described() const {
    return described_.load(std::memory_order_relaxed);
  }
  size_t waiting() const;

 private:
  void Run(Resolver& resolver);
  void Judge(Resolver& resolver, RuleTable::Reader& reader,
             PendingPacket packet);

  RuleTable& table_;
  DecisionSink& sink_;
  FailPolicy& fail_policy_;
  InterfaceTable& interfaces_;
  std::atomic<uint64_t> described_{0};

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // something to do, or stopping_
  std::deque<PendingPacket> packets_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<const Process>> processes_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::unique_ptr<Resolver>> resolvers_;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_SLOW_LANE_H_
