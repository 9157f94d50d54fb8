// The two clocks, in milliseconds with a fraction. The monotonic one has an
// arbitrary zero, never jumps, and is the one for deadlines.
#ifndef MILLRACE_BASE_CLOCK_H_
#define MILLRACE_BASE_CLOCK_H_

#include <ctime>

namespace millrace {

inline double ReadClockMs(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

inline double MonotonicMs() { return ReadClockMs(CLOCK_MONOTONIC); }
inline double WallClockMs() { return ReadClockMs(CLOCK_REALTIME); }

}  // namespace millrace

#endif  // MILLRACE_BASE_CLOCK_H_
