#ifndef SALLYPORT_SRC_RECHECKER_H_
#define SALLYPORT_SRC_RECHECKER_H_

// Rechecker: the thread ("sp-recheck") that looks again at flows that were
// allowed before, each time the policy has changed or a damaged ruleset was put
// back, and cuts those that are not allowed now (engine/cutter.h). When mode
// learn begins, what it finds allowed is told as an event. Requests
// that come while it works are one request for afterwards. Request may be
// called from any thread and never waits; the rest belongs to the main thread.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cutter.h"
#include "proc/resolver.h"
#include "src/policy_publisher.h"

namespace sallyport {

class Rechecker {
 public:
  // Opens what it needs in the network namespace of the calling thread. Takes
  // `resolver`; the others outlive it.
  static absl::StatusOr<std::unique_ptr<Rechecker>> Start(
      PolicyPublisher& policy, std::unique_ptr<Resolver> resolver,
      DecisionSink& sink, MarkBits marks);
  // Over surfaces of the caller's own; public for tests.
  Rechecker(PolicyPublisher& policy, std::unique_ptr<Resolver> resolver,
            DecisionSink& sink, MarkBits marks,
            std::unique_ptr<Conntrack> conntrack,
            std::unique_ptr<SocketDestroyer> destroyer);
  ~Rechecker();

  void Request();
  // Returns when everything requested before has been done.
  void WaitUntilDone();

 private:
  void Run(std::stop_token stop);
  void RecheckOnce(std::stop_token stop);

  PolicyPublisher& policy_;
  DecisionSink& sink_;
  const MarkBits marks_;
  // The thread's own.
  std::optional<Mode> last_mode_;  // of the last recheck
  const std::unique_ptr<Resolver> resolver_;
  const std::unique_ptr<Conntrack> conntrack_;
  const std::unique_ptr<SocketDestroyer> destroyer_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool requested_ = false;  // guarded by mutex_
  bool working_ = false;    // guarded by mutex_
  std::jthread thread_;     // last: ends before what it uses
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RECHECKER_H_
