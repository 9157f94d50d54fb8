// See socket.h.
#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/status.h"
#include "base/unique_fd.h"
#include "net/os.h"

namespace millrace {
namespace {

int Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

bool IsExhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Keeps the peer's address where it fits, so that asking costs no system call.
void Remember(Descriptor& descriptor, const Address& peer) {
  if (peer.length == 0 || peer.length > sizeof descriptor.peer) return;
  std::memcpy(descriptor.peer, &peer.any, peer.length);
  descriptor.peer_length = static_cast<uint8_t>(peer.length);
}

// Binds a socket that will connect: "address", or "address port". Without a port the
// kernel chooses one when it knows the peer, so that a port may serve several peers.
int BindLocal(int fd, const char* text) {
  char address[INET6_ADDRSTRLEN + 1];
  const char* const space = std::strchr(text, ' ');
  const size_t length = space != nullptr ? static_cast<size_t>(space - text) : std::strlen(text);
  if (length >= sizeof address) return -EINVAL;
  std::memcpy(address, text, length);
  address[length] = '\0';
  const int port = space != nullptr ? std::atoi(space + 1) : 0;
  Address local;
  const int status = local.Parse(address, port);
  if (status < 0) return status;
  if (port == 0) os::SetBindWithoutPort(fd);  // an optimisation; bind works without it
  return bind(fd, &local.any, local.length) < 0 ? -errno : 0;
}

int BindAndListen(int fd, const Address& at, int backlog, uint32_t flags) {
  int status = 0;
  if (at.family() != AF_UNIX) {
    status = Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (status >= 0) status = Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (status >= 0 && (flags & kReusePort) != 0) status = os::SetReusePort(fd);
    if (status >= 0 && (flags & kDeferred) != 0) status = os::SetDeferAccept(fd);
  }
  if (status >= 0 && at.family() == AF_INET6) {
    status = Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & kIpv6Only) != 0 ? 1 : 0);
  }
  if (status < 0) return status;
  if (bind(fd, &at.any, at.length) < 0) return -errno;
  return listen(fd, backlog) < 0 ? -errno : 0;
}

}  // namespace

int Listen(Loop& loop, const char* address, int port, int backlog, uint32_t flags) {
  Address at;
  int status = at.Parse(address, port);
  if (status < 0) return status;
  UniqueFd fd(os::OpenSocket(at.family(), SOCK_STREAM));
  if (!fd.valid()) return fd.get();
  status = BindAndListen(fd.get(), at, backlog, flags);
  if (status < 0) return status;
  return loop.Add(fd.release(), (flags & kShared) != 0 ? Watch::kSharedListener : Watch::kListener);
}

int Adopt(Loop& loop, int fd, Kind kind, uint32_t flags) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return -errno;
  if (type != (kind == Kind::kDatagram ? SOCK_DGRAM : SOCK_STREAM)) return -EINVAL;
  int listening = 0;
  size = sizeof listening;
  // Not every system can tell (macOS cannot); then the caller is believed.
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
      (listening != 0) != (kind == Kind::kListener)) {
    return -EINVAL;
  }
  const int status = os::Prepare(fd);
  if (status < 0) return status;
  Watch watch = Watch::kStream;
  if (kind == Kind::kDatagram) watch = Watch::kDatagram;
  if (kind == Kind::kListener) {
    watch = (flags & kShared) != 0 ? Watch::kSharedListener : Watch::kListener;
  }
  const int result = loop.Add(fd, watch);
  if (result > 0) loop.Find(result)->shared = true;
  return result;
}

int FileDescriptor(Loop& loop, Handle handle) {
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  // From now on others may hold it too.
  descriptor->shared = true;
  return descriptor->fd;
}

int Accept(Loop& loop, Handle listener, Handle* accepted, int max) {
  const Descriptor* descriptor = loop.Find(listener);
  if (descriptor == nullptr) return -EBADF;
  const int listener_fd = descriptor->fd;
  int count = 0;
  for (int attempt = 0; attempt < max; ++attempt) {
    Address peer;
    peer.length = sizeof(sockaddr_un);
    const int fd = os::Accept(listener_fd, &peer.any, &peer.length);
    int result = fd >= 0 ? loop.Add(fd, Watch::kStream) : fd;
    if (result > 0) {
      Remember(*loop.Find(result), peer);
      accepted[count++] = result;
      continue;
    }
    if (result == -EAGAIN || result == -EWOULDBLOCK) break;
    // epoll_ctl(2): ENOSPC is the limit on watches.
    if (result == -ENOSPC) result = -ENOBUFS;
    if (IsExhaustion(-result)) {
      // What was accepted is served first; the next call meets the error again.
      if (count > 0) break;
      loop.StarveListener(listener);
      return result;
    }
    if (result == -EINVAL || result == -ENOTSOCK || result == -EBADF || result == -EFAULT) {
      return result;  // not a listener
    }
    // ECONNABORTED, EINTR, EPROTO and the network errors that accept(2) on Linux passes
    // on belong to a connection that is gone already.
  }
  return count;
}

