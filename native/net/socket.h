// Every socket system call: streams and listeners. Functions take the loop, which owns
// the descriptors, and a handle; pointers are into memory that stays valid for the
// call. Results are >= 0, or -errno (-EBADF for a handle that is closed). EINTR is
// absorbed. Datagrams and the passing of descriptors: message.h.
#ifndef MILLRACE_NET_SOCKET_H_
#define MILLRACE_NET_SOCKET_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "loop/loop.h"
#include "net/address.h"

namespace millrace {

// Flags of Listen, Adopt and OpenDatagram (lib/native/binding.ts, LISTEN_*).
inline constexpr uint32_t kReusePort = 1;
inline constexpr uint32_t kIpv6Only = 2;
inline constexpr uint32_t kDeferred = 4;
inline constexpr uint32_t kShared = 8;

// Options of SetOption (OPTION_*).
enum class Option : int {
  kNoDelay = 1,
  kKeepAlive = 2,
  kReceiveBuffer = 3,
  kSendBuffer = 4,
  kResetOnClose = 5,
  kBroadcast = 6,
};

// Kinds of Adopt.
enum class Kind : int { kListener = 0, kStream = 1, kDatagram = 2 };

// Opens, binds and listens. Result: a handle.
int Listen(Loop& loop, const char* address, int port, int backlog, uint32_t flags);

// Takes over an open descriptor and makes it non-blocking and close-on-exec. Result: a
// handle; on failure the descriptor stays the caller's (-EBADF, -EINVAL for a kind that
// it is not).
int Adopt(Loop& loop, int fd, Kind kind, uint32_t flags);

// The descriptor behind a handle, which keeps it.
int FileDescriptor(Loop& loop, Handle handle);

// Accepts up to `max` connections and writes their handles. Result: how many; 0 when
// none waits. Peers that have gone already are skipped. Without descriptors or memory
// (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM) the listener is paused, see
// Loop::StarveListener.
int Accept(Loop& loop, Handle listener, Handle* accepted, int max);

// Starts a connection with TCP_NODELAY; local_address "" binds nothing, "address" or
// "address port" binds first. Result: a handle that reports kWrite when ConnectResult
// has something to say.
int Connect(Loop& loop, const char* address, int port, const char* local_address);

// 0 when connected, -EINPROGRESS while under way, else why it failed.
int ConnectResult(Loop& loop, Handle handle);

// > 0 bytes, 0 end of stream, -EAGAIN drained.
int Receive(Loop& loop, Handle handle, void* data, size_t size);

// Whether Receive would give anything but -EAGAIN. An error that waits is taken from the
// socket, whose stream just ends then. False for a handle that is closed.
bool HasInput(Loop& loop, Handle handle);

// Bytes taken, possibly fewer than given; -EAGAIN for none. After less than everything
// kWrite is reported once there is room. No SIGPIPE.
int Send(Loop& loop, Handle handle, const void* data, size_t size);

// What one call sends: ranges added in order. A head is a dozen ranges of a few bytes,
// and the kernel walks a vector at several times the cost of copying those bytes here, so
// the ranges at the front that fit are copied together. Lives on the stack of one call.
class Gather {
 public:
  // Ranges that one call takes.
  static constexpr int kMaxRanges = 64;

  // Adds at most kMaxRanges ranges; the bytes must stay until Send.
  void Add(const void* data, size_t size) {
    total_ += size;
    if (count_ == 0 && used_ + size <= sizeof copied_) {
      Copy(copied_ + used_, data, size);
      used_ += size;
    } else {
      // Entry 0 is for what was copied.
      ranges_[++count_] = {const_cast<void*>(data), size};
    }
  }

  // As Send.
  int Send(Loop& loop, Handle handle);

 private:
  // memcpy, but without a call where two overlapping moves of 16, 8 or 4 bytes do: most
  // ranges are a line or a part of one.
  static void Copy(char* to, const void* from, size_t size) {
    const auto* bytes = static_cast<const char*>(from);
    if (size > 32 || size < 4) {
      std::memcpy(to, bytes, size);
    } else if (size >= 16) {
      CopyEnds<16>(to, bytes, size);
    } else if (size >= 8) {
      CopyEnds<8>(to, bytes, size);
    } else {
      CopyEnds<4>(to, bytes, size);
    }
  }
  template <size_t N>
  static void CopyEnds(char* to, const char* from, size_t size) {
    std::memcpy(to, from, N);
    std::memcpy(to + size - N, from + size - N, N);
  }

  size_t used_ = 0;
  size_t total_ = 0;
  int count_ = 0;
  iovec ranges_[kMaxRanges + 1];
  char copied_[4096];
};

// Sends FIN.
int Shutdown(Loop& loop, Handle handle);

int SetOption(Loop& loop, Handle handle, Option option, int value);

// The peer as accept or connect learnt it, else as the kernel knows it.
int PeerAddress(Loop& loop, Handle handle, Address* address);
int LocalAddress(Loop& loop, Handle handle, Address* address);

}  // namespace millrace

#endif  // MILLRACE_NET_SOCKET_H_
