// See block_allocator.h.
#include "base/block_allocator.h"

#include <bit>
#include <cerrno>

#include "base/check.h"

namespace millrace {

bool BlockAllocator::Init(uint8_t* base, size_t begin, size_t end) {
  MILLRACE_CHECK(begin % kChunk == 0 && end % kChunk == 0 && begin < end);
  base_ = base;
  begin_ = begin;
  return chunks_.Reserve((end - begin) / kChunk);
}

int BlockAllocator::ClassOf(size_t size) {
  if (size == 0 || size > kChunk) return -1;
  if (size <= kMinBlock) return 0;
  return static_cast<int>(std::bit_width(size - 1)) - 12;
}

void BlockAllocator::Push(uint32_t* head, uint32_t index) {
  Chunk& chunk = chunks_[index];
  chunk.prev = 0;
  chunk.next = *head;
  if (*head != 0) chunks_[*head - 1].prev = index + 1;
  *head = index + 1;
}

void BlockAllocator::Unlink(uint32_t* head, uint32_t index) {
  Chunk& chunk = chunks_[index];
  if (chunk.prev != 0) {
    chunks_[chunk.prev - 1].next = chunk.next;
  } else {
    *head = chunk.next;
  }
  if (chunk.next != 0) chunks_[chunk.next - 1].prev = chunk.prev;
}

// Gives the class a chunk of free blocks: a warm one, else a cold one, else new.
bool BlockAllocator::Refill(int size_class) {
  uint32_t index;
  if (warm_ != 0) {
    index = warm_ - 1;
    Unlink(&warm_, index);
    warm_count_ -= 1;
  } else if (cold_ != 0) {
    index = cold_ - 1;
    Unlink(&cold_, index);
  } else if (used_chunks_ < chunks_.capacity()) {
    index = used_chunks_++;
  } else {
    return false;
  }
  Chunk& chunk = chunks_[index];
  const unsigned count = static_cast<unsigned>(kChunk / kMinBlock) >> size_class;
  for (unsigned word = 0; word < kWords; ++word) {
    const unsigned first = word * 64;
    if (count >= first + 64) {
      chunk.free_bits[word] = ~uint64_t{0};
    } else {
      chunk.free_bits[word] = count > first ? (uint64_t{1} << (count - first)) - 1 : 0;
    }
  }
  chunk.free_count = static_cast<uint16_t>(count);
  chunk.size_class = static_cast<uint8_t>(size_class);
  Push(&partial_[size_class], index);
  return true;
}

// Takes a chunk without used blocks out of its class.
void BlockAllocator::Retire(uint32_t index) {
  Unlink(&partial_[chunks_[index].size_class], index);
  chunks_[index].size_class = kUnused;
  if (warm_count_ < kWarmChunks) {
    warm_count_ += 1;
    Push(&warm_, index);
  } else {
    DecommitMemory(base_ + begin_ + size_t{index} * kChunk, kChunk);
    Push(&cold_, index);
  }
}

int64_t BlockAllocator::Acquire(size_t size) {
  const int size_class = ClassOf(size);
  if (size_class < 0) return -EINVAL;
  if (partial_[size_class] == 0 && !Refill(size_class)) return -ENOMEM;
  const uint32_t index = partial_[size_class] - 1;
  Chunk& chunk = chunks_[index];
  for (unsigned word = 0; word < kWords; ++word) {
    if (chunk.free_bits[word] == 0) continue;
    const auto bit = static_cast<unsigned>(std::countr_zero(chunk.free_bits[word]));
    chunk.free_bits[word] &= chunk.free_bits[word] - 1;
    chunk.free_count -= 1;
    if (chunk.free_count == 0) Unlink(&partial_[size_class], index);
    blocks_ += 1;
    block_bytes_ += kMinBlock << size_class;
    const size_t block = size_t{word} * 64 + bit;
    return static_cast<int64_t>(begin_ + size_t{index} * kChunk +
                                (block * kMinBlock << size_class));
  }
  CheckFailed("a partial chunk has a free block", __FILE__, __LINE__);
}

int BlockAllocator::Release(size_t offset, size_t size) {
  const int size_class = ClassOf(size);
  if (size_class < 0 || offset < begin_) return -EINVAL;
  const size_t index = (offset - begin_) / kChunk;
  const size_t within = (offset - begin_) % kChunk;
  const size_t block = within / kMinBlock >> size_class;
  if (index >= used_chunks_ || within != (block * kMinBlock << size_class)) return -EINVAL;
  Chunk& chunk = chunks_[index];
  uint64_t& bits = chunk.free_bits[block / 64];
  const uint64_t mask = uint64_t{1} << (block % 64);
  if (chunk.size_class != size_class || (bits & mask) != 0) return -EINVAL;
  bits |= mask;
  chunk.free_count += 1;
  blocks_ -= 1;
  block_bytes_ -= kMinBlock << size_class;
  if (chunk.free_count == 1) Push(&partial_[size_class], static_cast<uint32_t>(index));
  if (chunk.free_count == (kChunk / kMinBlock) >> size_class) {
    Retire(static_cast<uint32_t>(index));
  }
  return 0;
}

}  // namespace millrace
