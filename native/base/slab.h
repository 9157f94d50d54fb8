// A table of up to 2^20 entries, each known by a handle that carries a generation:
//
//   bit 31   30 ........ 20   19 ................. 0
//      0     generation 1-2047       slot
//
// A handle whose entry was removed finds nothing, even when the slot lives again.
// A removed slot is not given out before Recycle(), and slots are reused in the
// order in which they were freed, so that a generation comes round late.
#ifndef MILLRACE_BASE_SLAB_H_
#define MILLRACE_BASE_SLAB_H_

#include <cstdint>

#include "base/memory.h"

namespace millrace {

using Handle = int32_t;

inline constexpr int kSlotBits = 20;
inline constexpr uint32_t kMaxSlots = 1u << kSlotBits;
inline constexpr uint32_t kSlotMask = kMaxSlots - 1;
inline constexpr uint32_t kMaxGeneration = (1u << (31 - kSlotBits)) - 1;

inline uint32_t SlotOf(Handle handle) { return static_cast<uint32_t>(handle) & kSlotMask; }

template <typename T>
class Slab {
 public:
  // False when there is no address space left.
  bool Reserve() { return entries_.Reserve(kMaxSlots); }

  // Takes a slot. The value is as its last owner left it. Result: a handle, or 0 when
  // the table is full.
  Handle Add() {
    uint32_t slot = free_head_;
    if (slot != 0) {
      slot -= 1;
      free_head_ = entries_[slot].next;
      if (free_head_ == 0) free_tail_ = 0;
    } else {
      if (used_ == entries_.capacity()) return 0;
      slot = used_++;
      entries_[slot].generation = 1;
    }
    Entry& entry = entries_[slot];
    entry.live = true;
    size_ += 1;
    return HandleOf(slot, entry);
  }

  // The value behind a handle, or nullptr when it was removed or never existed.
  T* Find(Handle handle) {
    const uint32_t slot = SlotOf(handle);
    if (slot >= used_) return nullptr;
    Entry& entry = entries_[slot];
    return entry.live && HandleOf(slot, entry) == handle ? &entry.value : nullptr;
  }

  // The value in a slot, or nullptr when nothing lives there.
  T* AtSlot(uint32_t slot) {
    return slot < used_ && entries_[slot].live ? &entries_[slot].value : nullptr;
  }

  // Ends a live handle. The slot rests until Recycle().
  void Remove(Handle handle) {
    const uint32_t slot = SlotOf(handle);
    Entry& entry = entries_[slot];
    entry.live = false;
    entry.generation = entry.generation == kMaxGeneration ? 1 : entry.generation + 1;
    entry.next = retired_head_;
    if (retired_head_ == 0) retired_tail_ = slot + 1;
    retired_head_ = slot + 1;
    size_ -= 1;
  }

  // Makes the slots removed so far available again.
  void Recycle() {
    if (retired_head_ == 0) return;
    if (free_tail_ == 0) {
      free_head_ = retired_head_;
    } else {
      entries_[free_tail_ - 1].next = retired_head_;
    }
    free_tail_ = retired_tail_;
    retired_head_ = retired_tail_ = 0;
  }

  // Calls visit(handle, value) for every live entry; it may remove that entry.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (uint32_t slot = 0; slot < used_; ++slot) {
      Entry& entry = entries_[slot];
      if (entry.live) visit(HandleOf(slot, entry), entry.value);
    }
  }

  uint32_t size() const { return size_; }

 private:
  struct Entry {
    T value;
    uint32_t next;  // slot + 1 of the next free or retired one, 0 at the end
    uint16_t generation;
    bool live;
  };

  static Handle HandleOf(uint32_t slot, const Entry& entry) {
    return static_cast<Handle>(static_cast<uint32_t>(entry.generation) << kSlotBits | slot);
  }

  ReservedArray<Entry> entries_;
  uint32_t used_ = 0;  // slots that were ever taken
  uint32_t size_ = 0;
  uint32_t free_head_ = 0, free_tail_ = 0;
  uint32_t retired_head_ = 0, retired_tail_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_SLAB_H_
