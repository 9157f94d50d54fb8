// Relays: bytes move from stream to stream between the loop and its owner, at the pace of
// the slower side, with every way in which they end.
#include "relay/relay.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <limits>
#include <string>
#include <vector>

#include "net_fixture.h"

using namespace millrace;
using millrace::test::Ends;
using millrace::test::NetFixture;

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// backend ──► source ══ relay ══► target ──► client
struct Fixture : NetFixture {
  Relays relays;
  Handle listener = 0;
  Ends* in = nullptr;
  Ends* out = nullptr;
  Handle backend = 0, source = 0, target = 0, client = 0;
  int32_t source_timer = -1, target_timer = -1;
  int events = 0;         // of source and target that were left to their owner in the last turn
  uint32_t reported = 0;  // flags of the source that were

  Fixture() {
    std::signal(SIGPIPE, SIG_IGN);
    REQUIRE(relays.Open(&loop));
    listener = Listen(loop, "127.0.0.1", 0, 16, 0);
    const int port = PortOf(listener);
    in = new Ends(*this, listener, "127.0.0.1", port);
    out = new Ends(*this, listener, "127.0.0.1", port);
    backend = in->server;
    source = in->client;
    target = out->server;
    client = out->client;
    source_timer = loop.timers().Add();
    target_timer = loop.timers().Add();
    Settle();
  }
  ~Fixture() {
    delete in;
    delete out;
  }

  void Settle() {
    do {
      REQUIRE(loop.Poll(0) >= 0);
    } while (loop.event_count() > 0);
    loop.EndTurn();
  }

  Handle Start(int64_t length, double timeout_ms = 10000) {
    return relays.Start({source, source_timer, timeout_ms}, {target, target_timer, timeout_ms},
                        length, false);
  }

  // One turn; what the owner would see.
  void Turn(double limit_ms = 20) {
    REQUIRE(loop.Poll(limit_ms) >= 0);
    relays.Serve();
    events = 0;
    const int32_t* pairs = arena.At<int32_t>(arena.layout().events);
    for (int i = 0; i < loop.event_count(); ++i) {
      const auto flags = static_cast<uint32_t>(pairs[i * 2 + 1]);
      const bool of_source = pairs[i * 2] == static_cast<int32_t>(SlotOf(source));
      if (of_source) reported |= flags;
      if (of_source || pairs[i * 2] == static_cast<int32_t>(SlotOf(target))) {
        events += flags != 0 ? 1 : 0;
      }
    }
    loop.EndTurn();
  }

  // Turns until the relay is over; what the client receives is appended when `read`.
  RelayState Run(Handle relay, bool read) {
    const double until = MonotonicMs() + 5000;
    while (relays.Find(relay)->state == RelayState::kRunning && MonotonicMs() < until) {
      Turn(5);
      if (read) Read();
      Feed();
    }
    Read();
    return relays.Find(relay)->state;
  }

  void Read() {
    char buffer[65536];
    for (;;) {
      const int count = Receive(loop, client, buffer, sizeof buffer);
      if (count <= 0) return;
      got.append(buffer, static_cast<size_t>(count));
    }
  }

  // Sends what is left of `data`, as far as the kernel takes it.
  void Feed() {
    while (fed < data.size()) {
      const int sent = Send(loop, backend, data.data() + fed, data.size() - fed);
      if (sent <= 0) return;
      fed += static_cast<size_t>(sent);
    }
  }

  double Deadline(int32_t timer) const { return arena.At<double>(arena.layout().deadlines)[timer]; }

  std::string data, got;
  size_t fed = 0;
};

std::string Bytes(size_t size) {
  std::string result(size, '\0');
  test::Random random(7);
  for (char& byte : result) byte = static_cast<char>(random());
  return result;
}

// What the client does not read soon fills the target.
void MakeSlow(Fixture& f) { SetOption(f.loop, f.target, Option::kSendBuffer, 65536); }

}  // namespace

