#ifndef SALLYPORT_PROC_WORK_BUDGET_H_
#define SALLYPORT_PROC_WORK_BUDGET_H_

// How much one lookup may still do: a number of /proc calls on the packet
// path, time in the slow lane (CASES A39). Not thread-safe; one per lookup.

#include <cstdint>
#include <functional>
#include <limits>

namespace sallyport::proc {

// Monotonic time, ns. A parameter, so that tests own the clock.
using NowFunction = std::function<int64_t()>;
int64_t MonotonicNow();

class WorkBudget {
 public:
  static WorkBudget Calls(int calls) { return WorkBudget(calls, nullptr, 0); }
  // REQUIRES: `now` outlives the budget.
  static WorkBudget Until(const NowFunction* now, int64_t deadline_ns) {
    return WorkBudget(std::numeric_limits<int>::max(), now, deadline_ns);
  }
  static WorkBudget Unlimited() {
    return WorkBudget(std::numeric_limits<int>::max(), nullptr, 0);
  }

  // Takes one call. False once there is none left: nothing was taken then.
  bool Take() {
    if (exhausted_) return false;
    if (calls_ == 0 || (now_ != nullptr && IsLate())) {
      exhausted_ = true;
      return false;
    }
    if (now_ == nullptr && calls_ != std::numeric_limits<int>::max()) --calls_;
    return true;
  }
  bool exhausted() const { return exhausted_; }
  // Something else ran out (descriptors): what was not seen is not known.
  void Exhaust() { exhausted_ = true; }

 private:
  // Calls between two looks at the clock: some 25 us of work.
  static constexpr int kCallsPerLook = 8;

  WorkBudget(int calls, const NowFunction* now, int64_t deadline_ns)
      : calls_(calls), now_(now), deadline_ns_(deadline_ns) {}

  bool IsLate() {
    return ++since_look_ % kCallsPerLook == 0 && (*now_)() >= deadline_ns_;
  }

  int calls_;
  const NowFunction* now_;
  int64_t deadline_ns_;
  int since_look_ = kCallsPerLook - 1;
  bool exhausted_ = false;
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_WORK_BUDGET_H_
