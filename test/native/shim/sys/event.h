// <sys/event.h> for Linux: the part of kqueue(2) that poller_kqueue.cc may use, so that
// it is compiled and tested where there is no kqueue. Implemented in kevent_shim.cc;
// never part of a release build.
#ifndef MILLRACE_TEST_SHIM_SYS_EVENT_H_
#define MILLRACE_TEST_SHIM_SYS_EVENT_H_

#include <time.h>

#include <cstdint>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_USER (-10)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_TRIGGER 0x01000000

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  intptr_t data;
  void* udata;
};

#define EV_SET(event, a, b, c, d, e, f) \
  do {                                  \
    (event)->ident = (a);               \
    (event)->filter = (b);              \
    (event)->flags = (c);               \
    (event)->fflags = (d);              \
    (event)->data = (e);                \
    (event)->udata = (f);               \
  } while (false)

int kqueue();
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const timespec* timeout);

// Frees what queues that were closed meanwhile have left; for tests that count
// descriptors.
void kqueue_shim_collect();

#endif  // MILLRACE_TEST_SHIM_SYS_EVENT_H_
