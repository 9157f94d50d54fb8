// Listeners: options, accepting in batches, running out of descriptors, adoption.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "base/unique_fd.h"
#include "net_fixture.h"

using namespace millrace;
using millrace::test::NetFixture;
using millrace::test::SocketPath;

namespace {

int OptionOf(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(getsockopt(fd, level, option, &value, &size) == 0);
  return value;
}

}  // namespace

TEST(accepts_in_batches) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  Handle accepted[8];
  EXPECT_EQ(Accept(f.loop, listener, accepted, 8), 0);
  for (int i = 0; i < 10; ++i) REQUIRE(Connect(f.loop, "127.0.0.1", f.PortOf(listener), "") > 0);
  EXPECT(f.Reports(listener, kRead));
  EXPECT_EQ(Accept(f.loop, listener, accepted, 8), 8);
  EXPECT(f.Reports(listener, kRead));  // level-triggered
  EXPECT_EQ(Accept(f.loop, listener, accepted, 8), 2);
  EXPECT_EQ(Accept(f.loop, listener, accepted, 8), 0);
}

TEST(what_is_accepted_has_no_delay) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  const Handle client = Connect(f.loop, "127.0.0.1", f.PortOf(listener), "");
  EXPECT(f.Reports(listener, kRead));
  Handle server;
  REQUIRE(Accept(f.loop, listener, &server, 1) == 1);
  EXPECT(OptionOf(FileDescriptor(f.loop, server), IPPROTO_TCP, TCP_NODELAY) != 0);
  EXPECT(OptionOf(FileDescriptor(f.loop, client), IPPROTO_TCP, TCP_NODELAY) != 0);
}

TEST(an_address_in_use_and_others_that_cannot_be_bound) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  EXPECT_EQ(Listen(f.loop, "127.0.0.1", f.PortOf(listener), 64, 0), -EADDRINUSE);
  EXPECT_EQ(Listen(f.loop, "192.0.2.1", 0, 64, 0), -EADDRNOTAVAIL);
  EXPECT_EQ(Listen(f.loop, "127.0.0.1", 70000, 64, 0), -EINVAL);
  EXPECT_EQ(Listen(f.loop, "fe80::1%nosuchzone", 0, 64, 0), -EINVAL);
  EXPECT_EQ(Listen(f.loop, "/nowhere/at/all.sock", -1, 64, 0), -ENOENT);
  const SocketPath path;
  EXPECT(Listen(f.loop, path.text, -1, 64, 0) > 0);
  EXPECT_EQ(Listen(f.loop, path.text, -1, 64, 0), -EADDRINUSE);
}

TEST(reuseport_lets_two_listen) {
  NetFixture f;
  const Handle one = Listen(f.loop, "127.0.0.1", 0, 64, kReusePort);
  REQUIRE(one > 0);
  EXPECT(Listen(f.loop, "127.0.0.1", f.PortOf(one), 64, kReusePort) > 0);
}

TEST(ipv6_with_and_without_ipv4) {
  NetFixture f;
  const Handle both = Listen(f.loop, "::", 0, 64, 0);
  const Handle only = Listen(f.loop, "::", 0, 64, kIpv6Only);
  REQUIRE(both > 0 && only > 0);
  const Handle mapped = Connect(f.loop, "127.0.0.1", f.PortOf(both), "");
  EXPECT(f.Reports(mapped, kWrite));
  EXPECT_EQ(ConnectResult(f.loop, mapped), 0);
  const Handle refused = Connect(f.loop, "127.0.0.1", f.PortOf(only), "");
  EXPECT(f.Reports(refused, kWrite));
  EXPECT_EQ(ConnectResult(f.loop, refused), -ECONNREFUSED);
}

TEST(a_connection_comes_from_the_address_and_port_that_it_was_bound_to) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  REQUIRE(listener > 0);
  const int port = f.PortOf(listener);
  const Handle first = Connect(f.loop, "127.0.0.1", port, "127.0.0.1");
  EXPECT(f.Reports(first, kWrite));
  const int own = f.PortOf(first);
  EXPECT(own > 0);
  // The pair of ports is taken.
  char taken[32];
  snprintf(taken, sizeof taken, "127.0.0.1 %d", own);
  EXPECT_EQ(Connect(f.loop, "127.0.0.1", port, taken), -EADDRINUSE);
  EXPECT_EQ(Connect(f.loop, "127.0.0.1", port, "127.0.0.1 99999"), -EINVAL);
  EXPECT_EQ(Connect(f.loop, "127.0.0.1", port, "nowhere"), -EINVAL);
  EXPECT_EQ(Connect(f.loop, "127.0.0.1", port, "192.0.2.1"), -EADDRNOTAVAIL);
}

TEST(flags_that_some_systems_ignore_are_accepted_by_all) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, kDeferred | kShared);
  REQUIRE(listener > 0);
  const Handle client = Connect(f.loop, "127.0.0.1", f.PortOf(listener), "");
  EXPECT(f.Reports(client, kWrite));
  EXPECT_EQ(ConnectResult(f.loop, client), 0);
  EXPECT_EQ(Send(f.loop, client, "x", 1), 1);
  EXPECT(f.Reports(listener, kRead));
  Handle server;
  EXPECT_EQ(Accept(f.loop, listener, &server, 1), 1);
}

