// Datagrams, and descriptors that travel over unix streams. Conventions as in
// socket.h.
#ifndef MILLRACE_NET_MESSAGE_H_
#define MILLRACE_NET_MESSAGE_H_

#include <cstddef>
#include <cstdint>

#include "loop/loop.h"
#include "net/address.h"

namespace millrace {

// A bound UDP (or unix datagram) socket. Flags: kReusePort, kIpv6Only. Result: a handle.
int OpenDatagram(Loop& loop, const char* address, int port, uint32_t flags);

// Sends one datagram; to == nullptr: to the connected peer.
int SendTo(Loop& loop, Handle handle, const void* data, size_t size, const Address* to);

// Receives one datagram and its sender. A longer one is cut. -EAGAIN when none waits.
int ReceiveFrom(Loop& loop, Handle handle, void* data, size_t size, Address* sender);

inline constexpr int kMaxPassedFds = 16;

// Sends bytes (at least one) and `count` descriptors, which stay open here. They go with
// the first byte: a result >= 1 says that all of them went.
int SendFds(Loop& loop, Handle handle, const void* data, size_t size, const int32_t* fds,
            int count);

// Receives bytes and up to kMaxPassedFds descriptors (close-on-exec, the caller's).
// Result: bytes, 0 at the end of the stream.
int ReceiveFds(Loop& loop, Handle handle, void* data, size_t size, int32_t* fds, int* count);

}  // namespace millrace

#endif  // MILLRACE_NET_MESSAGE_H_
