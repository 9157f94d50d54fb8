// Datagrams, and descriptors that travel over a unix stream.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "net/message.h"
#include "net_fixture.h"

using namespace millrace;
using millrace::test::NetFixture;

namespace {

std::string Text(const Address& address) {
  char text[Address::kMaxText];
  return std::string(text, address.Format(text));
}

struct StreamPair {
  Handle near, far;
  explicit StreamPair(NetFixture& f) {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    near = Adopt(f.loop, fds[0], Kind::kStream, 0);
    far = Adopt(f.loop, fds[1], Kind::kStream, 0);
    REQUIRE(near > 0 && far > 0);
  }
};

}  // namespace

TEST(datagrams_keep_their_bounds_and_their_sender) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    NetFixture f;
    const Handle a = OpenDatagram(f.loop, address, 0, 0);
    const Handle b = OpenDatagram(f.loop, address, 0, 0);
    REQUIRE(a > 0 && b > 0);
    Address to;
    REQUIRE(to.Parse(address, f.PortOf(b)) == 0);
    EXPECT_EQ(SendTo(f.loop, a, "first", 5, &to), 5);
    EXPECT_EQ(SendTo(f.loop, a, "", 0, &to), 0);
    EXPECT_EQ(SendTo(f.loop, a, "third one", 9, &to), 9);
    EXPECT(f.Reports(b, kRead));
    char buffer[64];
    Address sender;
    EXPECT_EQ(ReceiveFrom(f.loop, b, buffer, sizeof buffer, &sender), 5);
    EXPECT(Text(sender) == f.TextOf(LocalAddress, a));
    EXPECT_EQ(ReceiveFrom(f.loop, b, buffer, sizeof buffer, &sender), 0);
    EXPECT_EQ(ReceiveFrom(f.loop, b, buffer, 5, &sender), 5);  // cut
    EXPECT(std::memcmp(buffer, "third", 5) == 0);
    EXPECT_EQ(ReceiveFrom(f.loop, b, buffer, sizeof buffer, &sender), -EAGAIN);
  }
}

TEST(datagram_errors) {
  NetFixture f;
  const Handle a = OpenDatagram(f.loop, "127.0.0.1", 0, 0);
  EXPECT_EQ(OpenDatagram(f.loop, "127.0.0.1", f.PortOf(a), 0), -EADDRINUSE);
  Address to;
  REQUIRE(to.Parse("127.0.0.1", 9) == 0);
  static const char large[70000] = {};
  EXPECT_EQ(SendTo(f.loop, a, large, sizeof large, &to), -EMSGSIZE);
  EXPECT(SendTo(f.loop, a, "x", 1, nullptr) < 0);  // not connected
  EXPECT_EQ(SetOption(f.loop, a, Option::kBroadcast, 1), 0);
  EXPECT_EQ(SendTo(f.loop, 12345, "x", 1, &to), -EBADF);
}

TEST(reuseport_lets_two_receive) {
  NetFixture f;
  const Handle a = OpenDatagram(f.loop, "127.0.0.1", 0, kReusePort);
  REQUIRE(a > 0);
  EXPECT(OpenDatagram(f.loop, "127.0.0.1", f.PortOf(a), kReusePort) > 0);
}

TEST(descriptors_travel_with_their_bytes) {
  NetFixture f;
  StreamPair pair(f);
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  const UniqueFd reading(pipes[0]);
  UniqueFd writing(pipes[1]);
  const int32_t fds[2] = {writing.get(), reading.get()};
  EXPECT_EQ(SendFds(f.loop, pair.near, "here", 4, fds, 2), 4);
  writing.reset();
  EXPECT(f.Reports(pair.far, kRead));
  int32_t received[kMaxPassedFds];
  int count = 0;
  char buffer[16];
  EXPECT_EQ(ReceiveFds(f.loop, pair.far, buffer, sizeof buffer, received, &count), 4);
  REQUIRE(count == 2);
  const UniqueFd arrived(received[0]), second(received[1]);
  EXPECT(fcntl(arrived.get(), F_GETFD) == FD_CLOEXEC);
  EXPECT_EQ(write(arrived.get(), "x", 1), 1);
  EXPECT_EQ(read(reading.get(), buffer, 1), 1);
  EXPECT_EQ(ReceiveFds(f.loop, pair.far, buffer, sizeof buffer, received, &count), -EAGAIN);
  EXPECT_EQ(count, 0);
}

TEST(sixteen_descriptors_and_no_more) {
  NetFixture f;
  StreamPair pair(f);
  int32_t fds[kMaxPassedFds + 1] = {};
  EXPECT_EQ(SendFds(f.loop, pair.near, "x", 1, fds, kMaxPassedFds + 1), -EINVAL);
  EXPECT_EQ(SendFds(f.loop, pair.near, "", 0, fds, 1), -EINVAL);
  EXPECT_EQ(SendFds(f.loop, pair.near, "x", 1, fds, kMaxPassedFds), 1);
  int32_t received[kMaxPassedFds];
  int count = 0;
  char buffer[16];
  EXPECT_EQ(ReceiveFds(f.loop, pair.far, buffer, sizeof buffer, received, &count), 1);
  EXPECT_EQ(count, kMaxPassedFds);
  for (int i = 0; i < count; ++i) UniqueFd owned(received[i]);
}

TEST(bytes_without_descriptors_and_the_end) {
  NetFixture f;
  StreamPair pair(f);
  EXPECT_EQ(SendFds(f.loop, pair.near, "plain", 5, nullptr, 0), 5);
  f.loop.Close(pair.near);
  int32_t received[kMaxPassedFds];
  int count = -1;
  char buffer[16];
  EXPECT_EQ(ReceiveFds(f.loop, pair.far, buffer, sizeof buffer, received, &count), 5);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(ReceiveFds(f.loop, pair.far, buffer, sizeof buffer, received, &count), 0);
}
