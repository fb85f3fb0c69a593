#include "engine/slow_lane.h"

#include <pthread.h>

#include <optional>
#include <utility>

#include "engine/clock.h"
#include "engine/fact_lookup.h"

namespace sallyport {

SlowLane::SlowLane(size_t threads, const ResolverFactory& make_resolver,
                   RuleTable& table, DecisionSink& sink,
                   FailPolicy& fail_policy, InterfaceTable& interfaces)
    : table_(table),
      sink_(sink),
      fail_policy_(fail_policy),
      interfaces_(interfaces) {
  // All before the first thread, which looks into the vector.
  for (size_t i = 0; i < threads; ++i) resolvers_.push_back(make_resolver());
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i] {
      pthread_setname_np(pthread_self(), "sp-slow");
      Run(*resolvers_[i]);
    });
  }
}

SlowLane::~SlowLane() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool SlowLane::SubmitPacket(PendingPacket& packet) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || packets_.size() >= kSlowPacketsMax) return false;
    packets_.push_back(std::move(packet));
  }
  changed_.notify_one();
  return true;
}

void SlowLane::SubmitDescribe(const std::shared_ptr<const Process>& process) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || processes_.size() >= kDescribeMax) return;
    // A burst of one new process asks many times.
    if (!processes_.empty() && processes_.back() == process) return;
    processes_.push_back(process);
  }
  changed_.notify_one();
}

size_t SlowLane::waiting() const {
  std::lock_guard lock(mutex_);
  return packets_.size();
}

void SlowLane::Run(Resolver& resolver) {
  RuleTable::Reader reader(table_);
  for (;;) {
    std::optional<PendingPacket> packet;
    std::shared_ptr<const Process> process;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return stopping_ || !packets_.empty() || !processes_.empty();
      });
      if (stopping_) return;
      // A packet waits for its verdict, a description only for its reader.
      if (!packets_.empty()) {
        packet.emplace(std::move(packets_.front()));
        packets_.pop_front();
      } else {
        process = std::move(processes_.front());
        processes_.pop_front();
      }
    }
    if (packet.has_value()) {
      Judge(resolver, reader, *std::move(packet));
    } else if (process->facts() == nullptr) {
      resolver.Describe(*process);
      described_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void SlowLane::Judge(Resolver& resolver, RuleTable::Reader& reader,
                     PendingPacket packet) {
  Ownership ownership;
  resolver.ResolveSlow(packet.flow, packet.uid, &ownership);

  // The resolver may take long; the policy is looked at only after it, so that
  // a change in between counts, and the snapshot is held for a moment only.
  const PolicySnapshot* policy = &reader.Enter();
  Judgement judgement = sallyport::Judge(*policy, packet.flow, ownership);
  // What one fact settles may ask for the next.
  for (size_t i = 0; judgement.needs != 0 && i < kNeedCount; ++i) {
    reader.Leave();
    LookUpFacts(judgement.needs, resolver, &ownership);
    if ((judgement.needs & kNeedsInterface) != 0) {
      packet.flow.out_interface =
          interfaces_.LookUp(packet.flow.out_ifindex, MonotonicNs());
    }
    policy = &reader.Enter();
    judgement = sallyport::Judge(*policy, packet.flow, ownership);
  }
  if (judgement.needs != 0) {
    // A file can't be read, a device is gone: we failed the packet.
    judgement = FailureJudgement(policy->settings, fail_policy_.Apply());
  }
  CountFlow(*policy, ownership, MonotonicNs(), &judgement);
  DecisionRecord record = MakeRecord(packet, *policy, judgement,
                                     std::move(ownership), Stage::kSlow);
  std::move(packet.duty).AnswerNow(judgement.decision.verdict);
  reader.Leave();

  record.latency_ns = MonotonicNs() - packet.received_ns;
  const auto owners = record.ownership.owners;
  sink_.OnDecision(std::move(record));
  for (const auto& owner : owners) {
    if (owner->facts() == nullptr) resolver.Describe(*owner);
  }
}

}  // namespace sallyport
