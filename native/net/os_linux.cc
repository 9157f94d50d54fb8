// Sockets on Linux.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

#include "net/os.h"

namespace millrace::os {

const int kSendFlags = MSG_NOSIGNAL;
const int kReceiveFdFlags = MSG_CMSG_CLOEXEC;

namespace {

int Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

}  // namespace

int OpenSocket(int family, int type) {
  const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}

int Accept(int listener, sockaddr* peer, socklen_t* length) {
  // TCP_NODELAY is inherited from the listening socket here.
  const int fd = accept4(listener, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int Prepare(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int SetReusePort(int fd) { return Set(fd, SOL_SOCKET, SO_REUSEPORT, 1); }

// One second, as nginx does: the SYN-ACK is repeated once before the kernel gives up
// waiting and reports the connection without data.
int SetDeferAccept(int fd) { return Set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1); }

int SetBindWithoutPort(int fd) { return Set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); }

void FinishReceivedFd(int) {}

}  // namespace millrace::os
