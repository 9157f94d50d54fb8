// The counterpart of the scanner: writes a message head from constants, from values that
// the caller found for this message, and from the records of a received head. It knows no
// more of their meaning than the scanner does.
#ifndef MILLRACE_SCAN_COMPOSE_HEAD_H_
#define MILLRACE_SCAN_COMPOSE_HEAD_H_

#include <cstddef>
#include <cstdint>

#include "scan/scan_fields.h"

namespace millrace {

// What is written, step by step. Offsets count from the beginning of the memory.
struct ComposeStep {
  enum Kind : int32_t {
    kRange = 0,   // `length` bytes at `offset`
    kSlot = 1,    // the range in slot number `slot`
    kLine = 2,    // as kRange, then the slot, then CR LF; nothing when the slot is empty
    kFields = 3,  // the lines of the records that are not dropped
  };
  int32_t kind;
  int32_t offset;
  int32_t length;
  int32_t slot;
};

// A value found for this message.
struct ComposeSlot {
  int32_t offset;
  int32_t length;
};

// The received head that kFields takes its lines from.
struct ComposeSource {
  const FieldRecord* records;
  int32_t count;
  int32_t base;         // where the head begins; positions of records count from there
  int32_t drop_flags;   // a record with one of these flags is left out
  const uint8_t* drop;  // one byte for each id of a name: 1 leaves its records out
};

struct ComposeMemory {
  uint8_t* base;
  size_t size;
  const ComposeSlot* slots;
  int32_t slot_count;
};

inline constexpr int kComposeTooLong = -1;   // it does not fit
inline constexpr int kComposeBadRange = -2;  // a range outside of the memory, a slot that is none

// Writes to [to, to + capacity) of the memory. Result: the bytes written, or kCompose*.
// A line that is not canonical is written anew: one space behind the colon, no blanks at
// its end, CR LF.
int ComposeHead(const ComposeMemory& memory, const ComposeStep* steps, int32_t step_count,
                const ComposeSource& source, int32_t to, int32_t capacity);

}  // namespace millrace

#endif  // MILLRACE_SCAN_COMPOSE_HEAD_H_
