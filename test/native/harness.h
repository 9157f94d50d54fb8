// A small test harness: TEST makes a test, EXPECT and EXPECT_EQ report and go on,
// REQUIRE ends the program. Every test of an executable runs, or those whose name
// contains its first argument.
#ifndef MILLRACE_TEST_HARNESS_H_
#define MILLRACE_TEST_HARNESS_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace millrace::test {

struct Test {
  Test(const char* name, void (*run)());
  const char* name;
  void (*run)();
  Test* next = nullptr;
};

void Fail(const char* file, int line, const char* what);
void FailEqual(const char* file, int line, const char* what, long long actual, long long expected);

// xorshift32: the same numbers on every run and system.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u | 1) {}
  uint32_t operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }

 private:
  uint32_t state_;
};

// Number of open descriptors of this process.
int OpenDescriptors();

}  // namespace millrace::test

#define TEST(name)                                               \
  static void Test_##name();                                     \
  static ::millrace::test::Test test_##name(#name, Test_##name); \
  static void Test_##name()

#define EXPECT(condition)                                                     \
  do {                                                                        \
    if (!(condition)) ::millrace::test::Fail(__FILE__, __LINE__, #condition); \
  } while (false)

#define EXPECT_EQ(actual, expected)                                                             \
  do {                                                                                          \
    const auto expect_actual = static_cast<long long>(actual);                                  \
    const auto expect_expected = static_cast<long long>(expected);                              \
    if (expect_actual != expect_expected) {                                                     \
      ::millrace::test::FailEqual(__FILE__, __LINE__, #actual, expect_actual, expect_expected); \
    }                                                                                           \
  } while (false)

#define REQUIRE(condition)                                    \
  do {                                                        \
    if (!(condition)) {                                       \
      ::millrace::test::Fail(__FILE__, __LINE__, #condition); \
      std::exit(1);                                           \
    }                                                         \
  } while (false)

#endif  // MILLRACE_TEST_HARNESS_H_
