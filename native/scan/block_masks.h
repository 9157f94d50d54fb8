// Classifies 64 bytes at once into bit masks, bit i for byte i. SSE2 is part of every
// x86-64, NEON of every 64-bit ARM, so nothing is asked at run time.
#ifndef MILLRACE_SCAN_BLOCK_MASKS_H_
#define MILLRACE_SCAN_BLOCK_MASKS_H_

#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace millrace {

struct BlockMasks {
  uint64_t lf;
  uint64_t control;  // below 0x20, so LF too; and DEL
};

inline constexpr int kBlock = 64;

#if defined(__SSE2__)

inline BlockMasks Classify(const uint8_t* data) {
  BlockMasks masks{};
  const __m128i lf = _mm_set1_epi8('\n'), del = _mm_set1_epi8(0x7f);
  const __m128i last_control = _mm_set1_epi8(0x1f);
  for (int part = 0; part < 4; ++part) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + part * 16));
    auto bits = [part](__m128i hit) {
      return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(hit))) << (part * 16);
    };
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    masks.lf |= bits(_mm_cmpeq_epi8(bytes, lf));
    masks.control |= bits(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, del)));
  }
  return masks;
}

#elif defined(__aarch64__)

// One bit for each of 64 bytes that are 0xff or 0: each byte keeps the bit of its place
// within eight, and three rounds of pairwise addition bring the eight together.
inline uint64_t Bits(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
  const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t ab = vpaddq_u8(vandq_u8(a, place), vandq_u8(b, place));
  const uint8x16_t cd = vpaddq_u8(vandq_u8(c, place), vandq_u8(d, place));
  const uint8x16_t all = vpaddq_u8(ab, cd);
  return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

inline BlockMasks Classify(const uint8_t* data) {
  const uint8x16_t bytes[4] = {vld1q_u8(data), vld1q_u8(data + 16), vld1q_u8(data + 32),
                               vld1q_u8(data + 48)};
  auto bits = [&bytes](auto test) {
    return Bits(test(bytes[0]), test(bytes[1]), test(bytes[2]), test(bytes[3]));
  };
  BlockMasks masks;
  masks.lf = bits([](uint8x16_t part) { return vceqq_u8(part, vdupq_n_u8('\n')); });
  masks.control = bits([](uint8x16_t part) {
    return vorrq_u8(vcltq_u8(part, vdupq_n_u8(0x20)), vceqq_u8(part, vdupq_n_u8(0x7f)));
  });
  return masks;
}

#else

inline BlockMasks Classify(const uint8_t* data) {
  BlockMasks masks{};
  for (int i = 0; i < kBlock; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    if (data[i] == '\n') masks.lf |= bit;
    if (data[i] < 0x20 || data[i] == 0x7f) masks.control |= bit;
  }
  return masks;
}

#endif

}  // namespace millrace

#endif  // MILLRACE_SCAN_BLOCK_MASKS_H_
