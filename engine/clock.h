#ifndef SALLYPORT_ENGINE_CLOCK_H_
#define SALLYPORT_ENGINE_CLOCK_H_

// The two clocks of the packet path, as plain numbers (vDSO, some 20 ns).

#include <time.h>

#include <cstdint>

namespace sallyport {

inline int64_t ReadClockNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}
inline int64_t MonotonicNs() { return ReadClockNs(CLOCK_MONOTONIC); }
inline int64_t RealtimeNs() { return ReadClockNs(CLOCK_REALTIME); }

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_CLOCK_H_
