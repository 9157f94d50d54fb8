// Blocks of 4 KB to 1 MB, in powers of two, out of one range of address space.
//
// The range is cut into chunks of 1 MB. A chunk that is in use holds blocks of one
// class and a bitmap of those that are free; a chunk whose blocks are all free
// belongs to no class and can serve any. Of these a few stay warm, the others give
// their pages back to the system.
//
//   chunks_   [ 4K: 101101.. ][ free, warm ][ 64K: 0010.. ][ free, cold ][ never used ...
//   partial_  class -> chunks of the class that have a free block (a linked list)
#ifndef MILLRACE_BASE_BLOCK_ALLOCATOR_H_
#define MILLRACE_BASE_BLOCK_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>

#include "base/memory.h"

namespace millrace {

class BlockAllocator {
 public:
  static constexpr size_t kMinBlock = 4096;
  static constexpr size_t kChunk = size_t{1} << 20;
  // Chunks of 1 MB without a used block that keep their pages.
  static constexpr uint32_t kWarmChunks = 4;

  // Serves [base + begin, base + end), which stays the caller's; both are multiples
  // of 1 MB relative to base. False when there is no memory for the tables.
  bool Init(uint8_t* base, size_t begin, size_t end);

  // Takes a block of at least `size` bytes (1 to 1 MB). Content is undefined.
  // Result: the offset from base, or -ENOMEM; -EINVAL for another size.
  int64_t Acquire(size_t size);

  // Gives back what Acquire(size) returned. Result: 0, or -EINVAL for an offset that
  // is not that of a used block of this size class.
  int Release(size_t offset, size_t size);

  // Blocks in use and their bytes, as rounded up.
  uint32_t blocks() const { return blocks_; }
  size_t block_bytes() const { return block_bytes_; }

 private:
  static constexpr int kClasses = 9;
  static constexpr int kWords = 4;
  static constexpr uint8_t kUnused = 0xff;

  struct Chunk {
    uint64_t free_bits[kWords];
    uint32_t prev, next;  // index + 1 within the list the chunk is on, 0 at the end
    uint16_t free_count;
    uint8_t size_class;
  };

  static int ClassOf(size_t size);
  void Push(uint32_t* head, uint32_t index);
  void Unlink(uint32_t* head, uint32_t index);
  bool Refill(int size_class);
  void Retire(uint32_t index);

  uint8_t* base_ = nullptr;
  size_t begin_ = 0;
  ReservedArray<Chunk> chunks_;
  uint32_t used_chunks_ = 0;  // chunks that were ever taken
  uint32_t partial_[kClasses] = {};
  uint32_t warm_ = 0, cold_ = 0;  // lists of free chunks
  uint32_t warm_count_ = 0;
  uint32_t blocks_ = 0;
  size_t block_bytes_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_BLOCK_ALLOCATOR_H_