TEST(bytes_arrive_in_order_whatever_the_length) {
  for (const size_t size : {size_t{1}, size_t{4095}, size_t{65535}, size_t{65536}, size_t{65537},
                            size_t{300001}, size_t{1} << 20, (size_t{3} << 20) + 17}) {
    Fixture f;
    f.data = Bytes(size);
    const Handle relay = f.Start(static_cast<int64_t>(size));
    REQUIRE(relay > 0);
    f.Feed();
    EXPECT_EQ(f.Run(relay, true), RelayState::kDone);
    EXPECT(f.got == f.data);
    EXPECT_EQ(f.relays.Find(relay)->received, size);
    EXPECT_EQ(f.relays.Find(relay)->sent, size);
    EXPECT((f.reported & kRelayed) != 0);
    EXPECT_EQ(f.reported & (kRead | kEof | kError), 0);
    f.relays.End(relay);
    EXPECT_EQ(f.relays.size(), 0);
    EXPECT_EQ(f.arena.blocks().blocks(), 0);
  }
}

TEST(what_was_readable_before_waits_for_mark_ready) {
  Fixture f;
  f.data = Bytes(1000);
  f.Feed();
  f.Turn();
  const Handle relay = f.Start(1000);
  f.Turn(5);
  EXPECT_EQ(f.relays.Find(relay)->received, 0);
  f.loop.MarkReady(f.source, kRead);
  EXPECT_EQ(f.Run(relay, true), RelayState::kDone);
  EXPECT(f.got == f.data);
}

TEST(the_owner_sees_nothing_of_the_pieces) {
  Fixture f;
  const Handle relay = f.Start(Relays::kUntilEnd);
  for (int i = 0; i < 50; ++i) {
    f.data = Bytes(3000);
    f.fed = 0;
    f.Feed();
    f.Turn();
    EXPECT_EQ(f.events, 0);
    f.Read();
    f.loop.EndTurn();
  }
  EXPECT_EQ(f.relays.Find(relay)->sent, 150000);
  EXPECT_EQ(f.got.size(), 150000);
}

TEST(more_than_the_length_is_left_at_the_source) {
  Fixture f;
  f.data = Bytes(200010);
  const Handle relay = f.Start(200000);
  f.Feed();
  EXPECT_EQ(f.Run(relay, true), RelayState::kDoneMore);
  EXPECT(f.got == f.data.substr(0, 200000));
  char rest[64];
  EXPECT_EQ(Receive(f.loop, f.source, rest, sizeof rest), 10);
  EXPECT(std::string(rest, 10) == f.data.substr(200000));
}

TEST(an_end_right_behind_the_length_is_more_too) {
  Fixture f;
  f.data = Bytes(100000);
  const Handle relay = f.Start(100000);
  f.Feed();
  Shutdown(f.loop, f.backend);
  EXPECT_EQ(f.Run(relay, true), RelayState::kDoneMore);
  EXPECT(f.got == f.data);
}

TEST(the_end_of_the_source_ends_it) {
  for (const int64_t length : {int64_t{500000}, Relays::kUntilEnd}) {
    Fixture f;
    f.data = Bytes(123457);
    const Handle relay = f.Start(length);
    f.Feed();
    Shutdown(f.loop, f.backend);
    EXPECT_EQ(f.Run(relay, true), RelayState::kSourceEnded);
    EXPECT(f.got == f.data);
    // The end can be read again by the owner.
    char byte;
    EXPECT_EQ(Receive(f.loop, f.source, &byte, 1), 0);
  }
}

TEST(a_reset_of_the_source_ends_it) {
  Fixture f;
  const Handle relay = f.Start(500000);
  SetOption(f.loop, f.backend, Option::kResetOnClose, 1);
  f.loop.Close(f.backend);
  EXPECT_EQ(f.Run(relay, true), RelayState::kSourceFailed);
  EXPECT_EQ(f.relays.Find(relay)->error, ECONNRESET);
}

TEST(a_reset_of_the_target_ends_it) {
  Fixture f;
  f.data = Bytes(300000);
  const Handle relay = f.Start(300000);
  SetOption(f.loop, f.client, Option::kResetOnClose, 1);
  f.loop.Close(f.client);
  f.Turn();
  f.Feed();
  EXPECT_EQ(f.Run(relay, false), RelayState::kTargetFailed);
  const int error = f.relays.Find(relay)->error;
  EXPECT(error == ECONNRESET || error == EPIPE);
  EXPECT_EQ(f.arena.blocks().blocks(), 0);
}

