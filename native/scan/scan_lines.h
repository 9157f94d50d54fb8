// Finds the line structure of a message head: where lines end, where their first colon
// is, and whether they hold bytes that a field must not hold. No meaning beyond that.
#ifndef MILLRACE_SCAN_SCAN_LINES_H_
#define MILLRACE_SCAN_SCAN_LINES_H_

#include <cstddef>
#include <cstdint>

namespace millrace {

// Flags of a line.
inline constexpr int32_t kLineCrLf = 1;      // CR before the LF
inline constexpr int32_t kLineBad = 2;       // NUL, CTL but HTAB, DEL, or a CR without LF
inline constexpr int32_t kLineHigh = 4;      // a byte >= 0x80
inline constexpr int32_t kLineIndented = 8;  // begins with SP or HTAB

struct Line {
  int32_t end;    // index of the LF
  int32_t colon;  // index of the first ':', or -1
  int32_t flags;
};

// Scans data[from, length) and writes one entry for each line that ends there, with
// positions relative to `data`. Stops behind the first empty line (LF or CRLF alone),
// which has its entry, or when `capacity` entries are written. `from` is the beginning
// of a line. Result: the number of entries.
int ScanLines(const uint8_t* data, int32_t length, int32_t from, Line* lines, int capacity);

// The same, byte by byte: what the vectorised one is compared with.
int ScanLinesScalar(const uint8_t* data, int32_t length, int32_t from, Line* lines, int capacity);

}  // namespace millrace

#endif  // MILLRACE_SCAN_SCAN_LINES_H_
