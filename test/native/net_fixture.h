// A loop with an arena, and what tests of sockets do with it.
#ifndef MILLRACE_TEST_NET_FIXTURE_H_
#define MILLRACE_TEST_NET_FIXTURE_H_

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/clock.h"
#include "harness.h"
#include "loop/loop.h"
#include "net/socket.h"

namespace millrace::test {

struct NetFixture {
  Arena arena;
  std::unique_ptr<Loop> owned = std::make_unique<Loop>();
  Loop& loop = *owned;

  NetFixture() {
    REQUIRE(arena.Open(size_t{64} << 20));
    REQUIRE(loop.Open(&arena) >= 0);
  }
  ~NetFixture() { loop.CloseAll(); }

  // Turns until the handle has reported all of `flags`; false after two seconds.
  bool Reports(Handle handle, uint32_t flags) {
    uint32_t seen = 0;
    const double until = MonotonicMs() + 2000;
    const int32_t* events = arena.At<int32_t>(arena.layout().events);
    while ((seen & flags) != flags && MonotonicMs() < until) {
      REQUIRE(loop.Poll(20) >= 0);
      for (int i = 0; i < loop.event_count(); ++i) {
        if (events[i * 2] == static_cast<int32_t>(SlotOf(handle))) {
          seen |= static_cast<uint32_t>(events[i * 2 + 1]);
        }
      }
      loop.EndTurn();
    }
    return (seen & flags) == flags;
  }

  std::string TextOf(int (*lookup)(Loop&, Handle, Address*), Handle handle) {
    Address address;
    char text[Address::kMaxText];
    if (lookup(loop, handle, &address) < 0) return "?";
    return std::string(text, address.Format(text));
  }
  int PortOf(Handle handle) {
    const std::string text = TextOf(LocalAddress, handle);
    return std::atoi(text.c_str() + text.rfind(' ') + 1);
  }
};

// Two ends of an established connection.
struct Ends {
  Handle client = 0, server = 0;
  Ends(NetFixture& f, Handle listener, const char* address, int port) {
    client = Connect(f.loop, address, port, "");
    REQUIRE(client > 0);
    REQUIRE(f.Reports(listener, kRead));
    REQUIRE(Accept(f.loop, listener, &server, 1) == 1);
    if (ConnectResult(f.loop, client) != 0) {
      REQUIRE(f.Reports(client, kWrite));
      REQUIRE(ConnectResult(f.loop, client) == 0);
    }
  }
};

// A path for a unix socket that is removed at the end.
struct SocketPath {
  char text[64];
  SocketPath() { std::snprintf(text, sizeof text, "/tmp/millrace-test-%d.sock", getpid()); }
  ~SocketPath() { unlink(text); }
};

}  // namespace millrace::test

#endif  // MILLRACE_TEST_NET_FIXTURE_H_