TEST(a_slow_target_stops_the_reading_of_the_source) {
  Fixture f;
  MakeSlow(f);
  f.data = Bytes(size_t{12} << 20);
  const Handle relay = f.Start(static_cast<int64_t>(f.data.size()));
  for (int i = 0; i < 200; ++i) {
    f.Feed();
    f.Turn(1);
  }
  const Relay& state = *f.relays.Find(relay);
  EXPECT(state.held > 0);
  EXPECT(state.held <= static_cast<int32_t>(Relays::kBudgetBytes));
  EXPECT_EQ(state.received - state.sent, state.held);
  EXPECT(state.received < (4 << 20));
  EXPECT_EQ(f.Run(relay, true), RelayState::kDone);
  EXPECT(f.got == f.data);
  EXPECT_EQ(f.arena.blocks().blocks(), 0);
}

TEST(the_deadline_of_the_side_that_is_waited_for_counts) {
  Fixture f;
  MakeSlow(f);
  const Handle relay = f.Start(size_t{12} << 20, 1000);
  f.data = Bytes(100);
  f.Feed();
  f.Turn();
  const double now = *f.arena.At<double>(f.arena.layout().now);
  EXPECT(f.Deadline(f.source_timer) == now + 1000);
  EXPECT(f.Deadline(f.target_timer) == kNever);
  f.data = Bytes(size_t{12} << 20);
  f.fed = 0;
  for (int i = 0; i < 200; ++i) {
    f.Feed();
    f.Turn(1);
  }
  EXPECT(f.Deadline(f.source_timer) == kNever);
  const double stalled = f.Deadline(f.target_timer);
  EXPECT(stalled < kNever);
  // More from the source is no progress of the target.
  f.Turn(5);
  EXPECT(f.Deadline(f.target_timer) == stalled);
  f.fed = f.data.size();
  while (f.relays.Find(relay)->held > 0) {
    f.Turn(1);
    f.Read();
  }
  EXPECT(f.Deadline(f.source_timer) < kNever);
  EXPECT(f.Deadline(f.target_timer) == kNever);
}

TEST(what_the_target_sends_is_its_owners) {
  Fixture f;
  f.Start(1000000);
  REQUIRE(Send(f.loop, f.client, "next", 4) == 4);
  f.Turn();
  EXPECT_EQ(f.events, 1);
  char text[8];
  EXPECT_EQ(Receive(f.loop, f.target, text, sizeof text), 4);
}

TEST(the_sources_owner_hears_of_room_that_it_waits_for) {
  Fixture f;
  f.Start(1000000);
  const std::string much(size_t{16} << 20, 'x');
  while (Send(f.loop, f.source, much.data(), much.size()) > 0) {
  }
  char buffer[65536];
  const double until = MonotonicMs() + 2000;
  while ((f.reported & kWrite) == 0 && MonotonicMs() < until) {
    while (Receive(f.loop, f.backend, buffer, sizeof buffer) > 0) {
    }
    f.Turn(5);
  }
  EXPECT((f.reported & kWrite) != 0);
}

TEST(a_close_of_either_side_stops_it_and_keeps_the_counts) {
  for (const bool of_source : {true, false}) {
    Fixture f;
    f.data = Bytes(5000);
    const Handle relay = f.Start(1000000);
    f.Feed();
    while (f.relays.Find(relay)->sent < 5000) f.Turn();
    const Handle stream = of_source ? f.source : f.target;
    f.relays.OnClose(stream);
    f.loop.Close(stream);
    EXPECT_EQ(f.relays.Find(relay)->sent, 5000);
    EXPECT_EQ(f.relays.Find(relay)->state,
              of_source ? RelayState::kSourceFailed : RelayState::kTargetFailed);
    f.Turn(5);
    f.relays.End(relay);
    EXPECT(f.relays.Find(relay) == nullptr);
    f.relays.End(relay);
  }
}

