// Streams over TCP (IPv4, IPv6) and unix sockets: connecting, moving bytes, ending.
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "net_fixture.h"

using namespace millrace;
using millrace::test::Ends;
using millrace::test::NetFixture;
using millrace::test::SocketPath;

namespace {

// Runs a body over each kind of stream.
template <typename Body>
void OverEachFamily(Body body) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    NetFixture f;
    const Handle listener = Listen(f.loop, address, 0, 16, 0);
    REQUIRE(listener > 0);
    Ends ends(f, listener, address, f.PortOf(listener));
    body(f, ends);
  }
  NetFixture f;
  const SocketPath path;
  const Handle listener = Listen(f.loop, path.text, -1, 16, 0);
  REQUIRE(listener > 0);
  Ends ends(f, listener, path.text, -1);
  body(f, ends);
}

int SendAll(NetFixture& f, Handle handle, const std::string& text) {
  return Send(f.loop, handle, text.data(), text.size());
}

std::string ReceiveAll(NetFixture& f, Handle handle) {
  std::string result;
  char buffer[4096];
  for (;;) {
    const int count = Receive(f.loop, handle, buffer, sizeof buffer);
    if (count <= 0) return result;
    result.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace

TEST(bytes_go_both_ways) {
  OverEachFamily([](NetFixture& f, Ends& ends) {
    EXPECT_EQ(SendAll(f, ends.client, "ping"), 4);
    EXPECT(f.Reports(ends.server, kRead));
    EXPECT(ReceiveAll(f, ends.server) == "ping");
    EXPECT_EQ(SendAll(f, ends.server, "pong!"), 5);
    EXPECT(f.Reports(ends.client, kRead));
    EXPECT(ReceiveAll(f, ends.client) == "pong!");
    char byte;
    EXPECT_EQ(Receive(f.loop, ends.client, &byte, 1), -EAGAIN);
  });
}

TEST(parts_leave_in_one_call_in_their_order) {
  OverEachFamily([](NetFixture& f, Ends& ends) {
    char head[] = "head ", body[] = "body";
    const iovec parts[2] = {{head, 5}, {body, 4}};
    Gather gather;
    for (const iovec& part : parts) gather.Add(part.iov_base, part.iov_len);
    EXPECT_EQ(gather.Send(f.loop, ends.client), 9);
    EXPECT(f.Reports(ends.server, kRead));
    EXPECT(ReceiveAll(f, ends.server) == "head body");
  });
}

TEST(a_full_socket_takes_less_and_reports_room) {
  OverEachFamily([](NetFixture& f, Ends& ends) {
    const std::vector<char> data(1 << 20, 'x');
    size_t sent = 0;
    int result = 0;
    for (;;) {
      result = Send(f.loop, ends.client, data.data(), data.size());
      if (result < 0) break;
      sent += static_cast<size_t>(result);
    }
    EXPECT_EQ(result, -EAGAIN);
    size_t received = 0;
    while (received < sent) {
      const size_t count = ReceiveAll(f, ends.server).size();
      received += count;
      if (count == 0) EXPECT(f.Reports(ends.server, kRead));
    }
    EXPECT(f.Reports(ends.client, kWrite));
    EXPECT(Send(f.loop, ends.client, data.data(), 10) == 10);
    EXPECT_EQ(received, sent);
  });
}

TEST(a_half_close_ends_one_direction) {
  OverEachFamily([](NetFixture& f, Ends& ends) {
    EXPECT_EQ(SendAll(f, ends.client, "last"), 4);
    EXPECT_EQ(Shutdown(f.loop, ends.client), 0);
    EXPECT(f.Reports(ends.server, kRead | kEof));
    EXPECT(ReceiveAll(f, ends.server) == "last");
    char byte;
    EXPECT_EQ(Receive(f.loop, ends.server, &byte, 1), 0);
    EXPECT_EQ(SendAll(f, ends.server, "answer"), 6);
    EXPECT(f.Reports(ends.client, kRead));
    EXPECT(ReceiveAll(f, ends.client) == "answer");
    EXPECT_EQ(SendAll(f, ends.client, "x"), -EPIPE);  // and no SIGPIPE
  });
}

TEST(a_close_is_met_as_the_end) {
  OverEachFamily([](NetFixture& f, Ends& ends) {
    f.loop.Close(ends.client);
    EXPECT(f.Reports(ends.server, kRead | kEof));
    char byte;
    EXPECT_EQ(Receive(f.loop, ends.server, &byte, 1), 0);
  });
}

TEST(a_reset_is_met_as_an_error) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 16, 0);
  Ends ends(f, listener, "127.0.0.1", f.PortOf(listener));
  EXPECT_EQ(SetOption(f.loop, ends.client, Option::kResetOnClose, 1), 0);
  f.loop.Close(ends.client);
  EXPECT(f.Reports(ends.server, kRead | kEof));
  char byte;
  EXPECT_EQ(Receive(f.loop, ends.server, &byte, 1), -ECONNRESET);
}

