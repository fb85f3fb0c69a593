#ifndef SALLYPORT_ENGINE_ADAPTIVE_SPIN_H_
#define SALLYPORT_ENGINE_ADAPTIVE_SPIN_H_

// AdaptiveSpin: whether a worker should look a few times for the next packet
// before it sleeps. To be woken costs more than to judge (an idle CPU of a
// virtual machine takes 10 to 30 us), so a worker that expects a packet soon
// looks for it, for at most kSpinNs; as adaptive mutexes do. It stops
//  - after kMaxMisses looks in vain: packets come too far apart. It begins
//    again when one comes within twice kSpinNs of the look that failed;
//  - as soon as somebody else wants the CPU (sched_yield then takes long), and
//    for kPauseReceives if that outweighs the spins that found a packet by
//    kMaxContention: on a busy machine a spin takes away what it waits for.
//  - for as long when a packet was there already at the first look: the queue
//    is never empty then, and the CPU is better left to those who fill it.
// An idle machine is not woken by it. One thread. What it asks of the machine
// is a parameter, so that tests own the clock.
//
//   AdaptiveSpin spin;
//   spin.Begin();
//   while (!got && spin.KeepOn()) got = receive without waiting;
//   if (!got) { got = receive; }
//   spin.End(slept);

#include <sched.h>

#include <cstdint>

#include "engine/clock.h"

namespace sallyport {

// The real machine. Both are static: nothing is paid for the parameter.
struct ThisCpu {
  static int64_t NowNs() { return MonotonicNs(); }
  // Lets somebody else run who waits for this CPU.
  static void Yield() { sched_yield(); }
};

template <typename Cpu>
class BasicAdaptiveSpin {
 public:
  static constexpr int64_t kSpinNs = 50'000;
  static constexpr int kMaxMisses = 4;
  static constexpr int kMaxContention = 8;
  static constexpr int kPauseReceives = 64;
  // A yield to nobody takes 0.5 us.
  static constexpr int64_t kContendedNs = 8'000;

  explicit BasicAdaptiveSpin(Cpu cpu = Cpu()) : cpu_(cpu) {}

  // Whether to look at all before sleeping.
  bool Begin() {
    began_ns_ = last_ns_ = cpu_.NowNs();
    is_first_look_ = true;
    if (pause_ > 0) {
      --pause_;
      return false;
    }
    return misses_ < kMaxMisses;
  }

  // Between two looks. False: sleep now.
  bool KeepOn() {
    is_first_look_ = false;
    cpu_.Yield();
    const int64_t now_ns = cpu_.NowNs();
    const bool contended = now_ns - last_ns_ > kContendedNs;
    last_ns_ = now_ns;
    if (contended && ++contention_ > kMaxContention) {
      contention_ = 0;
      pause_ = kPauseReceives;
    }
    return !contended && now_ns - began_ns_ < kSpinNs;
  }

  // A packet is there. `slept`: no look had found it.
  void End(bool slept) {
    if (!slept && contention_ > 0) --contention_;
    if (!slept && is_first_look_) pause_ = kPauseReceives;
    if (!slept || cpu_.NowNs() - began_ns_ < 2 * kSpinNs) {
      misses_ = 0;
    } else if (misses_ < kMaxMisses) {
      ++misses_;
    }
  }

 private:
  [[no_unique_address]] Cpu cpu_;
  int64_t began_ns_ = 0;
  int64_t last_ns_ = 0;
  int misses_ = 0;
  bool is_first_look_ = true;
  int contention_ = 0;
  int pause_ = 0;  // receives that do not spin
};

using AdaptiveSpin = BasicAdaptiveSpin<ThisCpu>;

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_ADAPTIVE_SPIN_H_
