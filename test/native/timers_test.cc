// The timer heap: order, lazy re-arming, and a comparison with a plain list.
#include "loop/timers.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <vector>

#include "harness.h"

using millrace::Timers;

namespace {

constexpr size_t kCapacity = 1000;
const double kNever = std::numeric_limits<double>::infinity();

struct Fixture {
  std::vector<double> deadlines = std::vector<double>(kCapacity);
  std::vector<double> scheduled = std::vector<double>(kCapacity);
  Timers timers;
  Fixture() { REQUIRE(timers.Init(deadlines.data(), scheduled.data(), kCapacity)); }

  int Start(double at) {
    const int id = timers.Add();
    deadlines[static_cast<size_t>(id)] = at;
    timers.Arm(id);
    return id;
  }
  double& Deadline(int id) { return deadlines[static_cast<size_t>(id)]; }
  double Scheduled(int id) { return scheduled[static_cast<size_t>(id)]; }
  std::vector<int> Due(double now, size_t capacity = kCapacity) {
    std::vector<int32_t> due(capacity + 1);
    due.resize(static_cast<size_t>(timers.CollectDue(now, due.data(), capacity)));
    return due;
  }
};

}  // namespace

TEST(due_in_the_order_of_deadlines_and_of_starts) {
  Fixture f;
  const int a = f.Start(20), b = f.Start(10), c = f.Start(20), d = f.Start(5), e = f.Start(21);
  EXPECT_EQ(f.timers.next(), 5);
  EXPECT(f.Due(4.9).empty());
  EXPECT(f.Due(20) == (std::vector<int>{d, b, a, c}));
  EXPECT(f.Scheduled(a) == kNever);
  EXPECT_EQ(f.Deadline(a), 20);  // stays, so that the owner can compare
  EXPECT(f.Due(20).empty());
  EXPECT(f.Due(100) == std::vector<int>{e});
  EXPECT(f.timers.next() == kNever);
}

TEST(moving_later_is_a_store) {
  Fixture f;
  const int a = f.Start(10), b = f.Start(15);
  f.Deadline(a) = 30;
  EXPECT_EQ(f.Scheduled(a), 10);
  EXPECT(f.Due(12).empty());
  EXPECT_EQ(f.Scheduled(a), 30);  // the heap reached the old place
  EXPECT_EQ(f.timers.next(), 15);
  EXPECT(f.Due(40) == (std::vector<int>{b, a}));
}

TEST(a_moved_timer_that_is_due_all_the_same_keeps_the_order) {
  Fixture f;
  const int a = f.Start(10), b = f.Start(12);
  f.Deadline(a) = 15;
  EXPECT(f.Due(20) == (std::vector<int>{b, a}));
}

TEST(moving_earlier_needs_arm) {
  Fixture f;
  const int a = f.Start(100);
  f.Start(50);
  f.Deadline(a) = 20;
  f.timers.Arm(a);
  EXPECT_EQ(f.timers.next(), 20);
  EXPECT(f.Due(20) == std::vector<int>{a});
}

TEST(disarming_is_a_store_too) {
  Fixture f;
  const int a = f.Start(10), b = f.Start(11);
  f.Deadline(a) = kNever;
  EXPECT(f.Due(11) == std::vector<int>{b});
  EXPECT(f.Scheduled(a) == kNever);
  f.Deadline(b) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(f.timers.Arm(b), 0);
  EXPECT(f.timers.next() == kNever);
}

TEST(a_removed_id_rests_until_recycled) {
  Fixture f;
  const int a = f.Start(10);
  EXPECT_EQ(f.timers.Remove(a), 0);
  EXPECT(f.Deadline(a) == kNever);
  EXPECT_EQ(f.timers.Remove(a), -EINVAL);
  EXPECT_EQ(f.timers.Arm(a), -EINVAL);
  EXPECT_EQ(f.timers.Arm(-1), -EINVAL);
  EXPECT_EQ(f.timers.Arm(999), -EINVAL);
  const int b = f.timers.Add();
  EXPECT(b != a);
  f.timers.Recycle();
  EXPECT_EQ(f.timers.Add(), a);
  EXPECT_EQ(f.timers.size(), 2);
}

TEST(what_does_not_fit_stays_for_the_next_turn) {
  Fixture f;
  std::vector<int> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(f.Start(i));
  EXPECT(f.Due(100, 4) == std::vector<int>(ids.begin(), ids.begin() + 4));
  EXPECT_EQ(f.timers.next(), 4);
  EXPECT(f.Due(100, 100) == std::vector<int>(ids.begin() + 4, ids.end()));
}

TEST(every_id_can_be_taken) {
  Fixture f;
  for (size_t i = 0; i < kCapacity; ++i) EXPECT(f.timers.Add() >= 0);
  EXPECT_EQ(f.timers.Add(), -ENOMEM);
}

TEST(random_use_agrees_with_a_plain_list) {
  Fixture f;
  struct Plain {
    int id;
    double at;  // as last armed or moved
  };
  std::vector<Plain> plain;
  millrace::test::Random random(2);
  double now = 0;
  for (int step = 0; step < 100000; ++step) {
    const unsigned what = random() % 10;
    const double at = now + random() % 200 * 0.5;
    Plain* some = plain.empty() ? nullptr : &plain[random() % plain.size()];
    if (what < 3 && plain.size() < 900) {
      const int id = f.timers.Add();
      REQUIRE(id >= 0);
      f.Deadline(id) = at;
      f.timers.Arm(id);
      plain.push_back({id, at});
    } else if (what < 6 && some != nullptr) {
      some->at = at;
      f.Deadline(some->id) = at;
      if (at < f.Scheduled(some->id)) f.timers.Arm(some->id);
    } else if (what == 6 && some != nullptr) {
      some->at = kNever;
      f.Deadline(some->id) = kNever;
    } else if (what == 7 && some != nullptr) {
      f.timers.Remove(some->id);
      plain.erase(plain.begin() + (some - plain.data()));
    } else {
      now += random() % 40 * 0.25;
      std::vector<int> due = f.Due(now);
      for (size_t i = 1; i < due.size(); ++i) {
        EXPECT(f.Deadline(due[i - 1]) <= f.Deadline(due[i]));
      }
      std::vector<int> expected;
      for (Plain& timer : plain) {
        if (timer.at > now) continue;
        expected.push_back(timer.id);
        timer.at = kNever;
      }
      for (const int id : due) f.Deadline(id) = kNever;
      std::sort(due.begin(), due.end());
      std::sort(expected.begin(), expected.end());
      EXPECT(due == expected);
      f.timers.Recycle();
    }
  }
}