TEST(one_relay_from_a_source_and_one_into_a_target) {
  Fixture f;
  const Handle there = f.Start(1000);
  EXPECT_EQ(f.Start(1000), -EBUSY);
  EXPECT_EQ(f.relays.Start({f.backend, -1, 0}, {f.target, -1, 0}, 10, false), -EBUSY);
  // The other direction is free.
  const Handle back =
      f.relays.Start({f.target, -1, 0}, {f.source, -1, 0}, Relays::kUntilEnd, false);
  EXPECT(back > 0);
  f.data = Bytes(1000);
  f.Feed();
  REQUIRE(Send(f.loop, f.client, "hello", 5) == 5);
  EXPECT_EQ(f.Run(there, true), RelayState::kDone);
  const double until = MonotonicMs() + 2000;
  while (f.relays.Find(back)->sent < 5 && MonotonicMs() < until) f.Turn(5);
  char text[8];
  EXPECT(f.Reports(f.backend, kRead));
  EXPECT_EQ(Receive(f.loop, f.backend, text, sizeof text), 5);
  f.loop.Close(f.client);
  EXPECT_EQ(f.Start(1000) > 0, true);
  EXPECT_EQ(f.relays.Start({f.client, -1, 0}, {f.source, -1, 0}, 10, false), -EBADF);
}

TEST(without_descriptors_for_pipes_it_copies) {
  Fixture f;
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int lowest = dup(0);
  close(lowest);
  const rlimit tight{static_cast<rlim_t>(lowest), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  f.data = Bytes(size_t{2} << 20);
  const Handle relay = f.Start(static_cast<int64_t>(f.data.size()));
  f.Feed();
  EXPECT_EQ(f.Run(relay, true), RelayState::kDone);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_EQ(f.relays.pipe_count(), 0);
  EXPECT(f.got == f.data);
}

TEST(pipes_are_held_only_while_bytes_are_inside) {
  Fixture f;
  f.data = Bytes(size_t{2} << 20);
  const Handle relay = f.Start(static_cast<int64_t>(f.data.size()) + 1);
  f.Feed();
  while (f.relays.Find(relay)->sent < static_cast<int64_t>(f.data.size())) {
    f.Turn(5);
    f.Read();
    f.Feed();
  }
  f.Turn(5);
  EXPECT(!f.relays.Find(relay)->pipe.open);
  EXPECT_EQ(f.relays.pipe_count(), Pipes::kSupported ? 1 : 0);
}

TEST(many_relays_at_once) {
  constexpr int kCount = 60;
  std::signal(SIGPIPE, SIG_IGN);
  NetFixture f;
  Relays relays;
  REQUIRE(relays.Open(&f.loop));
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 128, 0);
  const int port = f.PortOf(listener);
  const std::string data = Bytes(700001);
  struct One {
    Ends in, out;
    Handle relay;
    size_t fed = 0;
    std::string got;
  };
  std::vector<One> all;
  for (int i = 0; i < kCount; ++i) {
    all.push_back(
        {Ends(f, listener, "127.0.0.1", port), Ends(f, listener, "127.0.0.1", port), 0, 0, {}});
    One& one = all.back();
    SetOption(f.loop, one.out.server, Option::kSendBuffer, 65536);
    one.relay = relays.Start({one.in.client, -1, 0}, {one.out.server, -1, 0},
                             static_cast<int64_t>(data.size()), false);
    REQUIRE(one.relay > 0);
  }
  std::vector<char> buffer(65536);
  const double until = MonotonicMs() + 20000;
  for (int turn = 0, left = kCount; left > 0 && MonotonicMs() < until; ++turn) {
    REQUIRE(f.loop.Poll(1) >= 0);
    relays.Serve();
    EXPECT(relays.pipe_count() <= Pipes::kMaxPipes);
    left = 0;
    for (One& one : all) {
      while (one.fed < data.size()) {
        const int sent = Send(f.loop, one.in.server, data.data() + one.fed, data.size() - one.fed);
        if (sent <= 0) break;
        one.fed += static_cast<size_t>(sent);
      }
      // Clients that read late: every pipe is in use, and some relays have none.
      if (turn < 50) continue;
      const int count = Receive(f.loop, one.out.client, buffer.data(), buffer.size());
      if (count > 0) one.got.append(buffer.data(), static_cast<size_t>(count));
    }
    for (const One& one : all) left += one.got.size() < data.size() ? 1 : 0;
  }
  for (const One& one : all) {
    EXPECT(one.got == data);
    relays.End(one.relay);
  }
  EXPECT(relays.pipe_count() <= Pipes::kKept);
  EXPECT_EQ(f.arena.blocks().blocks(), 0);
}
