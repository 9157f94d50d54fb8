// What differs between systems about sockets: os_linux.cc, os_bsd.cc. Everything
// returns >= 0, or -errno.
#ifndef MILLRACE_NET_OS_H_
#define MILLRACE_NET_OS_H_

#include <sys/socket.h>

namespace millrace::os {

// A new non-blocking, close-on-exec socket that never raises SIGPIPE.
int OpenSocket(int family, int type);

// accept(2) of such a socket; `length` as for accept. Does not retry. TCP_NODELAY is
// set on the result: inherited from the listener where the system does that.
int Accept(int listener, sockaddr* peer, socklen_t* length);

// Makes an inherited descriptor non-blocking and close-on-exec.
int Prepare(int fd);

// Several sockets may listen on the same address and share its connections.
int SetReusePort(int fd);

// Connections are reported only with their first bytes. 0 where it does not exist.
int SetDeferAccept(int fd);

// An outgoing connection bound to an address takes its port at connect, so that ports
// can be shared by different destinations. 0 where it does not exist.
int SetBindWithoutPort(int fd);

// Flags for send and recvmsg that suppress SIGPIPE and set close-on-exec, or 0.
extern const int kSendFlags;
extern const int kReceiveFdFlags;

// Close-on-exec for received descriptors where kReceiveFdFlags cannot say it.
void FinishReceivedFd(int fd);

}  // namespace millrace::os

#endif  // MILLRACE_NET_OS_H_
