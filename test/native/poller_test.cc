// The contract of the poller (native/poller/poller.h), the same for every backend.
#include "poller/poller.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "harness.h"

using namespace millrace;

namespace {

constexpr uint32_t kA = 0x100001, kB = 0x7fffffff, kForeign = 0xffffffff;

struct Pair {
  UniqueFd near, far;
  Pair() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    near.reset(fds[0]);
    far.reset(fds[1]);
    for (const int fd : fds) REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  }
};

struct TcpListener {
  UniqueFd fd;
  sockaddr_in address{};
  TcpListener() {
    fd.reset(socket(AF_INET, SOCK_STREAM, 0));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd.get(), 16) == 0);
    socklen_t size = sizeof address;
    REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(fcntl(fd.get(), F_SETFL, O_NONBLOCK) == 0);
  }
  // Starts a connection; `watch` sees it between connect and its completion.
  UniqueFd Connect() const {
    UniqueFd client(socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(fcntl(client.get(), F_SETFL, O_NONBLOCK) == 0);
    const int status =
        connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    REQUIRE(status == 0 || errno == EINPROGRESS);
    return client;
  }
};

// The flags that one Wait reports for a token, merged as the loop does.
uint32_t WaitFor(Poller& poller, uint32_t token, double timeout_ms = 1000) {
  PollEvent events[16];
  const int count = poller.Wait(events, 16, timeout_ms);
  REQUIRE(count >= 0);
  uint32_t flags = 0;
  for (int i = 0; i < count; ++i) {
    if (events[i].token == token) flags |= events[i].flags;
  }
  return flags;
}

// Waits until all of `flags` were reported for the token, in however many events.
bool Reports(Poller& poller, uint32_t token, uint32_t flags) {
  uint32_t seen = 0;
  const double until = MonotonicMs() + 2000;
  while ((seen & flags) != flags && MonotonicMs() < until) seen |= WaitFor(poller, token, 100);
  return (seen & flags) == flags;
}

// Waits until nothing is reported any more.
void Drain(Poller& poller) {
  PollEvent events[16];
  while (poller.Wait(events, 16, 0) > 0) {
  }
}

void Send(int fd, const char* text) {
  REQUIRE(write(fd, text, std::strlen(text)) == static_cast<ssize_t>(std::strlen(text)));
}

size_t FillUp(int fd) {
  static const char block[65536] = {};
  size_t total = 0;
  for (;;) {
    const ssize_t count = send(fd, block, sizeof block, MSG_DONTWAIT);
    if (count <= 0) break;
    total += static_cast<size_t>(count);
  }
  return total;
}

size_t ReadAll(int fd) {
  static char block[65536];
  size_t total = 0;
  for (;;) {
    const ssize_t count = read(fd, block, sizeof block);
    if (count <= 0) return total;
    total += static_cast<size_t>(count);
  }
}

}  // namespace

TEST(an_empty_wait_ends_in_time_and_never_too_early) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  PollEvent events[4];
  for (const double timeout_ms : {0.0, 0.3, 1.0, 7.5, 20.2}) {
    const double begin = MonotonicMs();
    EXPECT_EQ(poller.Wait(events, 4, timeout_ms), 0);
    EXPECT(MonotonicMs() - begin >= timeout_ms);
  }
}

TEST(data_is_reported_once_for_each_change) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  Drain(poller);
  Send(pair.far.get(), "one");
  EXPECT((WaitFor(poller, kA) & kRead) != 0);
  EXPECT_EQ(WaitFor(poller, kA, 0) & kRead, 0);  // edge-triggered: not again
  Send(pair.far.get(), "two");
  EXPECT((WaitFor(poller, kA) & kRead) != 0);
  EXPECT_EQ(ReadAll(pair.near.get()), 6);
  EXPECT_EQ(WaitFor(poller, kA, 0) & kRead, 0);
}

TEST(data_that_was_there_before_is_reported) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  Send(pair.far.get(), "early");
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kB) >= 0);
  EXPECT((WaitFor(poller, kB) & kRead) != 0);
}

TEST(tokens_come_back_as_given) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair a, b;
  REQUIRE(poller.Add(a.near.get(), Watch::kStream, kA) >= 0);
  REQUIRE(poller.Add(b.near.get(), Watch::kStream, kB) >= 0);
  Drain(poller);
  Send(b.far.get(), "x");
  PollEvent events[4];
  REQUIRE(poller.Wait(events, 4, 1000) == 1);
  EXPECT_EQ(events[0].token, kB);
}

