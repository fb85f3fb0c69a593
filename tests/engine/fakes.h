#ifndef SALLYPORT_TESTS_ENGINE_FAKES_H_
#define SALLYPORT_TESTS_ENGINE_FAKES_H_

// In-memory twins of the engine's surfaces: a queue that is fed by the test
// and logs what was answered, a resolver told what to find, a sink that keeps
// records.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/decision_sink.h"
#include "engine/interface_table.h"
#include "engine/packet_queue.h"
#include "proc/resolver.h"
#include "tests/engine/packet_builder.h"

namespace sallyport {

class FakeQueue final : public PacketQueue {
 public:
  // Queues one packet; the next Receive takes all there are (at most a batch).
  void Feed(uint32_t id, Bytes bytes, uint32_t mark = 0,
            uint32_t out_ifindex = 0) {
    std::lock_guard lock(mutex_);
    fed_.push_back({id, std::move(bytes), mark, out_ifindex});
    ready_.notify_all();
  }
  void FailFromNowOn() {
    std::lock_guard lock(mutex_);
    failed_ = true;
    ready_.notify_all();
  }
  // Blocks until `count` answers were logged in all.
  std::vector<PacketAnswer> WaitForAnswers(size_t count) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return log_.size() >= count; });
    return log_;
  }
  std::vector<size_t> batch_sizes() {
    std::lock_guard lock(mutex_);
    return batch_sizes_;
  }

  ReceiveStatus Receive(std::span<QueuedPacket> packets,
                        size_t* count) override {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !fed_.empty() || woken_ || failed_; });
    *count = 0;
    current_.clear();
    if (failed_) return ReceiveStatus::kFailed;
    woken_ = false;
    while (!fed_.empty() && *count < packets.size()) {
      current_.push_back(std::move(fed_.front()));
      fed_.pop_front();
      const Fed& fed = current_.back();
      QueuedPacket& packet = packets[(*count)++];
      packet = QueuedPacket{};
      packet.id = fed.id;
      packet.mark = fed.mark;
      packet.out_ifindex = fed.out_ifindex;
      packet.bytes = fed.bytes;
      packet.length = static_cast<uint32_t>(fed.bytes.size());
    }
    return *count > 0 ? ReceiveStatus::kPackets : ReceiveStatus::kWoken;
  }
  void Answer(std::span<const PacketAnswer> answers) override {
    std::lock_guard lock(mutex_);
    log_.insert(log_.end(), answers.begin(), answers.end());
    batch_sizes_.push_back(answers.size());
    answered_.notify_all();
  }
  void Wake() override {
    std::lock_guard lock(mutex_);
    woken_ = true;
    ready_.notify_all();
  }
  const QueueCounters& counters() const override { return counters_; }

 private:
  struct Fed {
    uint32_t id;
    Bytes bytes;
    uint32_t mark;
    uint32_t out_ifindex;
  };
  std::mutex mutex_;
  std::condition_variable ready_, answered_;
  std::deque<Fed> fed_, current_;
  std::vector<PacketAnswer> log_;
  std::vector<size_t> batch_sizes_;
  bool woken_ = false;
  bool failed_ = false;
  QueueCounters counters_;
};

// Finds what `owners` says for a destination port; ports in `slow` are only
// found by the slow lane.
struct FakeWorld {
  std::map<uint16_t, std::shared_ptr<const Process>> owners;
  std::map<uint16_t, bool> slow;
  std::function<void()> before_slow_answer = [] {};
  std::function<std::string()> sha256 = [] { return std::string(); };
};

class FakeResolver final : public Resolver {
 public:
  explicit FakeResolver(const FakeWorld& world) : world_(world) {}

  ResolveStatus ResolveFast(const Flow& flow, std::optional<uint32_t> uid,
                            Ownership* ownership) override {
    if (world_.slow.contains(flow.dst_port)) return ResolveStatus::kNeedSlow;
    Find(flow, uid, ownership);
    return ResolveStatus::kDone;
  }
  void ResolveSlow(const Flow& flow, std::optional<uint32_t> uid,
                   Ownership* ownership) override {
    world_.before_slow_answer();
    Find(flow, uid, ownership);
  }
  std::shared_ptr<const Process> WithSha256(
      std::shared_ptr<const Process> process) override {
    auto app = std::make_shared<App>(*process->app);
    app->sha256 = world_.sha256();
    auto hashed = std::make_shared<Process>();
    hashed->id = process->id;
    hashed->app = std::move(app);
    return hashed;
  }
  void Describe(const Process& process) override {
    process.SetFacts(std::make_unique<ProcessFacts>());
  }

 private:
  void Find(const Flow& flow, std::optional<uint32_t> uid,
            Ownership* ownership) {
    ownership->socket_uid = uid;
    const auto it = world_.owners.find(flow.dst_port);
    if (it == world_.owners.end()) return;
    ownership->owners.push_back(it->second);
    ownership->confidence = Confidence::kExact;
  }

  const FakeWorld& world_;
};

class FakeLinkLookup final : public LinkLookup {
 public:
  bool Get(uint32_t ifindex, NetInterface* device) override {
    std::lock_guard lock(mutex_);
    ++calls_;
    const auto found = links_.find(ifindex);
    if (found == links_.end()) return false;
    *device = found->second;
    return true;
  }
  void Set(uint32_t ifindex, NetInterface device) {
    std::lock_guard lock(mutex_);
    links_[ifindex] = std::move(device);
  }
  void Remove(uint32_t ifindex) {
    std::lock_guard lock(mutex_);
    links_.erase(ifindex);
  }
  int calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint32_t, NetInterface> links_;
  int calls_ = 0;
};

class FakeSink final : public DecisionSink {
 public:
  void OnDecision(DecisionRecord&& record) override {
    std::lock_guard lock(mutex_);
    records_.push_back(std::move(record));
    arrived_.notify_all();
  }
  std::vector<DecisionRecord> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return records_.size() >= count; });
    return records_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<DecisionRecord> records_;
};

inline std::shared_ptr<const Process> MakeProcess(const std::string& path,
                                                  int32_t pid = 100) {
  auto app = std::make_shared<App>();
  app->path = path;
  app->path_hash = HashAppPath(path);
  app->path_is_exe = true;
  app->link_count = 1;
  auto process = std::make_shared<Process>();
  process->id = {pid, 1};
  process->app = std::move(app);
  return process;
}

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_ENGINE_FAKES_H_
