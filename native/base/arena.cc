// See arena.h.
#include "base/arena.h"

#include "base/check.h"
#include "base/memory.h"

namespace millrace {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kGuard = 65536;  // at least one page wherever we run
constexpr size_t kEventCapacity = 1024;
constexpr size_t kDueCapacity = 1024;
constexpr size_t kTableCapacity = 65536;
constexpr size_t kRecordCapacity = 10000;  // of six entries, from the beginning of the table
constexpr size_t kWindowSize = size_t{256} << 10;
constexpr size_t kScratchSize = size_t{256} << 10;
constexpr size_t kTimerCapacity = size_t{1} << 20;

constexpr ArenaLayout LayOut(size_t size) {
  ArenaLayout layout{};
  layout.size = size;
  layout.now = 0;
  layout.wall_clock = sizeof(double);
  layout.registers = 64;
  size_t at = kPage;
  auto take = [&at](size_t bytes) {
    const size_t begin = at;
    at += (bytes + kPage - 1) / kPage * kPage;
    return begin;
  };
  layout.event_capacity = kEventCapacity;
  layout.events = take(kEventCapacity * 2 * sizeof(int32_t));
  layout.due_capacity = kDueCapacity;
  layout.due = take(kDueCapacity * sizeof(int32_t));
  layout.table_capacity = kTableCapacity;
  layout.record_capacity = kRecordCapacity;
  layout.table = take(kTableCapacity * sizeof(int32_t));
  layout.window_size = kWindowSize;
  layout.window = take(kWindowSize);
  layout.scratch_size = kScratchSize;
  layout.scratch = take(kScratchSize);
  layout.timer_capacity = kTimerCapacity;
  layout.deadlines = take(kTimerCapacity * sizeof(double));
  layout.scheduled = take(kTimerCapacity * sizeof(double));
  layout.blocks =
      (at + BlockAllocator::kChunk - 1) / BlockAllocator::kChunk * BlockAllocator::kChunk;
  return layout;
}

}  // namespace

Arena::~Arena() {
  if (base_ != nullptr) UnreserveMemory(base_, layout_.size + kGuard);
}

bool Arena::Open(size_t size) {
  MILLRACE_CHECK(base_ == nullptr);
  MILLRACE_CHECK(size % BlockAllocator::kChunk == 0);
  MILLRACE_CHECK(size >= size_t{32} << 20 && size < size_t{1} << 31);
  base_ = static_cast<uint8_t*>(ReserveMemory(size + kGuard));
  if (base_ == nullptr) return false;
  layout_ = LayOut(size);
  return blocks_.Init(base_, layout_.blocks, size);
}

}  // namespace millrace
