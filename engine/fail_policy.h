#ifndef SALLYPORT_ENGINE_FAIL_POLICY_H_
#define SALLYPORT_ENGINE_FAIL_POLICY_H_

// FailPolicy: what a packet gets when we fail it (a lane is full, a packet was
// forgotten). Stated once by `on_failure`, applied here, counted each time.
// Any thread.

#include <atomic>
#include <cstdint>

#include "engine/divert.h"
#include "rules/verdict.h"

namespace sallyport {

class FailPolicy {
 public:
  explicit FailPolicy(FailPosture posture) : posture_(posture) {}

  Verdict Apply() {
    // relaxed: a counter, nothing is ordered by it.
    applied_.fetch_add(1, std::memory_order_relaxed);
    return posture_ == FailPosture::kOpen ? Verdict::kAllow : Verdict::kDeny;
  }
  uint64_t applied() const { return applied_.load(std::memory_order_relaxed); }

 private:
  const FailPosture posture_;
  std::atomic<uint64_t> applied_{0};
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_FAIL_POLICY_H_
