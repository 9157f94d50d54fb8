// One turn of the loop: events, the ready list, timers, closing, other threads.
#include "loop/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "harness.h"

using namespace millrace;

namespace {

struct Fixture {
  Arena arena;
  std::unique_ptr<Loop> loop = std::make_unique<Loop>();
  Fixture() {
    REQUIRE(arena.Open(size_t{64} << 20));
    REQUIRE(loop->Open(&arena) >= 0);
  }
  ~Fixture() { loop->CloseAll(); }

  const int32_t* Events() const { return arena.At<int32_t>(arena.layout().events); }
  const int32_t* Due() const { return arena.At<int32_t>(arena.layout().due); }
  double* Deadlines() const { return arena.At<double>(arena.layout().deadlines); }

  // The flags of a handle in this turn; 0 without an event.
  int FlagsOf(Handle handle) const {
    for (int i = 0; i < loop->event_count(); ++i) {
      if (Events()[i * 2] == static_cast<int32_t>(SlotOf(handle))) return Events()[i * 2 + 1];
    }
    return 0;
  }
  // Turns until nothing happens any more.
  void Settle() const {
    do {
      REQUIRE(loop->Poll(0) >= 0);
    } while (loop->event_count() > 0);
    loop->EndTurn();
  }
  int StartTimer(double delay_ms) const {
    const int id = loop->timers().Add();
    Deadlines()[id] = MonotonicMs() + delay_ms;
    loop->timers().Arm(id);
    return id;
  }
};

// A stream of the loop and its other end.
struct Stream {
  Handle handle = 0;
  UniqueFd far;
  explicit Stream(const Fixture& f) {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    for (const int fd : fds) fcntl(fd, F_SETFL, O_NONBLOCK);
    far.reset(fds[1]);
    handle = f.loop->Add(fds[0], Watch::kStream);
    REQUIRE(handle > 0);
  }
  void Say(const char* text) const { REQUIRE(write(far.get(), text, 1) == 1); }
};

}  // namespace

TEST(events_carry_slots_and_flags) {
  Fixture f;
  Stream a(f), b(f);
  f.Settle();
  b.Say("x");
  REQUIRE(f.loop->Poll(1000) >= 0);
  EXPECT_EQ(f.loop->event_count(), 1);
  EXPECT((f.FlagsOf(b.handle) & static_cast<int>(kRead)) != 0);
  EXPECT_EQ(f.FlagsOf(a.handle), 0);
}

TEST(a_slot_has_one_event_in_a_turn) {
  Fixture f;
  Stream a(f);
  f.Settle();
  a.Say("x");
  f.loop->MarkReady(a.handle, kWrite | kEof);
  REQUIRE(f.loop->Poll(1000) >= 0);
  EXPECT_EQ(f.loop->event_count(), 1);
  constexpr int kAll = kRead | kWrite | kEof;
  EXPECT_EQ(f.FlagsOf(a.handle) & kAll, kAll);
}

TEST(mark_ready_is_served_in_the_next_turn_without_sleeping) {
  Fixture f;
  Stream a(f);
  f.Settle();
  EXPECT_EQ(f.loop->MarkReady(a.handle, kRead), 0);
  EXPECT_EQ(f.loop->MarkReady(a.handle, kEof), 0);
  EXPECT_EQ(f.loop->NextTimeoutMs(), 0);
  REQUIRE(f.loop->Poll(-1) >= 0);
  EXPECT_EQ(f.FlagsOf(a.handle), kRead | kEof);
  EXPECT_EQ(f.loop->event_count(), 1);
  REQUIRE(f.loop->Poll(0) >= 0);
  EXPECT_EQ(f.loop->event_count(), 0);
  f.loop->Close(a.handle);
  EXPECT_EQ(f.loop->MarkReady(a.handle, kRead), -EBADF);
}

TEST(marking_during_a_turn_waits_for_the_next) {
  Fixture f;
  Stream a(f), b(f);
  f.Settle();
  f.loop->MarkReady(a.handle, kRead);
  REQUIRE(f.loop->Poll(-1) >= 0);
  f.loop->MarkReady(a.handle, kRead);
  f.loop->MarkReady(b.handle, kRead);
  EXPECT_EQ(f.loop->event_count(), 1);
  f.loop->EndTurn();
  REQUIRE(f.loop->Poll(-1) >= 0);
  EXPECT_EQ(f.loop->event_count(), 2);
  EXPECT_EQ(f.Events()[0], static_cast<int32_t>(SlotOf(a.handle)));
}

TEST(closing_voids_the_event_and_rests_the_slot) {
  Fixture f;
  Stream a(f);
  f.Settle();
  a.Say("x");
  REQUIRE(f.loop->Poll(1000) >= 0);
  REQUIRE(f.loop->event_count() == 1);
  EXPECT_EQ(f.loop->Close(a.handle), 0);
  EXPECT_EQ(f.Events()[1], 0);
  EXPECT_EQ(f.loop->Close(a.handle), -EBADF);
  Stream b(f);
  EXPECT(SlotOf(b.handle) != SlotOf(a.handle));
  f.loop->EndTurn();
  Stream c(f);
  EXPECT_EQ(SlotOf(c.handle), SlotOf(a.handle));
  EXPECT(c.handle != a.handle);
}

