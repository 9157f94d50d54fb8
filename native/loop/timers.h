// Timers with lazy re-arming: a 4-ary heap over two arrays that both languages see.
//
//   deadlines[id]   when the timer shall fire, in ms of the monotonic clock; written by
//                   the owner. Infinity (or NaN) is disarmed.
//   scheduled[id]   where the timer sits in the heap; Infinity when it does not.
//
// Moving a deadline later, or disarming, is a store to deadlines[id]: when the heap
// reaches the old place the timer is put back at its new one. So a connection that
// pushes its deadline at every request pays for one heap operation in each whole
// period, not in each request. Moving it earlier needs Arm.
// Arrays are touched as ids are first given out; unused ids cost no memory.
#ifndef MILLRACE_LOOP_TIMERS_H_
#define MILLRACE_LOOP_TIMERS_H_

#include <cstddef>
#include <cstdint>

#include "base/memory.h"

namespace millrace {

class Timers {
 public:
  // The arrays have `capacity` entries and outlive this object. False without memory.
  bool Init(double* deadlines, double* scheduled, size_t capacity);

  // A new, disarmed timer. Result: its id, or -ENOMEM.
  int Add();

  // Puts the timer into the heap at deadlines[id], wherever it sat. With a deadline of
  // Infinity it leaves the heap. Result: 0, or -EINVAL for an id that does not live.
  int Arm(int32_t id);

  // Moves a living timer to `at`, lazily where that will do.
  void MoveTo(int32_t id, double at) {
    deadlines_[id] = at;
    if (at < scheduled_[id]) Arm(id);
  }

  // Disarms and frees the id, which is given out again only after Recycle().
  int Remove(int32_t id);

  // Writes the ids of timers whose deadline is <= now, by deadline, ties in the order
  // of Arm, takes them out of the heap (scheduled = Infinity; deadlines stay as they
  // are, so that the owner can see that a callback moved one) and returns how many.
  // More than `capacity` due timers stay for the next call.
  int CollectDue(double now, int32_t* due, size_t capacity);

  // When to call CollectDue again; Infinity with an empty heap. It may be too early
  // for a timer that was moved, never too late.
  double next() const;

  // Makes ids removed so far available again.
  void Recycle();

  uint32_t size() const { return size_; }

 private:
  struct Node {
    double at;
    uint32_t sequence;  // start order; compared by difference, so it may wrap
    uint32_t id;
  };

  // 1 + index in the heap, or one of these.
  static constexpr uint32_t kIdle = 0;
  static constexpr uint32_t kFree = 0xffffffff;

  static bool Before(const Node& a, const Node& b);
  bool Lives(int32_t id) const;
  void Place(uint32_t index, const Node& node);
  void SiftUp(uint32_t index, Node node);
  void SiftDown(uint32_t index, Node node);
  void Take(uint32_t index);

  double* deadlines_ = nullptr;
  double* scheduled_ = nullptr;
  ReservedArray<Node> heap_;
  ReservedArray<uint32_t> position_;  // by id
  ReservedArray<uint32_t> free_;      // [0, free_count_) free, then retired ids
  uint32_t heap_size_ = 0;
  uint32_t used_ = 0;  // ids that were ever given out
  uint32_t size_ = 0;
  uint32_t free_count_ = 0;
  uint32_t retired_count_ = 0;
  uint32_t sequence_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_LOOP_TIMERS_H_
