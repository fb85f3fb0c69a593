#include "engine/worker.h"

#include <utility>

#include "engine/clock.h"
#include "engine/packet.h"

namespace sallyport {

Worker::Worker(const WorkerParts& parts, uint16_t index)
    : parts_(parts), index_(index) {}

bool Worker::Run() {
  RuleTable::Reader reader(parts_.table);
  std::array<QueuedPacket, kMaxBatch> packets;
  while (!stopping_.load(std::memory_order_relaxed)) {
    size_t count = 0;
    switch (parts_.queue.Receive(packets, &count)) {
      case ReceiveStatus::kWoken:
        continue;
      case ReceiveStatus::kFailed:
        return false;
      case ReceiveStatus::kPackets:
        break;
    }
    const int64_t received_ns = MonotonicNs();
    HandleBatch({packets.data(), count}, reader.Enter());
    answers_.Send(parts_.queue);
    // Only now: whoever waits in RuleTable::Synchronize may rely on every
    // verdict by the old policy having been sent.
    reader.Leave();
    HandOnRecords(received_ns);
  }
  return true;
}

void Worker::Stop() {
  stopping_.store(true, std::memory_order_relaxed);
  parts_.queue.Wake();
}

void Worker::HandleBatch(std::span<const QueuedPacket> packets,
                         const PolicySnapshot& policy) {
  const int64_t time_ns = RealtimeNs();
  const int64_t received_ns = MonotonicNs();
  for (const QueuedPacket& packet : packets) {
    HandlePacket(packet, policy, time_ns, received_ns);
  }
}

void Worker::HandlePacket(const QueuedPacket& queued,
                          const PolicySnapshot& policy, int64_t time_ns,
                          int64_t received_ns) {
  PendingPacket packet{
      Duty(&parts_.queue, &parts_.fail_policy, queued.id, queued.mark),
      Flow{},
      queued.uid,
      queued.length,
      time_ns,
      received_ns};
  packet.flow.out_ifindex = queued.out_ifindex;
  packet.flow.out_interface =
      parts_.interfaces.Find(queued.out_ifindex, received_ns);
  const ParseStatus parsed =
      ParsePacket(queued.bytes, queued.length, &packet.flow);
  if (parts_.canary.Recognise(queued, packet.flow, index_)) {
    std::move(packet.duty).AnswerInto(answers_, Verdict::kDeny);
    return;
  }
  Ownership ownership;
  ownership.socket_uid = queued.uid;
  if (parsed != ParseStatus::kOk) {
    Decide(std::move(packet), policy, MalformedJudgement(policy.settings),
           std::move(ownership));
    return;
  }
  if (parts_.resolver.ResolveFast(packet.flow, packet.uid, &ownership) ==
      ResolveStatus::kNeedSlow) {
    ToSlowLane(std::move(packet), policy, std::move(ownership));
    return;
  }
  Judgement judgement = Judge(policy, packet.flow, ownership);
  if (judgement.needs != 0) {
    ToSlowLane(std::move(packet), policy, std::move(ownership));
    return;
  }
  CountFlow(policy, ownership, received_ns, &judgement);
  Decide(std::move(packet), policy, judgement, std::move(ownership));
}

void Worker::ToSlowLane(PendingPacket packet, const PolicySnapshot& policy,
                        Ownership&& ownership) {
  if (parts_.slow_lane.SubmitPacket(packet)) return;
  Decide(std::move(packet), policy,
         FailureJudgement(policy.settings, parts_.fail_policy.Apply()),
         std::move(ownership));
}

void Worker::Decide(PendingPacket packet, const PolicySnapshot& policy,
                    const Judgement& judgement, Ownership&& ownership) {
  records_[record_count_++] = MakeRecord(packet, policy, judgement,
                                         std::move(ownership), Stage::kQueue);
  std::move(packet.duty).AnswerInto(answers_, judgement.decision.verdict);
}

void Worker::HandOnRecords(int64_t received_ns) {
  const int64_t latency_ns = MonotonicNs() - received_ns;
  for (size_t i = 0; i < record_count_; ++i) {
    DecisionRecord& record = records_[i];
    record.latency_ns = latency_ns;
    for (const auto& owner : record.ownership.owners) {
      if (owner->facts() == nullptr) parts_.slow_lane.SubmitDescribe(owner);
    }
    parts_.sink.OnDecision(std::move(record));
  }
  record_count_ = 0;
}

}  // namespace sallyport
