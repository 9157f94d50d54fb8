// See scan_fields.h. Works on blocks of 64 bytes: three masks for a block, then one step
// for each line in it; the state of an unfinished line goes from block to block.
#include "scan/scan_fields.h"

#include <bit>
#include <cstring>

#include "scan/block_masks.h"
#include "scan/line_collector.h"

namespace millrace {

void ScanFields(const uint8_t* data, int32_t length, int32_t from, size_t readable,
                const NameTable& names, FieldRecord* records, int32_t capacity,
                ScanReport* report) {
  LineCollector lines(data, from, names, records, capacity, report);
  int32_t colon = -1;  // the first ones of the current line
  int32_t odd = -1;
  for (int32_t at = from; at < length; at += kBlock) {
    BlockMasks masks;
    uint64_t todo = ~uint64_t{0};  // the bytes of the block that lie behind the last LF
    if (static_cast<size_t>(at) + kBlock <= readable) {
      masks = Classify(data + at);
      if (length - at < kBlock) todo = (uint64_t{1} << (length - at)) - 1;
    } else {
      uint8_t tail[kBlock] = {};
      const auto rest = static_cast<size_t>(length - at);
      std::memcpy(tail, data + at, rest);
      masks = Classify(tail);
      todo = (uint64_t{1} << rest) - 1;
    }
    for (;;) {
      const uint64_t ends = masks.lf & todo;
      // The part of the block that belongs to the current line.
      const uint64_t part = ends == 0 ? todo : todo & (ends ^ (ends - 1));
      const uint64_t colons = masks.colon & part;
      const uint64_t odds = masks.odd & part;
      if (colon < 0 && colons != 0) colon = at + std::countr_zero(colons);
      if (odd < 0 && odds != 0) odd = at + std::countr_zero(odds);
      if (ends == 0) break;
      if (!lines.Add(at + std::countr_zero(ends), colon, odd)) {
        lines.Finish();
        return;
      }
      colon = -1;
      odd = -1;
      todo &= ~part;
    }
  }
  lines.Finish();
}

}  // namespace millrace
