// Turns the lines that a scanner finds, one after the other, into records and a report.
// Both scanners share it, so that they can differ only in how they find lines.
#ifndef MILLRACE_SCAN_LINE_COLLECTOR_H_
#define MILLRACE_SCAN_LINE_COLLECTOR_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "scan/plain_part.h"
#include "scan/scan_fields.h"

namespace millrace {

// Bytes that no line may have, but for the CR in front of its LF.
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

// kVector: many bytes at a time where the processor can.
template <bool kVector>
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
    report->complete = 0;
    report->start_end = -1;
    report->start_flags = 0;
    report->start_plain = 0;
    report->full = 0;
  }

  // A line ends with the LF at `lf`. `odd`: it holds an odd byte other than the one in front of
  // the LF. False: this was the last line that counts.
  [[gnu::always_inline]] bool Add(int32_t lf, bool odd) {
    const int32_t begin = begin_, end = lf - 1;
    const int32_t colon = Colon(begin, lf);
    // Nearly every line is a field: a name, one space behind the colon, none at the end, CR LF.
    const bool usual = !odd && colon > begin && end - colon > 2 && data_[end] == '\r' &&
                       data_[colon + 1] == ' ' && data_[colon + 2] > ' ' && data_[end - 1] > ' ' &&
                       data_[begin] > ' ' && begin_line_ == 0 && count_ < capacity_;
    if (!usual) [[unlikely]]
      return AddOther(lf, colon, odd);
    Record({begin, colon, colon + 2, end, lf + 1, Name(begin, colon) | kFieldCanonical});
    return true;
  }

  void Finish() {
    report_->count = count_;
    report_->position = begin_;
    report_->flags = flags_ & ~0xff;
    report_->longest = longest_;
    report_->seen = seen_;
    report_->repeated = repeated_;
    report_->special_count = special_count_;
  }

 private:
  [[gnu::noinline]] bool AddOther(int32_t lf, int32_t colon, bool odd) {
    const bool crlf = lf > begin_ && data_[lf - 1] == '\r';
    const int32_t end = crlf ? lf - 1 : lf;
    // The CR of the line end is the only odd byte that a line may have.
    const bool bad = odd || (!crlf && end > begin_ && IsOdd(data_[end - 1]));
    const bool empty = end == begin_;
    if (begin_line_ != 0) {
      begin_line_ = 0;
      report_->start_end = end;
      report_->start_flags = (crlf ? kFieldCanonical : 0) | (bad ? kFieldBad : 0);
      if (data_[begin_] != 'H') report_->start_plain = PlainPart();
      begin_ = lf + 1;
      return !empty;
    }
    if (empty) {
      report_->complete = 1;
      begin_ = lf + 1;
      return false;
    }
    if (count_ == capacity_) {
      report_->full = 1;
      return false;
    }
    Describe(lf, colon, end, crlf, bad);
    return true;
  }

  // Of the start line; it ends with an LF, which stops everything here.
  int32_t PlainPart() const {
    int32_t at = begin_;
    while (data_[at] > ' ') ++at;
    return data_[at] == ' ' ? PlainPartEnd<kVector>(data_, at + 1, readable_) : 0;
  }

  // The first colon in [begin, lf), or -1.
  int32_t Colon(int32_t begin, int32_t lf) const {
#if defined(__SSE2__)
    const __m128i colon = _mm_set1_epi8(':');
    for (int32_t at = begin; kVector && static_cast<size_t>(at) + 16 <= readable_; at += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data_ + at));
      const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, colon));
      if (found != 0) {
        const int32_t first = at + std::countr_zero(static_cast<unsigned>(found));
        return first < lf ? first : -1;
      }
      if (at + 16 >= lf) return -1;
    }
#endif
    const void* found = std::memchr(data_ + begin, ':', static_cast<size_t>(lf - begin));
    if (found == nullptr) return -1;
    return static_cast<int32_t>(static_cast<const uint8_t*>(found) - data_);
  }

  void Describe(int32_t lf, int32_t colon, int32_t end, bool crlf, bool bad) {
    int32_t flags = bad ? kFieldBad : 0;
    int32_t value_start = end;
    int32_t value_end = end;
    if (IsBlank(data_[begin_])) flags |= kFieldIndented;
    if (colon <= begin_) {
      flags |= kFieldNameless;
    } else {
      if (!bad) flags |= Name(begin_, colon);
      value_start = colon + 1;
      while (value_start < end && IsBlank(data_[value_start])) ++value_start;
      while (value_end > value_start && IsBlank(data_[value_end - 1])) --value_end;
      if (crlf && value_end == end && value_start == colon + 2 && data_[colon + 1] == ' ') {
        flags |= kFieldCanonical;
      }
    }
    Record({begin_, colon, value_start, value_end, lf + 1, flags});
  }

  [[gnu::always_inline]] void Record(const FieldRecord& record) {
    flags_ |= record.id_flags;
    const int32_t id = record.id_flags & 0xff;
    const uint32_t bit = uint32_t{1} << (id < 32 ? id : 0);
    repeated_ |= seen_ & bit;
    seen_ |= bit;
    const int32_t length = record.line_end - record.start;
    if (length > longest_) longest_ = length;
    records_[count_] = record;
    ++count_;
    begin_ = record.line_end;
  }

  // Id and flags of the name at [start, end).
  [[gnu::always_inline]] int32_t Name(int32_t start, int32_t end) {
    const uint8_t* name = data_ + start;
    const auto length = static_cast<size_t>(end - start);
    const int32_t found = names_.Find(name, length, readable_ - static_cast<size_t>(start));
    if (found == 0) return FlagsOf(name, length);
    if ((found & 0xff) <= names_.special()) {
      if (special_count_ < ScanReport::kMaxSpecials) report_->special[special_count_] = count_;
      ++special_count_;
    }
    return found;
  }

  [[gnu::noinline]] static int32_t FlagsOf(const uint8_t* name, size_t length) {
    int32_t flags = 0;
    for (size_t i = 0; i < length; ++i) flags |= kNameClass.flags[name[i]];
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
