// Moves the bytes of long bodies from one stream to another without waking the owner of
// either for each piece.
//
//   source ──► [ pipe, or the receive window ] ──► target
//                     │ what the target does not take
//                     └► stays in the pipe, or is held in a block of the arena
//
// A relay takes over the reading of its source and the writing to its target, and
// nothing else: what the target sends is its owner's as before. It reads only when it
// holds nothing, so what one relay can hold is bounded, and a slow target stops the
// reading of the source.
//
// Readiness comes from the loop's events: Serve looks at each of a turn before the owner
// does and takes out what belongs to a relay. A relay that is over reports kRelayed for
// its source, and stays known until End, so that its counts can be read.
//
// Deadlines: while bytes are waited for, the source's timer stands at the last moment at
// which some came plus its timeout; while the target takes none, the target's likewise;
// the other one is disarmed.
#ifndef MILLRACE_RELAY_RELAY_H_
#define MILLRACE_RELAY_RELAY_H_

#include <cstdint>

#include "base/memory.h"
#include "base/slab.h"
#include "loop/loop.h"
#include "relay/pipes.h"

namespace millrace {

// lib/native/binding.ts, RELAY_*.
enum class RelayState : int32_t {
  kRunning = 0,
  // Everything was moved; the source is drained.
  kDone = 1,
  // Everything was moved, and more (or the end) waits at the source.
  kDoneMore = 2,
  // The source's stream ended, early unless the length was kUntilEnd.
  kSourceEnded = 3,
  kSourceFailed = 4,
  kTargetFailed = 5,
};

// One side of a relay: a stream, the timer that watches it (-1: none), and for how long.
struct RelaySide {
  Handle handle;
  int32_t timer;
  double timeout_ms;
};

struct Relay {
  RelaySide source, target;
  int64_t remaining;  // bytes to be read; kUntilEnd: all
  int64_t received;   // read from the source
  int64_t sent;       // taken by the target
  Pipe pipe;          // only while held > 0 or in Pump
  int32_t block;      // offset in the arena; -1: none. Only while held > 0
  int32_t block_size;
  int32_t block_at;  // first byte of the block that was not sent
  int32_t held;      // received - sent: bytes in the pipe or in the block
  int32_t error;     // errno of kSourceFailed and kTargetFailed
  RelayState state;
  bool waits_for_target;
  bool watches_target;  // whose deadline counts
  bool ending;          // end-of-file or an error was reported: a short read says nothing
  bool copying;         // this source or target cannot be spliced
  bool small;           // the last piece was short: the next is copied
};

class Relays {
 public:
  Relays() = default;
  Relays(const Relays&) = delete;
  Relays& operator=(const Relays&) = delete;
  ~Relays();

  static constexpr int64_t kUntilEnd = INT64_MAX;
  // What one relay moves in a turn before others have theirs; of what is copied, one
  // window: more would only fill the target's buffer and be copied twice.
  static constexpr size_t kBudgetBytes = size_t{1} << 20;
  // Bytes go through a pipe while there is as much at once. Measured: what waits in one
  // large piece (a file that was sent whole) costs 40% less so, what comes in small ones
  // 10% more.
  static constexpr int64_t kSpliceFromBytes = 256 << 10;

  // The loop outlives this. False when there is no address space.
  bool Open(Loop* loop);

  // Starts moving `length` (> 0) bytes at the source's next readiness; MarkReady for what is
  // readable already. `source_writes`: the source's owner waits for it to be writable.
  // Result: a handle, -EBADF, -EBUSY (the source is relayed, or the target is relayed
  // into), -ENFILE.
  int Start(const RelaySide& source, const RelaySide& target, int64_t length, bool source_writes);

  // The relay, or nullptr.
  const Relay* Find(Handle relay) { return relays_.Find(relay); }

  // Forgets a relay, running or not; bytes that it holds are dropped.
  void End(Handle relay);

  // Forgets them all; to be called while the arena is there.
  void EndAll();

  // To be called before a stream is closed: the relay from or into it stops, and its
  // counts stay.
  void OnClose(Handle stream);

  // Between Loop::Poll and its owner's part of the turn. Result: events that are left.
  int Serve();

  uint32_t size() const { return relays_.size(); }
  int pipe_count() const { return pipes_.count(); }

 private:
  Relay* Lookup(Handle relay) { return relay == 0 ? nullptr : relays_.Find(relay); }
  void Pump(Relay& relay);
  bool Move(Relay& relay);
  int Receive(Relay& relay, size_t max, bool* drained);
  bool TakePipe(Relay& relay);
  int SendWindow(Relay& relay);
  int Flush(Relay& relay);
  void Count(Relay& relay, int sent);
  void DropHeld(Relay& relay);
  void Watch(Relay& relay, int64_t received, int64_t sent);
  void SetDeadline(const RelaySide& side, double at);
  bool Stop(Relay& relay, RelayState state, int error);
  void Finish(Relay& relay, RelayState state, int error);

  Loop* loop_ = nullptr;
  Pipes pipes_;
  Slab<Relay> relays_;
  // By slot of the stream: its relay while that runs, else 0. Only touched pages cost.
  ReservedArray<Handle> by_source_, by_target_;
  uint32_t running_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_RELAY_RELAY_H_
