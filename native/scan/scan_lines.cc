// See scan_lines.h. Works on blocks of 64 bytes: five masks for a block, then one step
// for each line in it; the state of an unfinished line goes from block to block.
#include "scan/scan_lines.h"

#include <bit>
#include <cstring>

#include "scan/block_masks.h"

namespace millrace {

int ScanLines(const uint8_t* data, int32_t length, int32_t from, Line* lines, int capacity) {
  int count = 0;
  int32_t begin = from;  // of the current line
  int32_t colon = -1;
  int32_t flags = 0;
  uint64_t cr_before = 0;  // 1: the last byte of the previous block was a CR
  for (int32_t at = from; at < length && count < capacity; at += kBlock) {
    BlockMasks masks;
    uint64_t valid = ~uint64_t{0};
    if (length - at >= kBlock) {
      masks = Classify(data + at);
    } else {
      // The bytes behind the end are not ours: pad with what belongs to no mask.
      uint8_t tail[kBlock];
      const auto rest = static_cast<size_t>(length - at);
      std::memset(tail, ' ', sizeof tail);
      std::memcpy(tail, data + at, rest);
      masks = Classify(tail);
      valid = (uint64_t{1} << rest) - 1;
    }
    // A CR is bad when the byte behind it is not an LF, which is noted on that byte: it
    // is on the same line. Behind the end of the data nothing is known yet.
    const uint64_t behind_cr = (masks.cr << 1 | cr_before) & valid;
    const uint64_t bad = masks.control | (behind_cr & ~masks.lf);
    cr_before = masks.cr >> (kBlock - 1);
    uint64_t todo = ~uint64_t{0};  // the bytes of the block that lie behind the last LF
    for (;;) {
      const uint64_t ends = masks.lf & todo;
      // The part of the block that belongs to the current line.
      const uint64_t part = ends == 0 ? todo : todo & (ends ^ (ends - 1));
      if (colon < 0 && (masks.colon & part) != 0) {
        colon = at + std::countr_zero(masks.colon & part);
      }
      if ((bad & part) != 0) flags |= kLineBad;
      if ((masks.high & part) != 0) flags |= kLineHigh;
      if (ends == 0) break;
      const int32_t end = at + std::countr_zero(ends);
      if (end > begin && data[end - 1] == '\r') flags |= kLineCrLf;
      if (data[begin] == ' ' || data[begin] == '\t') flags |= kLineIndented;
      lines[count++] = {end, colon, flags};
      if (end == begin || (end == begin + 1 && data[begin] == '\r')) return count;
      if (count == capacity) return count;
      begin = end + 1;
      colon = -1;
      flags = 0;
      todo &= ~part;
    }
  }
  return count;
}

}  // namespace millrace
