// One thread's event loop: a table of open descriptors, the poller, the timers and
// the ready list. It collects what a turn has to do and leaves the doing to the owner:
//
//   for (;;) {
//     loop.Poll(limit_ms);           waits; writes events and due timers to the arena
//     ... the owner serves loop.event_count() events and loop.due_count() timers ...
//     loop.EndTurn();                frees what was closed
//   }
//
// Not thread-safe but for WakeFromAnyThread.
#ifndef MILLRACE_LOOP_LOOP_H_
#define MILLRACE_LOOP_LOOP_H_

#include <cstdint>

#include "base/arena.h"
#include "base/slab.h"
#include "loop/timers.h"
#include "poller/poller.h"

namespace millrace {

// What is known about an open descriptor. 44 bytes; a slab entry adds 8, so ten
// thousand idle connections cost half a megabyte.
struct Descriptor {
  int32_t fd;
  int32_t event_index;  // 1 + index of its pair in this turn's events, 0 for none
  Watch watch;
  uint8_t ready_flags;  // asked for by MarkReady; it is on the ready list iff not 0
  bool watched;         // in the poller's set
  bool enabled;         // listeners: wanted by the owner
  bool starved;         // listeners: out of descriptors or memory, to be resumed
  bool shared;          // its open file description may be known elsewhere
  bool awaits_write;    // AwaitWritable was called; whoever needs to know clears it
  uint8_t peer_length;  // bytes of `peer` in use; 0: unknown
  uint8_t peer[28];     // sockaddr of the peer (sockaddr_in6 is the longest)
};

class Loop {
 public:
  // The arena outlives the loop. Result: 0 or -errno. Once.
  int Open(Arena* arena);

  // Takes ownership of `fd`, whatever the result, and watches it. The result is a
  // handle, or -errno with the descriptor closed (ENFILE: the table is full).
  // kForeign is not for this function.
  int Add(int fd, Watch watch);

  // nullptr for a handle that was closed or never existed.
  Descriptor* Find(Handle handle) { return descriptors_.Find(handle); }

  // Closes the descriptor; its event in this turn becomes void (flags 0). The slot is
  // given out again after EndTurn. Result: 0 or -EBADF.
  int Close(Handle handle);

  // Closes every descriptor of the table.
  void CloseAll();

  // Reports `flags` for the handle in the next turn. Result: 0 or -EBADF.
  int MarkReady(Handle handle, uint32_t flags);

  // Reports `flags` in this turn: with what is reported for the handle already, behind it,
  // or when there is no room in the next turn. For who serves events before the owner does.
  void ReportNow(Handle handle, uint32_t flags);

  // After a send that took less than it was given.
  void AwaitWritable(Handle handle, Descriptor& descriptor) {
    descriptor.awaits_write = true;
    poller_.AwaitWritable(descriptor.fd, static_cast<uint32_t>(handle));
  }

  // Stops or resumes a listener. Result: 0, -EBADF, or what the poller says.
  int EnableListener(Handle handle, bool enabled);

  // Pauses a listener that met EMFILE, ENFILE, ENOBUFS or ENOMEM until a descriptor
  // is closed or kStarvedMs have gone.
  void StarveListener(Handle handle);
  static constexpr double kStarvedMs = 500;

  // Watches a descriptor that is not ours: foreign_ready() says whether the last Poll
  // found it readable. Once. Result: 0 or -errno.
  int WatchForeign(int fd);
  bool foreign_ready() const { return foreign_ready_; }

  // Makes the next Poll return at once.
  void Wake() { awake_ = true; }
  // The same, also for a Poll that is under way, and from any thread.
  void WakeFromAnyThread() { poller_.Wake(); }

  // How long Poll(infinity) would wait at most, in ms: 0 when something is ready,
  // -1 for ever. Reads the clock.
  double NextTimeoutMs() const;

  // Waits for the first of: an event, a timer, a wake-up, limit_ms (< 0: no limit).
  // Then reads the clocks and fills events and due timers. Result: 0, or -errno of a
  // poller that is broken.
  int Poll(double limit_ms);

  int event_count() const { return event_count_; }
  int due_count() const { return due_count_; }

  // Frees what was closed since Poll.
  void EndTurn();

  // Writes both clocks to the arena and returns the monotonic one, in ms.
  double UpdateClock();

  Arena& arena() { return *arena_; }
  Timers& timers() { return timers_; }
  uint32_t descriptor_count() const { return descriptors_.size(); }
  uint64_t polls() const { return polls_; }

 private:
  static constexpr uint32_t kForeignToken = 0xffffffff;

  void Report(Handle handle, Descriptor& descriptor, uint32_t flags);
  void CollectReady();
  void ResumeStarved();
  int StartWatching(Handle handle, Descriptor& descriptor);
  void StopWatching(Descriptor& descriptor);

  Arena* arena_ = nullptr;
  Poller poller_;
  Timers timers_;
  Slab<Descriptor> descriptors_;
  ReservedArray<Handle> ready_;  // a ring of kMaxSlots
  uint32_t ready_head_ = 0, ready_count_ = 0;
  PollEvent poll_events_[Poller::kMaxEvents];
  int32_t* events_ = nullptr;
  int32_t* due_ = nullptr;
  int event_capacity_ = 0;
  int event_count_ = 0, due_count_ = 0;
  ReservedArray<Handle> starved_;  // some of them may be closed by now
  uint32_t starved_count_ = 0;
  double starved_until_ms_ = 0;
  uint64_t polls_ = 0;
  bool foreign_ready_ = false;
  bool awake_ = false;
};

}  // namespace millrace

#endif  // MILLRACE_LOOP_LOOP_H_