TEST(an_event_of_a_closed_descriptor_does_not_reach_its_successor) {
  Fixture f;
  Stream a(f);
  f.Settle();
  f.loop->MarkReady(a.handle, kRead);
  a.Say("x");
  f.loop->Close(a.handle);
  f.loop->EndTurn();
  Stream b(f);
  EXPECT_EQ(SlotOf(b.handle), SlotOf(a.handle));
  f.Settle();
  REQUIRE(f.loop->Poll(0) >= 0);
  EXPECT_EQ(f.FlagsOf(b.handle), 0);
}

TEST(more_ready_than_fits_is_served_in_later_turns_and_does_not_starve_the_poller) {
  Fixture f;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto capacity = static_cast<int>(f.arena.layout().event_capacity);
  Stream talking(f);
  std::vector<Stream> quiet;
  for (int i = 0; i < capacity + 500; ++i) quiet.emplace_back(f);
  f.Settle();
  for (const Stream& stream : quiet) f.loop->MarkReady(stream.handle, kRead);
  talking.Say("x");
  REQUIRE(f.loop->Poll(0) >= 0);
  EXPECT_EQ(f.loop->event_count(), capacity);
  EXPECT((f.FlagsOf(talking.handle) & static_cast<int>(kRead)) != 0);
  EXPECT_EQ(f.loop->NextTimeoutMs(), 0);
  REQUIRE(f.loop->Poll(-1) >= 0);
  EXPECT_EQ(f.loop->event_count(), 501);
}

TEST(a_poll_waits_for_the_next_timer_and_no_less) {
  Fixture f;
  const int id = f.StartTimer(15.5);
  const double begin = MonotonicMs();
  do {
    REQUIRE(f.loop->Poll(-1) >= 0);
  } while (f.loop->due_count() == 0);
  EXPECT_EQ(f.Due()[0], id);
  const double took = MonotonicMs() - begin;
  EXPECT(took >= 15.5);
  EXPECT(took < 500);
  EXPECT(*f.arena.At<double>(f.arena.layout().now) >= f.Deadlines()[id]);
}

TEST(the_limit_bounds_a_poll) {
  Fixture f;
  f.StartTimer(60000);
  const double begin = MonotonicMs();
  REQUIRE(f.loop->Poll(10) >= 0);
  EXPECT(MonotonicMs() - begin >= 10);
  EXPECT(MonotonicMs() - begin < 5000);
  EXPECT_EQ(f.loop->due_count(), 0);
}

TEST(wake_makes_one_poll_return) {
  Fixture f;
  f.loop->Wake();
  EXPECT_EQ(f.loop->NextTimeoutMs(), 0);
  REQUIRE(f.loop->Poll(-1) >= 0);
  EXPECT_EQ(f.loop->NextTimeoutMs(), -1);
}

TEST(another_thread_ends_a_poll_that_is_under_way) {
  Fixture f;
  pthread_t thread;
  REQUIRE(pthread_create(
              &thread, nullptr,
              [](void* loop) -> void* {
                usleep(20000);
                static_cast<Loop*>(loop)->WakeFromAnyThread();
                return nullptr;
              },
              f.loop.get()) == 0);
  REQUIRE(f.loop->Poll(-1) >= 0);
  pthread_join(thread, nullptr);
}

TEST(a_foreign_descriptor_is_seen_and_is_no_event) {
  Fixture f;
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  const UniqueFd reading(fds[0]), writing(fds[1]);
  REQUIRE(f.loop->WatchForeign(reading.get()) >= 0);
  REQUIRE(f.loop->Poll(0) >= 0);
  EXPECT(!f.loop->foreign_ready());
  REQUIRE(write(writing.get(), "x", 1) == 1);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(f.loop->Poll(1000) >= 0);
    EXPECT(f.loop->foreign_ready());
    EXPECT_EQ(f.loop->event_count(), 0);
  }
}

TEST(counters_tell_the_truth) {
  Fixture f;
  EXPECT_EQ(f.loop->descriptor_count(), 0);
  {
    Stream a(f), b(f);
    EXPECT_EQ(f.loop->descriptor_count(), 2);
    f.loop->Close(a.handle);
    EXPECT_EQ(f.loop->descriptor_count(), 1);
  }
  f.loop->CloseAll();
  EXPECT_EQ(f.loop->descriptor_count(), 0);
  const uint64_t polls = f.loop->polls();
  f.loop->Poll(0);
  EXPECT_EQ(f.loop->polls(), polls + 1);
}

TEST(an_idle_connection_is_small) { EXPECT(sizeof(Descriptor) <= 48); }
