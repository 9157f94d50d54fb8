// The poller: which descriptors can be read or written now.
//
// One interface, one source file for each kernel interface (poller_epoll.cc,
// poller_kqueue.cc), chosen by the build. test/native/poller_test.cc is the
// executable form of what follows and runs on both.
//
// Contract
//  - A descriptor is added once, with a token of the owner's choice, and removed at
//    most once. Closing a descriptor removes it too, unless its open file description
//    lives on elsewhere (after fork, dup or SCM_RIGHTS): then Remove comes first.
//  - kStream and kDatagram are edge-triggered. An event says that the state changed;
//    the owner reads or writes until the call would block (for a stream a short read
//    without kEof will do) and hears again when the state changes again. Adding a
//    descriptor that is ready already counts as a change.
//  - Writability is reported for certain only after AwaitWritable, one call for each
//    wish. A backend for which it costs nothing reports it unasked as well, so an
//    unasked kWrite means nothing.
//  - kListener, kSharedListener and kForeign are level-triggered and report kRead
//    in every Wait while something waits.
//  - Expected implies actual: what the flags promise happens at the next call of
//    recv, send, accept or connect result; the reverse need not hold, and a spurious
//    event is allowed.
//  - Hang-up and errors are never dropped. They set kRead and kWrite besides, so that
//    the owner meets them in its own call.
//  - One Wait may report a token twice (kqueue has one event for each direction); the
//    caller merges them. It may report a token of a descriptor that was closed since
//    the last Wait; the caller compares generations.
//
// How the flags come about
//
//   reported            epoll                       kqueue
//   kRead               EPOLLIN                     EVFILT_READ
//   kWrite              EPOLLOUT                    EVFILT_WRITE
//   kRead|kEof          EPOLLRDHUP                  EVFILT_READ with EV_EOF
//   kRead|kWrite|kEof   EPOLLHUP                    EVFILT_WRITE with EV_EOF
//   all and kError      EPOLLERR                    EV_EOF with fflags != 0
//
// How a watch is registered
//
//   kStream             IN|OUT|RDHUP|ET             READ EV_CLEAR; WRITE EV_ONESHOT when awaited
//   kDatagram           IN|OUT|ET                   the same
//   kListener           IN                          READ
//   kSharedListener     IN|EXCLUSIVE                READ
//   kForeign            IN                          READ
//
// EPOLLEXCLUSIVE goes with EPOLLIN alone and never with EPOLL_CTL_MOD (epoll_ctl(2)),
// which is why a listener is paused by Remove.
#ifndef MILLRACE_POLLER_POLLER_H_
#define MILLRACE_POLLER_POLLER_H_

#include <cstdint>

namespace millrace {

inline constexpr uint32_t kRead = 1;
inline constexpr uint32_t kWrite = 2;
inline constexpr uint32_t kEof = 4;
inline constexpr uint32_t kError = 8;
// Not of a poller: a relay from this stream is over (relay/relay.h).
inline constexpr uint32_t kRelayed = 16;

enum class Watch : uint8_t { kStream, kDatagram, kListener, kSharedListener, kForeign };

struct PollEvent {
  uint32_t token;
  uint32_t flags;  // kRead, kWrite, kEof, kError
};

// Not thread-safe but for Wake. Functions return >= 0, or -errno.
class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // "epoll" or "kqueue".
  static const char* Name();

  // Once, before everything else.
  int Open();

  // Watches `fd` (non-blocking) until it is removed or closed.
  int Add(int fd, Watch watch, uint32_t token);

  // Ends the watch; `watch` as it was added.
  int Remove(int fd, Watch watch);

  // Asks for one kWrite as soon as the descriptor takes bytes, which may be now.
  int AwaitWritable(int fd, uint32_t token);

  // Waits until there is an event, Wake was called or the time is up, and returns the
  // number of events, at most `capacity` (1 to kMaxEvents). timeout_ms < 0 waits for
  // ever; 0 does not wait; a fraction is rounded up, so a wait is never too short.
  // A signal ends the wait early, with 0 events: the caller computes a new timeout.
  int Wait(PollEvent* events, int capacity, double timeout_ms);

  // Ends the current or the next Wait. The only function for other threads and signal
  // handlers. Many calls may end a single Wait.
  void Wake();

  static constexpr int kMaxEvents = 1024;

 private:
  struct State;
  State* state_;
};

}  // namespace millrace

#endif  // MILLRACE_POLLER_POLLER_H_