TEST(a_paused_listener_is_silent_and_loses_nothing) {
  for (const uint32_t flags : {0u, kShared}) {
    NetFixture f;
    const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, flags);
    EXPECT_EQ(f.loop.EnableListener(listener, false), 0);
    EXPECT_EQ(f.loop.EnableListener(listener, false), 0);
    REQUIRE(Connect(f.loop, "127.0.0.1", f.PortOf(listener), "") > 0);
    for (int i = 0; i < 5; ++i) {
      REQUIRE(f.loop.Poll(5) >= 0);
      const int32_t* events = f.arena.At<int32_t>(f.arena.layout().events);
      for (int k = 0; k < f.loop.event_count(); ++k) {
        EXPECT(events[k * 2] != static_cast<int32_t>(SlotOf(listener)));
      }
    }
    EXPECT_EQ(f.loop.EnableListener(listener, true), 0);
    EXPECT(f.Reports(listener, kRead));
    Handle server;
    EXPECT_EQ(Accept(f.loop, listener, &server, 1), 1);
  }
}

TEST(without_descriptors_accepting_pauses_and_resumes_by_itself) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  const Handle spare = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  std::vector<Handle> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Connect(f.loop, "127.0.0.1", f.PortOf(listener), ""));
    REQUIRE(f.Reports(clients.back(), kWrite));
  }
  const UniqueFd highest(dup(0));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(highest.get()) + 1;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  Handle accepted[4];
  EXPECT(f.Reports(listener, kRead));
  EXPECT_EQ(Accept(f.loop, listener, accepted, 4), -EMFILE);
  // Paused: nothing is reported although three wait.
  const int32_t* events = f.arena.At<int32_t>(f.arena.layout().events);
  const double paused_at = MonotonicMs();
  REQUIRE(f.loop.Poll(50) >= 0);
  for (int k = 0; k < f.loop.event_count(); ++k) {
    EXPECT(events[k * 2] != static_cast<int32_t>(SlotOf(listener)));
  }
  EXPECT(f.loop.NextTimeoutMs() > 100);
  // It resumes by time ...
  EXPECT(f.Reports(listener, kRead));
  EXPECT(MonotonicMs() - paused_at >= Loop::kStarvedMs - 100);
  EXPECT_EQ(Accept(f.loop, listener, accepted, 4), -EMFILE);
  // ... and when a descriptor is closed.
  const double closed_at = MonotonicMs();
  f.loop.Close(spare);
  EXPECT_EQ(f.loop.NextTimeoutMs(), 0);
  EXPECT(f.Reports(listener, kRead));
  EXPECT(MonotonicMs() - closed_at < 400);
  EXPECT_EQ(Accept(f.loop, listener, accepted, 4), 1);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT(f.Reports(listener, kRead));
  EXPECT_EQ(Accept(f.loop, listener, accepted, 4), 2);
}

TEST(a_starved_listener_may_be_paused_and_closed) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  f.loop.StarveListener(listener);
  f.loop.StarveListener(listener);
  EXPECT_EQ(f.loop.EnableListener(listener, false), 0);
  f.loop.Close(Listen(f.loop, "127.0.0.1", 0, 64, 0));
  REQUIRE(f.loop.Poll(0) >= 0);
  EXPECT_EQ(f.loop.EnableListener(listener, true), 0);
  f.loop.StarveListener(listener);
  f.loop.Close(listener);
  REQUIRE(f.loop.Poll(0) >= 0);
  EXPECT_EQ(f.loop.NextTimeoutMs(), -1);
}

TEST(an_inherited_listener_is_adopted) {
  NetFixture f;
  const Handle first = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  const int copy = dup(FileDescriptor(f.loop, first));
  const int port = f.PortOf(first);
  f.loop.Close(first);
  EXPECT_EQ(Adopt(f.loop, copy, Kind::kDatagram, 0), -EINVAL);
  EXPECT_EQ(Adopt(f.loop, copy, Kind::kStream, 0), -EINVAL);
  const Handle adopted = Adopt(f.loop, copy, Kind::kListener, kShared);
  REQUIRE(adopted > 0);
  EXPECT_EQ(FileDescriptor(f.loop, adopted), copy);
  EXPECT_EQ(f.PortOf(adopted), port);
  REQUIRE(Connect(f.loop, "127.0.0.1", port, "") > 0);
  EXPECT(f.Reports(adopted, kRead));
  EXPECT_EQ(Adopt(f.loop, 9999, Kind::kStream, 0), -EBADF);
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  const UniqueFd reading(pipes[0]), writing(pipes[1]);
  EXPECT_EQ(Adopt(f.loop, reading.get(), Kind::kStream, 0), -ENOTSOCK);
}

TEST(a_shared_description_that_is_closed_here_reports_no_more) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 64, 0);
  const int port = f.PortOf(listener);
  const UniqueFd elsewhere(dup(FileDescriptor(f.loop, listener)));
  f.loop.Close(listener);
  REQUIRE(Connect(f.loop, "127.0.0.1", port, "") > 0);
  for (int i = 0; i < 3; ++i) REQUIRE(f.loop.Poll(5) >= 0);
  // The level-triggered watch is gone: no event, and no wait that it ends.
  const double begin = MonotonicMs();
  REQUIRE(f.loop.Poll(30) >= 0);
  EXPECT_EQ(f.loop.event_count(), 0);
  EXPECT(MonotonicMs() - begin >= 30);
}
