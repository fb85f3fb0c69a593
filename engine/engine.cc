#include "engine/engine.h"

#include <pthread.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/nfqueue.h"

namespace sallyport {

Engine::Engine(const EngineOptions& options)
    : options_(options), fail_policy_(options.on_failure) {}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(
    const EngineOptions& options, SlowLane::ResolverFactory make_resolver,
    RuleTable& table, DecisionSink& sink, InterfaceTable& interfaces) {
  auto engine = std::unique_ptr<Engine>(new Engine(options));
  engine->canary_ =
      std::make_unique<Canary>(options.queue_count, options.marks);
  for (uint16_t i = 0; i < options.queue_count; ++i) {
    NfqueueOptions queue_options;
    queue_options.number = static_cast<uint16_t>(options.queue_base + i);
    queue_options.on_failure = options.on_failure;
    queue_options.settle = options.settle;
    queue_options.marks = options.marks;
    auto queue = OpenNfqueue(queue_options);
    if (!queue.ok()) return queue.status();
    engine->queues_.push_back(*std::move(queue));
    engine->resolvers_.push_back(make_resolver());
  }
  engine->slow_lane_ =
      std::make_unique<SlowLane>(options.slow_lane_threads, make_resolver,
                                 table, sink, engine->fail_policy_, interfaces);
  for (uint16_t i = 0; i < options.queue_count; ++i) {
    engine->workers_.push_back(std::make_unique<Worker>(
        WorkerParts{*engine->queues_[i], *engine->resolvers_[i], table,
                    *engine->slow_lane_, sink, engine->fail_policy_,
                    *engine->canary_, interfaces},
        i));
    engine->threads_.emplace_back(
        [raw = engine.get(), worker = engine->workers_.back().get(), i] {
          const std::string name = absl::StrCat("sp-worker-", i);
          pthread_setname_np(pthread_self(), name.c_str());
          if (!worker->Run()) {
            raw->failed_.store(true, std::memory_order_relaxed);
          }
        });
  }
  return engine;
}

Engine::~Engine() {
  for (auto& worker : workers_) worker->Stop();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace sallyport