TEST(addresses_of_both_ends) {
  NetFixture f;
  for (const char* address : {"127.0.0.1", "::1"}) {
    const Handle listener = Listen(f.loop, address, 0, 16, 0);
    Ends ends(f, listener, address, f.PortOf(listener));
    const std::string prefix = std::string(address) + " ";
    EXPECT(f.TextOf(PeerAddress, ends.client) == prefix + std::to_string(f.PortOf(listener)));
    EXPECT(f.TextOf(PeerAddress, ends.server) == f.TextOf(LocalAddress, ends.client));
    EXPECT(f.TextOf(LocalAddress, ends.server) == f.TextOf(PeerAddress, ends.client));
  }
  const SocketPath path;
  const Handle listener = Listen(f.loop, path.text, -1, 16, 0);
  Ends ends(f, listener, path.text, -1);
  EXPECT(f.TextOf(LocalAddress, ends.server) == std::string(path.text) + " -1");
  EXPECT(f.TextOf(PeerAddress, ends.client) == std::string(path.text) + " -1");
  EXPECT(f.TextOf(PeerAddress, ends.server).empty());
}

TEST(refused_and_impossible_connections) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 16, 0);
  const int port = f.PortOf(listener);
  f.loop.Close(listener);
  const Handle refused = Connect(f.loop, "127.0.0.1", port, "");
  REQUIRE(refused > 0);
  EXPECT(f.Reports(refused, kRead | kWrite));
  EXPECT_EQ(ConnectResult(f.loop, refused), -ECONNREFUSED);
  EXPECT_EQ(Connect(f.loop, "/nowhere/at/all.sock", -1, ""), -ENOENT);
  EXPECT_EQ(Connect(f.loop, "localhost", 80, ""), -EINVAL);
  EXPECT_EQ(Connect(f.loop, "1.2.3.4", 65536, ""), -EINVAL);
  EXPECT_EQ(Connect(f.loop, "127.0.0.1", 80, "not an address"), -EINVAL);
  EXPECT_EQ(Connect(f.loop, std::string(200, 'x').c_str(), -1, ""), -ENAMETOOLONG);
}

TEST(the_local_address_is_bound) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 16, 0);
  const Handle client = Connect(f.loop, "127.0.0.1", f.PortOf(listener), "127.0.0.1");
  REQUIRE(client > 0);
  EXPECT(f.Reports(client, kWrite));
  EXPECT_EQ(ConnectResult(f.loop, client), 0);
#ifdef __linux__
  // 127.0.0.2 is an address of this machine only there.
  const Handle other = Connect(f.loop, "127.0.0.1", f.PortOf(listener), "127.0.0.2");
  REQUIRE(other > 0);
  EXPECT(f.Reports(other, kWrite));
  EXPECT(f.TextOf(LocalAddress, other).find("127.0.0.2 ") == 0);
#endif
}

TEST(a_closed_handle_is_refused_everywhere) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 16, 0);
  Ends ends(f, listener, "127.0.0.1", f.PortOf(listener));
  f.loop.Close(ends.client);
  char byte = 0;
  const iovec part{&byte, 1};
  Address address;
  EXPECT_EQ(Receive(f.loop, ends.client, &byte, 1), -EBADF);
  EXPECT_EQ(Send(f.loop, ends.client, &byte, 1), -EBADF);
  Gather gather;
  gather.Add(part.iov_base, part.iov_len);
  EXPECT_EQ(gather.Send(f.loop, ends.client), -EBADF);
  EXPECT_EQ(Shutdown(f.loop, ends.client), -EBADF);
  EXPECT_EQ(ConnectResult(f.loop, ends.client), -EBADF);
  EXPECT_EQ(FileDescriptor(f.loop, ends.client), -EBADF);
  EXPECT_EQ(SetOption(f.loop, ends.client, Option::kNoDelay, 1), -EBADF);
  EXPECT_EQ(PeerAddress(f.loop, ends.client, &address), -EBADF);
  EXPECT_EQ(LocalAddress(f.loop, ends.client, &address), -EBADF);
  EXPECT_EQ(Accept(f.loop, ends.client, &ends.client, 1), -EBADF);
}

TEST(options_are_set) {
  NetFixture f;
  const Handle listener = Listen(f.loop, "127.0.0.1", 0, 16, 0);
  Ends ends(f, listener, "127.0.0.1", f.PortOf(listener));
  for (const Option option :
       {Option::kNoDelay, Option::kKeepAlive, Option::kReceiveBuffer, Option::kSendBuffer}) {
    EXPECT_EQ(SetOption(f.loop, ends.client, option, 8192), 0);
  }
  EXPECT_EQ(SetOption(f.loop, ends.client, static_cast<Option>(99), 1), -EINVAL);
}
