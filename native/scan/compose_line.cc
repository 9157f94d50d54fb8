// See compose_line.h. Values are looked at sixteen bytes at a time, short ones eight: byte by byte
// only where one of these has to be escaped.
#include "scan/compose_line.h"

#include <charconv>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "scan/copy_short.h"

namespace millrace {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x80 * kOnes;
constexpr char kDigits[] = "0123456789ABCDEF";

// Of one byte: \u00HH.
constexpr size_t kMaxEscaped = 6;
// Of a number of 31 bits.
constexpr size_t kMaxNumber = 10;

// Which bytes are escaped, by LineEscape.
struct UnsafeBytes {
  bool of[3][256];
  constexpr UnsafeBytes() : of{} {
    for (int byte = 0; byte < 256; ++byte) {
      const bool always = byte < 0x20 || byte == '"' || byte == '\\';
      of[kEscapeHex][byte] = always || byte > 0x7e;
      of[kEscapeJson][byte] = always;
    }
  }
};
constexpr UnsafeBytes kUnsafe;

uint64_t LoadWord(const uint8_t* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Not 0 when a byte of the word is unsafe; what stands behind such a byte may be marked as well.
template <LineEscape kEscape>
uint64_t UnsafeIn(uint64_t word) {
  if constexpr (kEscape == kEscapeNone) return 0;
  const uint64_t quote = (word ^ '"' * kOnes) - kOnes, backslash = (word ^ '\\' * kOnes) - kOnes;
  const uint64_t below = ((word - ' ' * kOnes) | quote | backslash) & ~word;
  const uint64_t above = kEscape == kEscapeHex ? word | (word + kOnes) : 0;
  return (below | above) & kHighs;
}

// The same for sixteen bytes.
template <LineEscape kEscape>
bool AnyUnsafe(const uint8_t* from) {
  if constexpr (kEscape == kEscapeNone) return false;
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  __m128i found = _mm_or_si128(control, _mm_or_si128(quote, backslash));
  if constexpr (kEscape == kEscapeHex) {
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    // The bits above are set in the bytes themselves.
    found = _mm_or_si128(found, _mm_or_si128(del, bytes));
  }
  return _mm_movemask_epi8(found) != 0;
#else
  return (UnsafeIn<kEscape>(LoadWord(from)) | UnsafeIn<kEscape>(LoadWord(from + 8))) != 0;
#endif
}

// Whether one of N bytes has to be escaped.
template <LineEscape kEscape, int N>
bool IsUnsafe(const uint8_t* from) {
  if constexpr (N == 16) return AnyUnsafe<kEscape>(from);
  return UnsafeIn<kEscape>(LoadWord(from)) != 0;
}

class LineWriter {
 public:
  LineWriter(const ComposeMemory& memory, int32_t to, int32_t capacity)
      : memory_(memory), begin_(memory.base + to), at_(begin_), end_(begin_ + capacity) {}

  bool Constant(const LineStep& step) {
    const auto offset = static_cast<uint32_t>(step.offset);
    const auto length = static_cast<uint32_t>(step.length);
    // What is written behind a short one is overwritten by what follows.
    if (length <= 16 && size_t{offset} + 16 <= memory_.size && end_ - at_ >= 16) [[likely]] {
      std::memcpy(at_, memory_.base + offset, 16);
      at_ += length;
      return true;
    }
    return LongConstant(step);
  }

  template <LineEscape kEscape>
  bool Value(const ComposeSlot& slot) {
    if (slot.length >= 0) return Range<kEscape>(slot.offset, slot.length);
    if (slot.length == kLineNumber && slot.offset >= 0) return Number(slot.offset);
    if (slot.length == kLineUnset) return Unset<kEscape>();
    result_ = kComposeBadRange;
    return false;
  }

  template <LineEscape kEscape>
  bool Field(const LineSource& source, int32_t id) {
    if (id >= 32 || (source.seen >> id & 1) != 0) {
      for (int32_t i = 0; i < source.count; ++i) {
        const FieldRecord& record = source.records[i];
        if ((record.id_flags & 0xff) == id) {
          return Range<kEscape>(source.base + record.value_start,
                                record.value_end - record.value_start);
        }
      }
    }
    return Unset<kEscape>();
  }

  template <LineEscape kEscape>
  bool Unset() {
    return kEscape != kEscapeHex || Byte('-');
  }

  bool Byte(uint8_t byte) {
    if (!Fits(1)) return false;
    *at_++ = byte;
    return true;
  }

  int result() const { return result_ < 0 ? result_ : static_cast<int>(at_ - begin_); }

 private:
  bool Contains(int32_t offset, int32_t length) {
    if ((offset | length) >= 0 &&
        static_cast<size_t>(offset) + static_cast<size_t>(length) <= memory_.size) {
      return true;
    }
    result_ = kComposeBadRange;
    return false;
  }

  [[gnu::noinline]] bool LongConstant(const LineStep& step) {
    if (!Contains(step.offset, step.length)) return false;
    const auto length = static_cast<size_t>(step.length);
    if (!Fits(length)) return false;
    CopyShort(at_, memory_.base + step.offset, length);
    at_ += length;
    return true;
  }

  bool Fits(size_t length) {
    if (length <= static_cast<size_t>(end_ - at_)) return true;
    result_ = kComposeTooLong;
    return false;
  }

  bool Number(int32_t number) {
    if (!Fits(kMaxNumber)) return false;
    auto* const text = reinterpret_cast<char*>(at_);
    at_ += std::to_chars(text, text + kMaxNumber, number).ptr - text;
    return true;
  }

  template <LineEscape kEscape>
  bool Range(int32_t offset, int32_t length) {
    if (!Contains(offset, length)) return false;
    const uint8_t* from = memory_.base + offset;
    const uint8_t* const stop = from + length;
    if (!Fits(static_cast<size_t>(length) * (kEscape == kEscapeNone ? 1 : kMaxEscaped))) {
      return false;
    }
    if (length >= 16) return Blocks<kEscape, 16>(from, stop);
    if (length >= 8) return Blocks<kEscape, 8>(from, stop);
    return Bytes<kEscape>(from, stop);
  }

  // N bytes at a time, of which there are N at least.
  template <LineEscape kEscape, int N>
  bool Blocks(const uint8_t* from, const uint8_t* stop) {
    while (stop - from >= N) {
      if (IsUnsafe<kEscape, N>(from)) [[unlikely]]
        return Bytes<kEscape>(from, stop);
      std::memcpy(at_, from, N);
      from += N;
      at_ += N;
    }
    if (from == stop) return true;
    // The last N, some of which are written already.
    if (IsUnsafe<kEscape, N>(stop - N)) return Bytes<kEscape>(from, stop);
    at_ += stop - from;
    std::memcpy(at_ - N, stop - N, N);
    return true;
  }

  template <LineEscape kEscape>
  [[gnu::noinline]] bool Bytes(const uint8_t* from, const uint8_t* stop) {
    uint8_t* at = at_;
    for (; from < stop; ++from) at = Escaped<kEscape>(at, *from);
    at_ = at;
    return true;
  }

  // Writes one byte as it has to be. Result: the position behind it.
  template <LineEscape kEscape>
  static uint8_t* Escaped(uint8_t* at, uint8_t byte) {
    if (!kUnsafe.of[kEscape][byte]) [[likely]] {
      *at = byte;
      return at + 1;
    }
    *at++ = '\\';
    if constexpr (kEscape == kEscapeJson) {
      if (const char brief = Brief(byte); brief != 0) {
        *at = static_cast<uint8_t>(brief);
        return at + 1;
      }
      std::memcpy(at, "u00", 3);
      at += 3;
    } else {
      *at++ = 'x';
    }
    at[0] = static_cast<uint8_t>(kDigits[byte >> 4]);
    at[1] = static_cast<uint8_t>(kDigits[byte & 15]);
    return at + 2;
  }

  // What stands behind the backslash in JSON; 0 where there is no short form.
  static char Brief(uint8_t byte) {
    switch (byte) {
      case '\n':
        return 'n';
      case '\r':
        return 'r';
      case '\t':
        return 't';
      case '\b':
        return 'b';
      case '\f':
        return 'f';
      default:
        return byte < 0x20 ? char{0} : static_cast<char>(byte);
    }
  }

  const ComposeMemory& memory_;
  uint8_t* const begin_;
  uint8_t* at_;
  uint8_t* const end_;
  int result_ = 0;
};

template <LineEscape kEscape>
int Compose(const ComposeMemory& memory, const LineStep* steps, int32_t count,
            const LineSource& source, int32_t to, int32_t capacity) {
  LineWriter line(memory, to, capacity);
  for (const LineStep* step = steps; step < steps + count; ++step) {
    bool fits = line.Constant(*step);
    if (fits && step->id > 0) {
      fits = line.Field<kEscape>(source, step->id);
    } else if (fits && step->slot >= 0) {
      if (step->slot >= memory.slot_count) return kComposeBadRange;
      fits = line.Value<kEscape>(memory.slots[step->slot]);
    }
    if (!fits) return line.result();
  }
  line.Byte('\n');
  return line.result();
}

}  // namespace

int ComposeLine(const ComposeMemory& memory, const LineStep* steps, int32_t count,
                const LineSource& source, LineEscape escape, int32_t to, int32_t capacity) {
  switch (escape) {
    case kEscapeNone:
      return Compose<kEscapeNone>(memory, steps, count, source, to, capacity);
    case kEscapeHex:
      return Compose<kEscapeHex>(memory, steps, count, source, to, capacity);
    case kEscapeJson:
      return Compose<kEscapeJson>(memory, steps, count, source, to, capacity);
    default:
      return kComposeBadRange;
  }
}

}  // namespace millrace
