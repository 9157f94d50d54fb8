// The one piece of memory that both languages see. Reserved once, committed as it is
// touched, never moved. Everything in it is addressed by its byte offset.
//
//   0        clocks (now, wallClock), registers of the hot calls
//   4 KB     events, due                  written by a turn of the loop
//            table                        results of accept, receiveFds, scanFields
//            window, scratch              shared receive and compose regions
//            deadlines, scheduled         of the timers, 1M of each, lazily committed
//   ...      blocks                       4 KB to 1 MB, see block_allocator.h
//   size     (a guard page that is never touched)
#ifndef MILLRACE_BASE_ARENA_H_
#define MILLRACE_BASE_ARENA_H_

#include <cstddef>
#include <cstdint>

#include "base/block_allocator.h"

namespace millrace {

// Byte offsets and capacities of the fixed regions; lib/native/binding.ts says what
// lies in them.
struct ArenaLayout {
  static constexpr size_t kRegisters = 960;  // Int32 entries
  size_t size;
  size_t now, wall_clock, registers;
  size_t events, event_capacity;
  size_t due, due_capacity;
  size_t deadlines, scheduled, timer_capacity;
  size_t table, table_capacity, record_capacity;
  size_t window, window_size;
  size_t scratch, scratch_size;
  size_t blocks;
};

class Arena {
 public:
  static constexpr size_t kDefaultSize = size_t{512} << 20;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // Reserves `size` bytes (a multiple of 1 MB, at least 32 MB, at most 2 GB - 1 MB so
  // that offsets stay positive 32-bit integers). False when there is no address space.
  bool Open(size_t size = kDefaultSize);

  uint8_t* base() const { return base_; }
  const ArenaLayout& layout() const { return layout_; }
  BlockAllocator& blocks() { return blocks_; }

  // The start of a region as an array of T.
  template <typename T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }

  // Whether [offset, offset + length) lies in the arena. False for negative numbers.
  bool Contains(int32_t offset, int32_t length) const {
    return (offset | length) >= 0 &&
           static_cast<size_t>(offset) + static_cast<size_t>(length) <= layout_.size;
  }

 private:
  uint8_t* base_ = nullptr;
  ArenaLayout layout_{};
  BlockAllocator blocks_;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_ARENA_H_
