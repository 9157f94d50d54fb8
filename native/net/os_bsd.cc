// Sockets on macOS and the BSDs, by what POSIX and 4.4BSD have in common: the newer
// calls (accept4, SOCK_NONBLOCK) do not exist on macOS.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>

#include "net/os.h"

namespace millrace::os {

#ifdef MSG_NOSIGNAL
const int kSendFlags = MSG_NOSIGNAL;
#else
const int kSendFlags = 0;  // SO_NOSIGPIPE is set on each socket
#endif
const int kReceiveFdFlags = 0;

namespace {

int Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

// Non-blocking, close-on-exec, no SIGPIPE; closes the descriptor on failure. Between
// the call that made it and this one a fork in another thread may inherit it: there is
// no atomic way on macOS.
int Finish(int fd) {
  const int status = Prepare(fd);
  if (status < 0) {
    close(fd);
    return status;
  }
  return fd;
}

}  // namespace

int Prepare(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
#ifdef SO_NOSIGPIPE
  Set(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);  // fails for what is not a socket
#endif
  return 0;
}

int OpenSocket(int family, int type) {
  const int fd = socket(family, type, 0);
  return fd < 0 ? -errno : Finish(fd);
}

int Accept(int listener, sockaddr* peer, socklen_t* length) {
  const int fd = accept(listener, peer, length);
  if (fd < 0) return -errno;
  const int status = Finish(fd);
  // macOS does not inherit the option; the BSDs do, and a repetition is harmless.
  // It fails for unix sockets, which need it not.
  if (status >= 0) Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return status;
}

int SetReusePort(int fd) {
#ifdef SO_REUSEPORT_LB
  // FreeBSD: plain SO_REUSEPORT shares the address but not the connections.
  return Set(fd, SOL_SOCKET, SO_REUSEPORT_LB, 1);
#else
  return Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
}

int SetDeferAccept(int) { return 0; }

int SetBindWithoutPort(int) { return 0; }

void FinishReceivedFd(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }

}  // namespace millrace::os
