// Turns the lines that a scanner finds, one after the other, into records and a report.
// Both scanners share it, so that they can differ only in how they find lines.
#ifndef MILLRACE_SCAN_LINE_COLLECTOR_H_
#define MILLRACE_SCAN_LINE_COLLECTOR_H_

#include <cstdint>
#include <initializer_list>

#include "scan/plain_part.h"
#include "scan/scan_fields.h"

namespace millrace {

inline bool IsOdd(uint8_t byte) {
  return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
}
inline bool IsBlank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

// Flags of every byte as part of a name.
struct NameClasses {
  int32_t flags[256];
  constexpr NameClasses() : flags{} {
    for (int byte = 0; byte < 256; ++byte) {
      const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
      if (letter || (byte >= '0' && byte <= '9') || byte == '-') continue;
      flags[byte] = byte <= 0x20 || byte == 0x7f ? kFieldForbidden : kFieldOdd;
    }
    flags[size_t{'_'}] = kFieldUnderscore;
    for (const char token : {'!', '#', '$', '%', '&', '\'', '*', '+', '.', '^', '`', '|', '~'}) {
      flags[static_cast<uint8_t>(token)] = kFieldToken;
    }
  }
};
inline constexpr NameClasses kNameClass;

class LineCollector {
 public:
  // Bytes up to data[readable] may be read together with those before them.
  LineCollector(const uint8_t* data, int32_t from, size_t readable, const NameTable& names,
                FieldRecord* records, int32_t capacity, ScanReport* report)
      : data_(data),
        readable_(readable),
        names_(names),
        records_(records),
        capacity_(capacity),
        report_(report),
        begin_(from) {
    report->position = from;
    report->complete = 0;
    report->start_end = -1;
    report->start_flags = 0;
    report->start_plain = 0;
    report->full = 0;
  }

  // A line ends with the LF at `lf`. `colon`: its first colon, or -1. `odd`: it holds a byte
  // of BlockMasks::odd other than the one in front of the LF. False: this was the last line
  // that counts.
  bool Add(int32_t lf, int32_t colon, bool odd) {
    const bool crlf = lf > begin_ && data_[lf - 1] == '\r';
    const int32_t end = crlf ? lf - 1 : lf;
    // The CR of the line end is the only odd byte that a line may have.
    const bool bad = odd || (!crlf && end > begin_ && IsOdd(data_[end - 1]));
    if (begin_line_ != 0) {
      begin_line_ = 0;
      report_->start_end = end;
      report_->start_flags = (crlf ? kFieldCanonical : 0) | (bad ? kFieldBad : 0);
      if (data_[begin_] != 'H') report_->start_plain = PlainPart();
      const bool empty = end == begin_;
      Next(lf);
      return !empty;
    }
    if (end == begin_) {
      report_->complete = 1;
      Next(lf);
      return false;
    }
    if (count_ == capacity_) {
      report_->full = 1;
      return false;
    }
    Describe(lf, colon, end, crlf, bad);
    Next(lf);
    return true;
  }

  void Finish() {
    report_->count = count_;
    report_->flags = flags_;
    report_->longest = longest_;
    report_->seen = seen_;
    report_->repeated = repeated_;
    report_->special_count = special_count_;
  }

 private:
  void Next(int32_t lf) {
    begin_ = lf + 1;
    report_->position = begin_;
  }

  // Of the start line; it ends with an LF, which stops everything here.
  [[gnu::noinline]] int32_t PlainPart() const {
    int32_t at = begin_;
    while (data_[at] > ' ') ++at;
    return data_[at] == ' ' ? PlainPartEnd(data_, at + 1, readable_) : 0;
  }

  void Describe(int32_t lf, int32_t colon, int32_t end, bool crlf, bool bad) {
    FieldRecord& record = records_[count_];
    int32_t flags = bad ? kFieldBad : 0;
    int32_t value_start = end;
    int32_t value_end = end;
    if (IsBlank(data_[begin_])) flags |= kFieldIndented;
    if (colon <= begin_) {
      flags |= kFieldNameless;
    } else {
      if (!bad) flags |= Name(begin_, colon);
      value_start = colon + 1;
      // Nearly every line has one space behind the colon and none before its end.
      if (end - colon > 2 && data_[colon + 1] == ' ' && data_[colon + 2] > ' ' &&
          data_[end - 1] > ' ') {
        value_start += 1;
      } else {
        while (value_start < end && IsBlank(data_[value_start])) ++value_start;
        while (value_end > value_start && IsBlank(data_[value_end - 1])) --value_end;
      }
      if (crlf && value_end == end && value_start == colon + 2 && data_[colon + 1] == ' ') {
        flags |= kFieldCanonical;
      }
    }
    flags_ |= flags & ~0xff;
    const int32_t id = flags & 0xff;
    const uint32_t bit = id < 32 ? uint32_t{1} << id : 1;
    repeated_ |= seen_ & bit;
    seen_ |= bit;
    record = {begin_, colon, value_start, value_end, lf + 1, flags};
    if (lf + 1 - begin_ > longest_) longest_ = lf + 1 - begin_;
    ++count_;
  }

  // Id and flags of the name at [start, end).
  int32_t Name(int32_t start, int32_t end) {
    const uint8_t* name = data_ + start;
    const int id = names_.Find(name, static_cast<size_t>(end - start));
    if (id != 0) {
      if (id <= names_.special()) {
        if (special_count_ < ScanReport::kMaxSpecials) report_->special[special_count_] = count_;
        ++special_count_;
      }
      return names_.Marked(id) ? id | kFieldMarked : id;
    }
    int32_t flags = 0;
    for (int32_t i = start; i < end; ++i) flags |= kNameClass.flags[data_[i]];
    return flags;
  }

  const uint8_t* const data_;
  const size_t readable_;
  const NameTable& names_;
  FieldRecord* const records_;
  const int32_t capacity_;
  ScanReport* const report_;
  int32_t begin_;
  int32_t begin_line_ = 1;
  int32_t count_ = 0;
  int32_t flags_ = 0;
  int32_t longest_ = 0;
  int32_t special_count_ = 0;
  uint32_t seen_ = 0;
  uint32_t repeated_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_SCAN_LINE_COLLECTOR_H_
