// Finds the line structure of a message head and describes its lines: where they end,
// what stands before the first colon and behind it, whether they hold bytes that a field
// must not hold, which of the caller's names they begin with. No meaning beyond that.
#ifndef MILLRACE_SCAN_SCAN_FIELDS_H_
#define MILLRACE_SCAN_SCAN_FIELDS_H_

#include <cstddef>
#include <cstdint>

#include "scan/name_table.h"

namespace millrace {

// Flags of a line, in bits 8 and up of FieldRecord::id_flags.
inline constexpr int32_t kFieldCanonical = 1 << 8;           // "Name: value CR LF", no other blanks
inline constexpr int32_t kFieldMarked = NameTable::kMarked;  // the name table says so
inline constexpr int32_t kFieldBad = 1 << 10;       // NUL, CTL but HTAB, DEL, CR without LF
inline constexpr int32_t kFieldIndented = 1 << 11;  // begins with SP or HTAB
inline constexpr int32_t kFieldNameless = 1 << 12;  // no colon, or nothing before it
// Classes of bytes in a name that is not in the table; see kNameClass in scan_fields.cc.
inline constexpr int32_t kFieldUnderscore = 1 << 13;  // '_'
inline constexpr int32_t kFieldToken = 1 << 14;       // another token byte but letter, digit, '-'
inline constexpr int32_t kFieldOdd = 1 << 15;         // no token byte, but harmless
inline constexpr int32_t kFieldForbidden = 1 << 16;   // SP, CTL, DEL

// A line. Positions are relative to the beginning of the data.
struct FieldRecord {
  int32_t start;
  int32_t name_end;  // the first colon, or -1
  int32_t value_start;
  int32_t value_end;  // without the blanks around the value
  int32_t line_end;   // behind the LF
  int32_t id_flags;   // id of the name in bits 0 to 7, flags above
};

// What a scan found as a whole. The plain part of a start line goes up to the first of SP,
// control bytes, '?', '#', '%', or a '/' with '/' or '.' behind it. start_plain is 0 when the
// line begins with 'H' (as status lines do) or has no SP.
struct ScanReport {
  static constexpr int kMaxSpecials = 24;
  int32_t count;        // records written
  int32_t position;     // behind the last complete line; `from` when there is none
  int32_t complete;     // 1: the last line is the empty one (no record)
  int32_t flags;        // all flags of all records together
  int32_t start_end;    // behind the start line without its line end; -1: it is not complete
  int32_t start_flags;  // kFieldBad, kFieldCanonical for CR LF
  int32_t longest;      // bytes of the longest field line with its line end
  int32_t full;         // 1: there was no room for another record
  uint32_t seen;        // bit i: a name with the id i below 32; bit 0: any other name
  uint32_t repeated;    // likewise, for the second and further ones
  int32_t start_plain;  // where the plain part behind the first SP of the start line ends
  int32_t special_count;
  int32_t special[kMaxSpecials];  // indices of records with a special name; the count may be higher
};

// Scans data[from, length): a start line, then fields. Stops behind the first empty line,
// or when `capacity` records are written and another field comes; the start line is not
// taken for the empty one, but a scan ends behind a start line that is empty. The bytes
// up to data[readable] (>= length) may be read, and mean nothing.
void ScanFields(const uint8_t* data, int32_t length, int32_t from, size_t readable,
                const NameTable& names, FieldRecord* records, int32_t capacity, ScanReport* report);

// The same, byte by byte: what the vectorised one is compared with.
void ScanFieldsScalar(const uint8_t* data, int32_t length, int32_t from, const NameTable& names,
                      FieldRecord* records, int32_t capacity, ScanReport* report);

}  // namespace millrace

#endif  // MILLRACE_SCAN_SCAN_FIELDS_H_