int Connect(Loop& loop, const char* address, int port, const char* local_address) {
  Address peer;
  int status = peer.Parse(address, port);
  if (status < 0) return status;
  UniqueFd fd(os::OpenSocket(peer.family(), SOCK_STREAM));
  if (!fd.valid()) return fd.get();
  if (peer.family() != AF_UNIX) {
    status = Set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (status < 0) return status;
    if (local_address[0] != '\0') {
      status = BindLocal(fd.get(), local_address);
      if (status < 0) return status;
    }
  }
  // EINTR: the connection is under way all the same (connect(2), POSIX).
  if (connect(fd.get(), &peer.any, peer.length) < 0 && errno != EINPROGRESS && errno != EINTR) {
    return -errno;
  }
  // Watched only now: a socket before connect counts as hung up for epoll.
  const int result = loop.Add(fd.release(), Watch::kStream);
  if (result < 0) return result;
  Descriptor& descriptor = *loop.Find(result);
  Remember(descriptor, peer);
  loop.AwaitWritable(result, descriptor);
  return result;
}

int ConnectResult(Loop& loop, Handle handle) {
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(descriptor->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
  if (error != 0) return -error;
  Address peer;
  peer.length = sizeof peer.local;
  if (getpeername(descriptor->fd, &peer.any, &peer.length) == 0) return 0;
  if (errno != ENOTCONN) return -errno;
  loop.AwaitWritable(handle, *descriptor);
  return -EINPROGRESS;
}

int Receive(Loop& loop, Handle handle, void* data, size_t size) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  return RetryOnInterrupt([&] { return recv(descriptor->fd, data, size, 0); });
}

bool HasInput(Loop& loop, Handle handle) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return false;
  char byte;
  return RetryOnInterrupt([&] { return recv(descriptor->fd, &byte, 1, MSG_PEEK); }) != -EAGAIN;
}

int Send(Loop& loop, Handle handle, const void* data, size_t size) {
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  const int result =
      RetryOnInterrupt([&] { return send(descriptor->fd, data, size, os::kSendFlags); });
  if (result == -EAGAIN || (result >= 0 && static_cast<size_t>(result) < size)) {
    loop.AwaitWritable(handle, *descriptor);
  }
  return result;
}

int Gather::Send(Loop& loop, Handle handle) {
  if (count_ == 0) return millrace::Send(loop, handle, copied_, used_);
  if (count_ == 1 && used_ == 0) {
    return millrace::Send(loop, handle, ranges_[1].iov_base, ranges_[1].iov_len);
  }
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  ranges_[0] = {copied_, used_};
  const int first = used_ > 0 ? 0 : 1;
  // sendmsg and not writev, for the flag against SIGPIPE.
  msghdr message{};
  message.msg_iov = ranges_ + first;
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count_ + 1 - first);
  const int result =
      RetryOnInterrupt([&] { return sendmsg(descriptor->fd, &message, os::kSendFlags); });
  if (result == -EAGAIN || (result >= 0 && static_cast<size_t>(result) < total_)) {
    loop.AwaitWritable(handle, *descriptor);
  }
  return result;
}

int Shutdown(Loop& loop, Handle handle) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  return shutdown(descriptor->fd, SHUT_WR) < 0 ? -errno : 0;
}

int SetOption(Loop& loop, Handle handle, Option option, int value) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  const int fd = descriptor->fd;
  switch (option) {
    case Option::kNoDelay:
      return Set(fd, IPPROTO_TCP, TCP_NODELAY, value);
    case Option::kKeepAlive:
      return Set(fd, SOL_SOCKET, SO_KEEPALIVE, value);
    case Option::kReceiveBuffer:
      return Set(fd, SOL_SOCKET, SO_RCVBUF, value);
    case Option::kSendBuffer:
      return Set(fd, SOL_SOCKET, SO_SNDBUF, value);
    case Option::kBroadcast:
      return Set(fd, SOL_SOCKET, SO_BROADCAST, value);
    case Option::kResetOnClose: {
      const linger immediately{value != 0 ? 1 : 0, 0};
      return setsockopt(fd, SOL_SOCKET, SO_LINGER, &immediately, sizeof immediately) < 0 ? -errno
                                                                                         : 0;
    }
  }
  return -EINVAL;
}

int PeerAddress(Loop& loop, Handle handle, Address* address) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  if (descriptor->peer_length > 0) {
    std::memcpy(&address->any, descriptor->peer, descriptor->peer_length);
    address->length = descriptor->peer_length;
    return 0;
  }
  address->length = sizeof address->local;
  return getpeername(descriptor->fd, &address->any, &address->length) < 0 ? -errno : 0;
}

int LocalAddress(Loop& loop, Handle handle, Address* address) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  address->length = sizeof address->local;
  return getsockname(descriptor->fd, &address->any, &address->length) < 0 ? -errno : 0;
}

}  // namespace millrace
