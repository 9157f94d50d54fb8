// kqueue(2) on top of epoll(7), for tests on Linux.
//
//   master (the descriptor that kqueue() returns, level-triggered)
//     ├─ read set   one epoll for EVFILT_READ:  IN|RDHUP, edge-triggered iff EV_CLEAR
//     ├─ write set  one epoll for EVFILT_WRITE: OUT, edge-triggered
//     └─ trigger    an eventfd for EVFILT_USER
//
// Two sets, because a change to one filter must not report the other one again: the
// poller is to be tested with events as sparse as those of a real kqueue.
//
// Known differences: EV_EOF's fflags is ECONNRESET for every error (reading SO_ERROR
// would take it away from the owner); a queue that was closed frees its inner
// descriptors only at the next kqueue().
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace {

struct Note {
  uint16_t flags = 0;  // EV_CLEAR, EV_ONESHOT
  void* udata = nullptr;
  bool enabled = true;
  bool triggered = false;  // EVFILT_USER
};

struct Queue {
  int master = -1, reads = -1, writes = -1, trigger = -1;
  std::mutex mutex;  // the notes; NOTE_TRIGGER comes from other threads
  std::map<std::pair<int16_t, uintptr_t>, Note> notes;

  ~Queue() {
    close(reads);
    close(writes);
    close(trigger);
  }
  int SetOf(int16_t filter) const { return filter == EVFILT_READ ? reads : writes; }
};

std::mutex registry_mutex;
std::map<int, std::shared_ptr<Queue>> registry;

// Whether the master still is what it was when the queue was made.
bool Lives(const Queue& queue) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = queue.reads;
  return epoll_ctl(queue.master, EPOLL_CTL_MOD, queue.reads, &event) == 0;
}

