// The one convention for results: an int that is >= 0 on success (a count, a
// descriptor, a handle) and -errno on failure. Interruption is not a failure:
// RetryOnInterrupt absorbs EINTR at the call.
#ifndef MILLRACE_BASE_STATUS_H_
#define MILLRACE_BASE_STATUS_H_

#include <cerrno>

namespace millrace {

// Repeats `call` while a signal interrupts it. Result: what it returned, or -errno.
// Not for close(2): on Linux the descriptor is gone even when EINTR is reported.
template <typename Call>
inline int RetryOnInterrupt(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0) return static_cast<int>(result);
    if (errno != EINTR) return -errno;
  }
}

}  // namespace millrace

#endif  // MILLRACE_BASE_STATUS_H_
