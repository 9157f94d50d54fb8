// Where the part of a request's target ends that needs no second look.
#ifndef MILLRACE_SCAN_PLAIN_PART_H_
#define MILLRACE_SCAN_PLAIN_PART_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {

// Whether the byte at `data` ends it. Looks at the next one only behind a '/'.
inline bool EndsPlainPart(const uint8_t* data) {
  const uint8_t byte = *data;
  if (byte <= ' ' || byte == 0x7f || byte == '?' || byte == '#' || byte == '%') return true;
  return byte == '/' && (data[1] == '/' || data[1] == '.');
}

// The position of the first byte from data[at] on that ends it. There must be one.
template <bool kVector>
int32_t PlainPartEnd(const uint8_t* data, int32_t at, size_t readable) {
#if defined(__SSE2__)
  constexpr int kStep = 16;
  while (kVector && static_cast<size_t>(at) + kStep + 1 <= readable) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at));
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at + 1));
    auto is = [](__m128i part, char byte) { return _mm_cmpeq_epi8(part, _mm_set1_epi8(byte)); };
    const __m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
    const __m128i stop = _mm_or_si128(_mm_or_si128(is(bytes, '?'), is(bytes, '#')),
                                      _mm_or_si128(is(bytes, '%'), is(bytes, 0x7f)));
    const __m128i segment =
        _mm_and_si128(is(bytes, '/'), _mm_or_si128(is(next, '/'), is(next, '.')));
    const int found = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(blank, stop), segment));
    if (found != 0) return at + std::countr_zero(static_cast<unsigned>(found));
    at += kStep;
  }
#else
  static_cast<void>(readable);
#endif
  while (!EndsPlainPart(data + at)) ++at;
  return at;
}

}  // namespace millrace

#endif  // MILLRACE_SCAN_PLAIN_PART_H_