int Watch(int set, int fd, uint32_t events, uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  // The same descriptor again: kqueue changes the note and looks at the state anew.
  if (errno == EEXIST && epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return errno;
}

uint32_t EventsOf(int16_t filter, const Note& note) {
  const uint32_t edge =
      (note.flags & (EV_CLEAR | EV_ONESHOT)) != 0 ? static_cast<uint32_t>(EPOLLET) : 0;
  return filter == EVFILT_READ ? EPOLLIN | EPOLLRDHUP | edge : EPOLLOUT | edge;
}

int ApplyUser(Queue& queue, const struct kevent& change) {
  const auto key = std::make_pair(change.filter, change.ident);
  if ((change.flags & EV_DELETE) != 0) return queue.notes.erase(key) == 1 ? 0 : ENOENT;
  if ((change.flags & EV_ADD) != 0) {
    Note& note = queue.notes[key];
    note.flags = change.flags & (EV_CLEAR | EV_ONESHOT);
    note.udata = change.udata;
  }
  const auto found = queue.notes.find(key);
  if (found == queue.notes.end()) return ENOENT;
  if ((change.fflags & NOTE_TRIGGER) != 0) {
    found->second.triggered = true;
    const uint64_t one = 1;
    if (write(queue.trigger, &one, sizeof one) < 0 && errno != EAGAIN) return errno;
  }
  return 0;
}

// Result: 0 or an errno.
int Apply(Queue& queue, const struct kevent& change) {
  const std::lock_guard<std::mutex> lock(queue.mutex);
  if (change.filter == EVFILT_USER) return ApplyUser(queue, change);
  if (change.filter != EVFILT_READ && change.filter != EVFILT_WRITE) return EINVAL;
  const auto key = std::make_pair(change.filter, change.ident);
  const int fd = static_cast<int>(change.ident);
  const int set = queue.SetOf(change.filter);
  if ((change.flags & EV_DELETE) != 0) {
    const bool known = queue.notes.erase(key) == 1;
    epoll_event unused{};
    if (epoll_ctl(set, EPOLL_CTL_DEL, fd, &unused) < 0 && errno == EBADF) return EBADF;
    return known ? 0 : ENOENT;
  }
  if ((change.flags & EV_ADD) != 0) {
    Note& note = queue.notes[key];
    note = Note{};
    note.flags = change.flags & (EV_CLEAR | EV_ONESHOT);
    note.udata = change.udata;
    note.enabled = (change.flags & EV_DISABLE) == 0;
    if (!note.enabled) return 0;
    const int error = Watch(set, fd, EventsOf(change.filter, note), change.ident);
    if (error != 0) queue.notes.erase(key);
    return error;
  }
  const auto found = queue.notes.find(key);
  if (found == queue.notes.end()) return ENOENT;
  Note& note = found->second;
  if ((change.flags & EV_DISABLE) != 0) {
    note.enabled = false;
    epoll_event unused{};
    epoll_ctl(set, EPOLL_CTL_DEL, fd, &unused);
  } else if ((change.flags & EV_ENABLE) != 0) {
    note.enabled = true;
    return Watch(set, fd, EventsOf(change.filter, note), change.ident);
  }
  return 0;
}

// Moves what one inner set has to say into `events`. Result: how many.
int Collect(Queue& queue, int16_t filter, struct kevent* events, int capacity) {
  epoll_event ready[256];
  const int set = queue.SetOf(filter);
  const int count = capacity > 0 ? epoll_wait(set, ready, std::min(capacity, 256), 0) : 0;
  int written = 0;
  for (int i = 0; i < count; ++i) {
    const auto found = queue.notes.find({filter, static_cast<uintptr_t>(ready[i].data.u64)});
    if (found == queue.notes.end() || !found->second.enabled) continue;
    struct kevent& event = events[written++];
    event = {};
    event.ident = static_cast<uintptr_t>(ready[i].data.u64);
    event.filter = filter;
    event.udata = found->second.udata;
    event.flags = found->second.flags;
    const uint32_t state = ready[i].events;
    if ((state & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) event.flags |= EV_EOF;
    if ((state & EPOLLERR) != 0) event.fflags = ECONNRESET;
    int bytes = 0;
    const int fd = static_cast<int>(event.ident);
    if (filter == EVFILT_READ && ioctl(fd, FIONREAD, &bytes) == 0) event.data = bytes;
    if ((found->second.flags & EV_ONESHOT) != 0) {
      epoll_event unused{};
      epoll_ctl(set, EPOLL_CTL_DEL, fd, &unused);
      queue.notes.erase(found);
    }
  }
  return written;
}

int CollectUser(Queue& queue, struct kevent* events, int capacity) {
  uint64_t value;
  if (read(queue.trigger, &value, sizeof value) < 0) return 0;
  int written = 0;
  for (auto& [key, note] : queue.notes) {
    if (key.first != EVFILT_USER || !note.triggered || written == capacity) continue;
    note.triggered = (note.flags & EV_CLEAR) == 0;
    struct kevent& event = events[written++];
    event = {};
    event.ident = key.second;
    event.filter = EVFILT_USER;
    event.flags = note.flags;
    event.udata = note.udata;
  }
  return written;
}

int CollectAll(Queue& queue, struct kevent* events, int capacity) {
  const std::lock_guard<std::mutex> lock(queue.mutex);
  int count = CollectUser(queue, events, capacity);
  count += Collect(queue, EVFILT_READ, events + count, capacity - count);
  count += Collect(queue, EVFILT_WRITE, events + count, capacity - count);
  return count;
}

int64_t NowNs() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void kqueue_shim_collect() {
  const std::lock_guard<std::mutex> lock(registry_mutex);
  for (auto entry = registry.begin(); entry != registry.end();) {
    entry = Lives(*entry->second) ? std::next(entry) : registry.erase(entry);
  }
}

int kqueue() {
  kqueue_shim_collect();
  const std::lock_guard<std::mutex> lock(registry_mutex);
  auto queue = std::make_shared<Queue>();
  queue->master = epoll_create1(EPOLL_CLOEXEC);
  queue->reads = epoll_create1(EPOLL_CLOEXEC);
  queue->writes = epoll_create1(EPOLL_CLOEXEC);
  queue->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  for (const int fd : {queue->reads, queue->writes, queue->trigger}) {
    const int error = Watch(queue->master, fd, EPOLLIN, static_cast<uint64_t>(fd));
    if (error != 0) {
      close(queue->master);
      errno = error;
      return -1;
    }
  }
  registry[queue->master] = queue;
  return queue->master;
}

int kevent(int fd, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const timespec* timeout) {
  std::shared_ptr<Queue> queue;
  {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    const auto found = registry.find(fd);
    if (found != registry.end()) queue = found->second;
  }
  if (queue == nullptr) {
    errno = EBADF;
    return -1;
  }
  int reported = 0;
  for (int i = 0; i < change_count; ++i) {
    const int error = Apply(*queue, changes[i]);
    if (error == 0 && (changes[i].flags & EV_RECEIPT) == 0) continue;
    if (reported == event_count) {
      if (error == 0) continue;
      errno = error;
      return -1;
    }
    events[reported] = changes[i];
    events[reported].flags = EV_ERROR;
    events[reported].data = error;
    reported += 1;
  }
  if (reported > 0 || event_count == 0) return reported;
  const int64_t until = timeout == nullptr
                            ? -1
                            : NowNs() + int64_t{timeout->tv_sec} * 1'000'000'000 + timeout->tv_nsec;
  for (;;) {
    const int count = CollectAll(*queue, events, event_count);
    if (count > 0) return count;
    const int64_t left = until < 0 ? -1 : std::max<int64_t>(0, until - NowNs());
    if (left == 0) return 0;
    epoll_event unused[3];
    // Rounded up: a wait is never too short.
    const int wait_ms = left < 0 ? -1 : static_cast<int>((left + 999'999) / 1'000'000);
    if (epoll_wait(queue->master, unused, 3, wait_ms) < 0) return -1;
  }
}
