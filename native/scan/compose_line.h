// Writes one line of a log from constants and from values that the caller found for this
// line. Values are escaped, so that none of them can end the line or pass for another.
#ifndef MILLRACE_SCAN_COMPOSE_LINE_H_
#define MILLRACE_SCAN_COMPOSE_LINE_H_

#include <cstdint>

#include "scan/compose_head.h"

namespace millrace {

// How the bytes of values are written.
enum LineEscape : int32_t {
  kEscapeNone = 0,
  kEscapeHex = 1,   // quote, backslash, control and non-ASCII bytes as \xHH
  kEscapeJson = 2,  // what JSON does not allow inside a string
};

// In place of a slot's length: what it holds instead of a range.
inline constexpr int32_t kLineUnset = -1;   // no value
inline constexpr int32_t kLineNumber = -2;  // its offset is a number >= 0, written in decimal

// A constant, and the value behind it: of the first field with the id, or of the slot when the
// id is 0, or none when the slot is negative as well.
struct LineStep {
  int32_t offset;
  int32_t length;
  int32_t slot;
  int32_t id;
};

// The received head that fields are taken from; `seen` as in its report.
struct LineSource {
  const FieldRecord* records;
  int32_t count;
  int32_t base;
  uint32_t seen;
};

// Writes `count` steps and LF to [to, to + capacity) of the memory. A value that is not set, or a
// field that is not there, is "-" with kEscapeHex, else nothing. Result: the bytes written, or
// kComposeTooLong, which may also be said of a line that would fit if nothing in it were
// escaped; or kComposeBadRange.
int ComposeLine(const ComposeMemory& memory, const LineStep* steps, int32_t count,
                const LineSource& source, LineEscape escape, int32_t to, int32_t capacity);

}  // namespace millrace

#endif  // MILLRACE_SCAN_COMPOSE_LINE_H_