TEST(writability_is_reported_when_awaited) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  Drain(poller);
  EXPECT(FillUp(pair.near.get()) > 0);
  REQUIRE(poller.AwaitWritable(pair.near.get(), kA) >= 0);
  EXPECT_EQ(WaitFor(poller, kA, 0) & kWrite, 0);
  ReadAll(pair.far.get());
  EXPECT(Reports(poller, kA, kWrite));
  EXPECT(FillUp(pair.near.get()) > 0);  // expected implies actual
  // And once more: each wish is its own.
  REQUIRE(poller.AwaitWritable(pair.near.get(), kA) >= 0);
  ReadAll(pair.far.get());
  EXPECT(Reports(poller, kA, kWrite));
}

TEST(awaiting_does_not_hide_or_repeat_reading) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  Drain(poller);
  FillUp(pair.near.get());
  Send(pair.far.get(), "data");
  REQUIRE(poller.AwaitWritable(pair.near.get(), kA) >= 0);
  EXPECT(Reports(poller, kA, kRead));
  ReadAll(pair.far.get());
  EXPECT(Reports(poller, kA, kWrite));
}

TEST(end_of_stream_is_reported_with_and_without_data) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair silent, talking;
  REQUIRE(poller.Add(silent.near.get(), Watch::kStream, kA) >= 0);
  REQUIRE(poller.Add(talking.near.get(), Watch::kStream, kB) >= 0);
  Drain(poller);
  REQUIRE(shutdown(silent.far.get(), SHUT_WR) == 0);
  EXPECT(Reports(poller, kA, kRead | kEof));
  char byte;
  EXPECT_EQ(read(silent.near.get(), &byte, 1), 0);
  Send(talking.far.get(), "last");
  REQUIRE(shutdown(talking.far.get(), SHUT_WR) == 0);
  EXPECT(Reports(poller, kB, kRead | kEof));
  EXPECT_EQ(ReadAll(talking.near.get()), 4);
}

TEST(a_close_of_the_peer_is_reported) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  Drain(poller);
  pair.far.reset();
  EXPECT(Reports(poller, kA, kRead | kEof));
}

TEST(a_reset_is_reported_as_readable) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  TcpListener listener;
  UniqueFd client = listener.Connect();
  UniqueFd server(accept(listener.fd.get(), nullptr, nullptr));
  REQUIRE(server.valid());
  REQUIRE(fcntl(server.get(), F_SETFL, O_NONBLOCK) == 0);
  REQUIRE(poller.Add(server.get(), Watch::kStream, kA) >= 0);
  Drain(poller);
  const linger reset{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  client.reset();
  EXPECT(Reports(poller, kA, kRead | kEof));
  char byte;
  EXPECT_EQ(read(server.get(), &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST(a_connection_that_is_made_becomes_writable) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  TcpListener listener;
  const UniqueFd client = listener.Connect();
  REQUIRE(poller.Add(client.get(), Watch::kStream, kA) >= 0);
  REQUIRE(poller.AwaitWritable(client.get(), kA) >= 0);
  EXPECT(Reports(poller, kA, kWrite));
  int error = -1;
  socklen_t size = sizeof error;
  getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  EXPECT_EQ(error, 0);
}

TEST(a_connection_that_is_refused_becomes_writable_too) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  TcpListener listener;
  listener.fd.reset();
  const UniqueFd client = listener.Connect();
  REQUIRE(poller.Add(client.get(), Watch::kStream, kA) >= 0);
  REQUIRE(poller.AwaitWritable(client.get(), kA) >= 0);
  EXPECT(Reports(poller, kA, kRead | kWrite));
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST(listeners_are_level_triggered) {
  for (const Watch watch : {Watch::kListener, Watch::kSharedListener}) {
    Poller poller;
    REQUIRE(poller.Open() >= 0);
    TcpListener listener;
    REQUIRE(poller.Add(listener.fd.get(), watch, kA) >= 0);
    EXPECT_EQ(WaitFor(poller, kA, 0), 0);
    const UniqueFd one = listener.Connect(), two = listener.Connect();
    EXPECT_EQ(WaitFor(poller, kA), kRead);
    EXPECT_EQ(WaitFor(poller, kA), kRead);
    UniqueFd(accept(listener.fd.get(), nullptr, nullptr));
    EXPECT_EQ(WaitFor(poller, kA), kRead);
    UniqueFd(accept(listener.fd.get(), nullptr, nullptr));
    EXPECT_EQ(WaitFor(poller, kA, 0), 0);
  }
}

TEST(a_listener_is_paused_by_remove_and_resumed_by_add) {
  for (const Watch watch : {Watch::kListener, Watch::kSharedListener}) {
    Poller poller;
    REQUIRE(poller.Open() >= 0);
    TcpListener listener;
    REQUIRE(poller.Add(listener.fd.get(), watch, kA) >= 0);
    const UniqueFd client = listener.Connect();
    EXPECT(Reports(poller, kA, kRead));
    REQUIRE(poller.Remove(listener.fd.get(), watch) >= 0);
    EXPECT_EQ(WaitFor(poller, kA, 0), 0);
    REQUIRE(poller.Add(listener.fd.get(), watch, kB) >= 0);
    EXPECT(Reports(poller, kB, kRead));
  }
}

TEST(a_foreign_descriptor_is_level_triggered) {
  Poller inner, outer;
  REQUIRE(inner.Open() >= 0 && outer.Open() >= 0);
  Pair pair;
  REQUIRE(outer.Add(pair.near.get(), Watch::kForeign, kForeign) >= 0);
  EXPECT_EQ(WaitFor(outer, kForeign, 0), 0);
  Send(pair.far.get(), "x");
  EXPECT_EQ(WaitFor(outer, kForeign), kRead);
  EXPECT_EQ(WaitFor(outer, kForeign), kRead);
  ReadAll(pair.near.get());
  EXPECT_EQ(WaitFor(outer, kForeign, 0), 0);
}

TEST(datagrams_are_reported) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  int fds[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
  const UniqueFd near(fds[0]), far(fds[1]);
  REQUIRE(poller.Add(near.get(), Watch::kDatagram, kA) >= 0);
  Drain(poller);
  Send(far.get(), "datagram");
  EXPECT((WaitFor(poller, kA) & kRead) != 0);
}

TEST(closing_ends_the_watch) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  Send(pair.far.get(), "x");
  const int number = pair.near.get();
  pair.near.reset();
  EXPECT_EQ(WaitFor(poller, kA, 0), 0);
  // The same number, another socket, another token.
  Pair other;
  EXPECT(other.near.get() == number || other.far.get() == number);
  const int again = other.near.get() == number ? other.near.get() : other.far.get();
  REQUIRE(poller.Add(again, Watch::kStream, kB) >= 0);
  Drain(poller);
  Send(other.near.get() == number ? other.far.get() : other.near.get(), "y");
  EXPECT((WaitFor(poller, kB) & kRead) != 0);
}

TEST(remove_ends_the_watch_of_a_shared_description) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  Pair pair;
  REQUIRE(poller.Add(pair.near.get(), Watch::kStream, kA) >= 0);
  const UniqueFd copy(dup(pair.near.get()));
  REQUIRE(poller.Remove(pair.near.get(), Watch::kStream) >= 0);
  pair.near.reset();
  Send(pair.far.get(), "x");
  EXPECT_EQ(WaitFor(poller, kA, 0), 0);
}

