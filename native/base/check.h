// Assertions for our own bugs. A failed check prints the place and aborts: what
// follows a broken invariant is worse than the end of the process. Errors of the
// outside world never come here; they are results (see status.h).
#ifndef MILLRACE_BASE_CHECK_H_
#define MILLRACE_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace millrace {

[[noreturn]] inline void CheckFailed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "millrace: check failed: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace millrace

#define MILLRACE_CHECK(condition)                              \
  do {                                                         \
    if (!(condition)) [[unlikely]]                             \
      ::millrace::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

#endif  // MILLRACE_BASE_CHECK_H_
