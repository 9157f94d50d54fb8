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
  LineCollector lines(data, from, readable, names, records, capacity, report);
  int32_t colon = -1;  // the first one of the current line, when it is in an earlier block
  bool odd = false;    // the line holds an odd byte that is not in front of its LF
  for (int32_t at = from; at < length; at += kBlock) {
    BlockMasks masks;
    if (static_cast<size_t>(at) + kBlock <= readable) {
      masks = Classify(data + at);
    } else {
      uint8_t tail[kBlock] = {};
      std::memcpy(tail, data + at, static_cast<size_t>(length - at));
      masks = Classify(tail);
    }
    if (length - at < kBlock) {
      const uint64_t valid = (uint64_t{1} << (length - at)) - 1;
      masks.lf &= valid;
      masks.colon &= valid;
      masks.odd &= valid;
    }
    // What stands in front of an LF is looked at with the line; nearly always it is a CR.
    uint64_t odds = masks.odd & ~(masks.lf >> 1);
    if (odds >> (kBlock - 1) != 0 && at + kBlock < length && data[at + kBlock] == '\n') {
      odds &= ~(uint64_t{1} << (kBlock - 1));
    }
    // Colons and odd bytes of lines that have ended are taken out of their masks.
    uint64_t colons = masks.colon;
    for (uint64_t ends = masks.lf; ends != 0; ends &= ends - 1) {
      const uint64_t line = ends ^ (ends - 1);
      if (colon < 0 && (colons & line) != 0) colon = at + std::countr_zero(colons);
      if (odds != 0) [[unlikely]] {
        odd = odd || (odds & line) != 0;
        odds &= ~line;
      }
      if (!lines.Add(at + std::countr_zero(ends), colon, odd)) {
        lines.Finish();
        return;
      }
      colons &= ~line;
      colon = -1;
      odd = false;
    }
    if (colon < 0 && colons != 0) colon = at + std::countr_zero(colons);
    odd = odd || odds != 0;
  }
  lines.Finish();
}

}  // namespace millrace
