// The poller on epoll(7). See poller.h for the contract.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <new>

#include "base/check.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "poller/poller.h"

namespace millrace {
namespace {

// No descriptor's token: the loop's handles are positive 31-bit numbers.
constexpr uint64_t kWakeToken = ~uint64_t{0};

uint32_t FlagsOf(Watch watch) {
  switch (watch) {
    case Watch::kStream:
      return EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<uint32_t>(EPOLLET);
    case Watch::kDatagram:
      return EPOLLIN | EPOLLOUT | static_cast<uint32_t>(EPOLLET);
    case Watch::kSharedListener:
      return EPOLLIN | EPOLLEXCLUSIVE;
    case Watch::kListener:
    case Watch::kForeign:
      return EPOLLIN;
  }
  CheckFailed("a known watch", __FILE__, __LINE__);
}

uint32_t Translate(uint32_t events) {
  uint32_t flags = 0;
  if ((events & EPOLLIN) != 0) flags |= kRead;
  if ((events & EPOLLOUT) != 0) flags |= kWrite;
  if ((events & EPOLLRDHUP) != 0) flags |= kRead | kEof;
  if ((events & EPOLLHUP) != 0) flags |= kRead | kWrite | kEof;
  if ((events & EPOLLERR) != 0) flags |= kRead | kWrite | kError;
  return flags;
}

}  // namespace

struct Poller::State {
  UniqueFd epoll;
  UniqueFd wake;
  epoll_event events[kMaxEvents];
};

Poller::Poller() : state_(new (std::nothrow) State) { MILLRACE_CHECK(state_ != nullptr); }

Poller::~Poller() { delete state_; }

const char* Poller::Name() { return "epoll"; }

int Poller::Open() {
  state_->epoll.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!state_->epoll.valid()) return -errno;
  state_->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state_->wake.valid()) return -errno;
  // Edge-triggered: every write is an edge, so the counter need not be read back. It
  // would take 2^64 wakes to fill it.
  epoll_event event{};
  event.events = EPOLLIN | static_cast<uint32_t>(EPOLLET);
  event.data.u64 = kWakeToken;
  return epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, state_->wake.get(), &event) < 0 ? -errno : 0;
}

int Poller::Add(int fd, Watch watch, uint32_t token) {
  epoll_event event{};
  event.events = FlagsOf(watch);
  event.data.u64 = token;
  return epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int Poller::Remove(int fd, Watch) {
  epoll_event unused{};  // kernels before 2.6.9 want one
  return epoll_ctl(state_->epoll.get(), EPOLL_CTL_DEL, fd, &unused) < 0 ? -errno : 0;
}

// EPOLLOUT is always registered, and a write that would have blocked is followed by an
// edge when there is room.
int Poller::AwaitWritable(int, uint32_t) { return 0; }

int Poller::Wait(PollEvent* events, int capacity, double timeout_ms) {
  MILLRACE_CHECK(capacity > 0 && capacity <= kMaxEvents);
  const int timeout = timeout_ms < 0 ? -1 : static_cast<int>(std::min(std::ceil(timeout_ms), 1e9));
  const int ready = epoll_wait(state_->epoll.get(), state_->events, capacity, timeout);
  if (ready < 0) return errno == EINTR ? 0 : -errno;
  int count = 0;
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = state_->events[i];
    if (event.data.u64 == kWakeToken) continue;
    events[count++] = {static_cast<uint32_t>(event.data.u64), Translate(event.events)};
  }
  return count;
}

void Poller::Wake() {
  const uint64_t one = 1;
  // EAGAIN would mean a full counter, hence a wake-up that is already on its way.
  [[maybe_unused]] const ssize_t result = write(state_->wake.get(), &one, sizeof one);
}

}  // namespace millrace
