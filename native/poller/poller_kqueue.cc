// The poller on kqueue(2), for macOS and the BSDs. See poller.h for the contract.
// On Linux it is compiled for tests against a shim (test/native/shim).
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "base/check.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "poller/poller.h"

namespace millrace {
namespace {

constexpr uintptr_t kWakeIdent = 0;

struct kevent Change(int fd, int16_t filter, uint16_t flags, uint32_t token) {
  struct kevent change {};
  EV_SET(&change, static_cast<uintptr_t>(fd), filter, flags, 0, 0,
         reinterpret_cast<void*>(static_cast<uintptr_t>(token)));
  return change;
}

uint32_t Translate(const struct kevent& event) {
  uint32_t flags = event.filter == EVFILT_READ ? kRead : kWrite;
  if ((event.flags & EV_EOF) != 0) {
    // Reading: the peer sent FIN. Writing: the connection is gone altogether.
    flags |= event.filter == EVFILT_READ ? kEof : kRead | kEof;
    if (event.fflags != 0) flags |= kRead | kWrite | kError;
  }
  // Only changes report EV_ERROR, and there are none in Wait; were one to come, the
  // owner would meet it in its own call.
  if ((event.flags & EV_ERROR) != 0) flags |= kRead | kWrite | kError;
  return flags;
}

}  // namespace

struct Poller::State {
  UniqueFd queue;
  struct kevent events[kMaxEvents];

  // Applies one change at once, so that its error has an owner.
  int Apply(const struct kevent& change) {
    return RetryOnInterrupt([&] { return kevent(queue.get(), &change, 1, nullptr, 0, nullptr); });
  }
};

Poller::Poller() : state_(new (std::nothrow) State) { MILLRACE_CHECK(state_ != nullptr); }

Poller::~Poller() { delete state_; }

const char* Poller::Name() { return "kqueue"; }

int Poller::Open() {
  // A kqueue is not inherited by a child process, so close-on-exec is not needed.
  state_->queue.reset(kqueue());
  if (!state_->queue.valid()) return -errno;
  struct kevent wake {};
  EV_SET(&wake, kWakeIdent, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
  return state_->Apply(wake);
}

int Poller::Add(int fd, Watch watch, uint32_t token) {
  const bool edge = watch == Watch::kStream || watch == Watch::kDatagram;
  const uint16_t flags = edge ? EV_ADD | EV_CLEAR : EV_ADD;
  return state_->Apply(Change(fd, EVFILT_READ, flags, token));
}

int Poller::Remove(int fd, Watch) {
  // The write filter is there only while somebody waits for it; ENOENT is expected.
  state_->Apply(Change(fd, EVFILT_WRITE, EV_DELETE, 0));
  return state_->Apply(Change(fd, EVFILT_READ, EV_DELETE, 0));
}

int Poller::AwaitWritable(int fd, uint32_t token) {
  return state_->Apply(Change(fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT, token));
}

int Poller::Wait(PollEvent* events, int capacity, double timeout_ms) {
  MILLRACE_CHECK(capacity > 0 && capacity <= kMaxEvents);
  timespec time{};
  if (timeout_ms > 0) {
    const double nanoseconds = std::ceil(std::min(timeout_ms, 1e9) * 1e6);
    time.tv_sec = static_cast<time_t>(nanoseconds / 1e9);
    time.tv_nsec = static_cast<long>(nanoseconds - static_cast<double>(time.tv_sec) * 1e9);
  }
  const int ready = kevent(state_->queue.get(), nullptr, 0, state_->events, capacity,
                           timeout_ms < 0 ? nullptr : &time);
  if (ready < 0) return errno == EINTR ? 0 : -errno;
  int count = 0;
  for (int i = 0; i < ready; ++i) {
    const struct kevent& event = state_->events[i];
    if (event.filter == EVFILT_USER) continue;
    const auto token = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(event.udata));
    events[count++] = {token, Translate(event)};
  }
  return count;
}

void Poller::Wake() {
  struct kevent wake {};
  EV_SET(&wake, kWakeIdent, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
  // Fails only for a queue that is closed, which nobody waits for.
  state_->Apply(wake);
}

}  // namespace millrace
