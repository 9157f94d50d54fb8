// See harness.h.
#include "harness.h"

#include <dirent.h>

#include <cstring>

#ifdef MILLRACE_KQUEUE_SHIM
#include <sys/event.h>
#endif

namespace millrace::test {
namespace {

Test* first = nullptr;
Test** last = &first;
int failures = 0;

}  // namespace

Test::Test(const char* test_name, void (*test_run)()) : name(test_name), run(test_run) {
  *last = this;
  last = &next;
}

void Fail(const char* file, int line, const char* what) {
  failures += 1;
  std::fprintf(stderr, "  %s:%d: expected %s\n", file, line, what);
}

void FailEqual(const char* file, int line, const char* what, long long actual, long long expected) {
  failures += 1;
  std::fprintf(stderr, "  %s:%d: %s is %lld, expected %lld\n", file, line, what, actual, expected);
}

int OpenDescriptors() {
#ifdef MILLRACE_KQUEUE_SHIM
  kqueue_shim_collect();
#endif
  DIR* directory = opendir("/dev/fd");
  if (directory == nullptr) return -1;
  int count = 0;
  while (readdir(directory) != nullptr) count += 1;
  closedir(directory);
  return count - 3;  // ".", "..", and the directory itself
}

}  // namespace millrace::test

int main(int argc, char** argv) {
  using namespace millrace::test;
  int failed = 0;
  for (const Test* test = first; test != nullptr; test = test->next) {
    if (argc > 1 && std::strstr(test->name, argv[1]) == nullptr) continue;
    const int before = failures;
    const int descriptors = OpenDescriptors();
    test->run();
    EXPECT_EQ(OpenDescriptors(), descriptors);
    const bool ok = failures == before;
    if (!ok) failed += 1;
    std::printf("%s %s\n", ok ? "ok  " : "FAIL", test->name);
  }
  return failed == 0 ? 0 : 1;
}
