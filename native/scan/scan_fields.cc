// See scan_fields.h. Works on blocks of 64 bytes: two masks for a block, then one step
// for each line in it; the state of an unfinished line goes from block to block.
#include "scan/scan_fields.h"

#include <bit>
#include <cstring>

#include "scan/block_masks.h"
#include "scan/line_collector.h"

namespace millrace {
namespace {

// Of the control bytes in a block: HTAB is none of the odd ones, nor what the first LF of the
// next block stands behind.
uint64_t WithoutHarmless(uint64_t odds, const uint8_t* block, int32_t left) {
  for (uint64_t rest = odds; rest != 0; rest &= rest - 1) {
    const int at = std::countr_zero(rest);
    const bool ends = at == kBlock - 1 && left > kBlock && block[kBlock] == '\n';
    if (block[at] == '\t' || ends) odds &= ~(rest & -rest);
  }
  return odds;
}

}  // namespace

void ScanFields(const uint8_t* data, int32_t length, int32_t from, size_t readable,
                const NameTable& names, FieldRecord* records, int32_t capacity,
                ScanReport* report) {
  LineCollector<true> lines(data, from, readable, names, records, capacity, report);
  bool odd = false;  // the line holds an odd byte that is not in front of its LF
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
      masks.control &= valid;
    }
    // What stands in front of an LF is looked at with the line; nearly always it is a CR.
    uint64_t odds = masks.control & ~(masks.lf | masks.lf >> 1);
    if (odds != 0) [[unlikely]] {
      odds = WithoutHarmless(odds, data + at, length - at);
    }
    // Odd bytes of lines that have ended are taken out of their mask.
    for (uint64_t ends = masks.lf; ends != 0; ends &= ends - 1) {
      if (odds != 0) [[unlikely]] {
        const uint64_t line = ends ^ (ends - 1);
        odd = odd || (odds & line) != 0;
        odds &= ~line;
      }
      if (!lines.Add(at + std::countr_zero(ends), odd)) {
        lines.Finish();
        return;
      }
      odd = false;
    }
    odd = odd || odds != 0;
  }
  lines.Finish();
}

}  // namespace millrace
