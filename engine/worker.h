#ifndef SALLYPORT_ENGINE_WORKER_H_
#define SALLYPORT_ENGINE_WORKER_H_

// Worker: the loop of one queue's thread. Receives a batch, finds each
// packet's owner, judges, answers all with one system call, then hands the
// records on. What can't be answered fast moves to the slow lane; no packet
// waits for another's look-up. Nothing here allocates once warm, or locks.
//
// Run is for the worker's own thread; Stop for any other.

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/answer_batch.h"
#include "engine/canary.h"
#include "engine/decision_sink.h"
#include "engine/packet_queue.h"
#include "engine/pending_packet.h"
#include "engine/slow_lane.h"
#include "proc/resolver.h"
#include "rules/rule_table.h"

namespace sallyport {

// What a worker works with. Nothing is owned; all outlive it.
struct WorkerParts {
  PacketQueue& queue;
  Resolver& resolver;  // this worker's alone
  RuleTable& table;
  SlowLane& slow_lane;
  DecisionSink& sink;
  FailPolicy& fail_policy;
  Canary& canary;
  const InterfaceTable& interfaces;
};

class Worker {
 public:
  Worker(const WorkerParts& parts, uint16_t index);

  // Returns after Stop, or false when the queue has failed for good.
  bool Run();
  void Stop();

 private:
  void HandleBatch(std::span<const QueuedPacket> packets,
                   const PolicySnapshot& policy);
  void HandlePacket(const QueuedPacket& queued, const PolicySnapshot& policy,
                    int64_t time_ns, int64_t received_ns);
  void ToSlowLane(PendingPacket packet, const PolicySnapshot& policy,
                  Ownership&& ownership);
  void Decide(PendingPacket packet, const PolicySnapshot& policy,
              const Judgement& judgement, Ownership&& ownership);
  void HandOnRecords(int64_t received_ns);

  WorkerParts parts_;
  const uint16_t index_;
  std::atomic<bool> stopping_{false};
  // Worker thread only:
  AnswerBatch answers_;
  std::array<DecisionRecord, kMaxBatch> records_;
  size_t record_count_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_WORKER_H_