TEST(errors_are_returned) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  EXPECT_EQ(poller.Add(9999, Watch::kStream, kA), -EBADF);
  EXPECT(poller.Remove(9999, Watch::kStream) < 0);
}

TEST(at_most_capacity_events_and_none_is_lost) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  std::vector<Pair> pairs(40);
  for (uint32_t i = 0; i < 40; ++i) {
    REQUIRE(poller.Add(pairs[i].near.get(), Watch::kStream, i + 1) >= 0);
  }
  Drain(poller);
  for (const Pair& pair : pairs) Send(pair.far.get(), "x");
  std::vector<bool> seen(41);
  PollEvent events[7];
  for (int round = 0; round < 30; ++round) {
    const int count = poller.Wait(events, 7, 0);
    REQUIRE(count >= 0 && count <= 7);
    for (int i = 0; i < count; ++i) seen[events[i].token] = true;
  }
  for (size_t i = 1; i <= 40; ++i) EXPECT(seen[i]);
}

TEST(wake_ends_the_next_wait) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  PollEvent events[4];
  poller.Wake();
  poller.Wake();
  const double begin = MonotonicMs();
  EXPECT_EQ(poller.Wait(events, 4, 5000), 0);
  EXPECT(MonotonicMs() - begin < 2000);
  const double again = MonotonicMs();
  EXPECT_EQ(poller.Wait(events, 4, 10), 0);  // two calls ended one wait
  EXPECT(MonotonicMs() - again >= 10);
}

TEST(wake_comes_from_other_threads) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  for (int round = 0; round < 3; ++round) {
    pthread_t thread;
    REQUIRE(pthread_create(
                &thread, nullptr,
                [](void* argument) -> void* {
                  usleep(20000);
                  static_cast<Poller*>(argument)->Wake();
                  return nullptr;
                },
                &poller) == 0);
    PollEvent events[4];
    const double begin = MonotonicMs();
    EXPECT_EQ(poller.Wait(events, 4, 5000), 0);
    EXPECT(MonotonicMs() - begin < 2000);
    pthread_join(thread, nullptr);
  }
}

TEST(a_signal_ends_the_wait_without_an_error) {
  Poller poller;
  REQUIRE(poller.Open() >= 0);
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, &before);
  const itimerval timer{{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  PollEvent events[4];
  const double begin = MonotonicMs();
  EXPECT_EQ(poller.Wait(events, 4, 5000), 0);
  EXPECT(MonotonicMs() - begin < 2000);
  sigaction(SIGALRM, &before, nullptr);
}
