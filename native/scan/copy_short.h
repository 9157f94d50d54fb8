// memcpy without a call for the short ranges that heads and lines are made of: two moves of one
// size that overlap.
#ifndef MILLRACE_SCAN_COPY_SHORT_H_
#define MILLRACE_SCAN_COPY_SHORT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

template <size_t N>
inline void CopyEnds(uint8_t* to, const uint8_t* from, size_t length) {
  std::memcpy(to, from, N);
  std::memcpy(to + length - N, from + length - N, N);
}

inline void CopyShort(uint8_t* to, const uint8_t* from, size_t length) {
  if (length > 64) {
    std::memcpy(to, from, length);
  } else if (length > 32) {
    CopyEnds<32>(to, from, length);
  } else if (length >= 16) {
    CopyEnds<16>(to, from, length);
  } else if (length >= 8) {
    CopyEnds<8>(to, from, length);
  } else if (length >= 4) {
    CopyEnds<4>(to, from, length);
  } else if (length >= 2) {
    CopyEnds<2>(to, from, length);
  } else if (length == 1) {
    *to = *from;
  }
}

}  // namespace millrace

#endif  // MILLRACE_SCAN_COPY_SHORT_H_
