// A table of names, given by the caller, in which the scanner looks up what stands before
// the first colon of a line. Names are compared without regard to the case of letters and
// have no meaning here: the result is a name's position in the list.
#ifndef MILLRACE_SCAN_NAME_TABLE_H_
#define MILLRACE_SCAN_NAME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

class NameTable {
 public:
  static constexpr int kMaxNames = 256;    // ids fit in a byte; 0 is "not in the table"
  static constexpr size_t kMaxBytes = 40;  // of one name

  // Replaces the table: lower-cased names without control bytes, each followed by LF, which
  // get the ids 1, 2, ... in their order. Records of the ids up to `special` are listed apart;
  // those of the ids in the bit mask `marked` (bit i for id i) are flagged. False when a name
  // is empty or too long, or there are too many.
  bool Set(const char* text, size_t length, int special, uint32_t marked);

  int special() const { return special_; }
  bool Marked(int id) const { return id < 32 && (marked_ >> id & 1) != 0; }

  // The id of the `length` > 0 bytes at `name`, or 0. They must hold no control bytes, which
  // folding could turn into letters.
  int Find(const uint8_t* name, size_t length) const {
    if (length > kMaxBytes) return 0;
    int id = first_[SlotOf(name, length)];
    while (id != 0) {
      const Name& entry = names_[id];
      if (entry.length == length && Same(name, entry.bytes, length)) return id;
      id = entry.next;
    }
    return 0;
  }

 private:
  struct Name {
    uint8_t length;
    uint8_t next;  // id of another name in the same slot
    char bytes[kMaxBytes];
  };

  static constexpr uint32_t kSlots = 512;
  static constexpr uint64_t kFold = 0x2020202020202020;

  static uint32_t SlotOf(const uint8_t* name, size_t length) {
    const uint32_t first = name[0] | 0x20u, last = name[length - 1] | 0x20u;
    return (static_cast<uint32_t>(length) * 19 + first * 3 + last * 37) % kSlots;
  }

  // Folding leaves '-' and digits as they are. The last bytes may be compared twice.
  static bool Same(const uint8_t* a, const char* b, size_t length) {
    if (length >= 8) {
      for (size_t i = 0; i + 8 < length; i += 8) {
        if ((Load<uint64_t>(a + i) | kFold) != Load<uint64_t>(b + i)) return false;
      }
      return (Load<uint64_t>(a + length - 8) | kFold) == Load<uint64_t>(b + length - 8);
    }
    if (length >= 4) {
      constexpr auto kHalf = static_cast<uint32_t>(kFold);
      return (Load<uint32_t>(a) | kHalf) == Load<uint32_t>(b) &&
             (Load<uint32_t>(a + length - 4) | kHalf) == Load<uint32_t>(b + length - 4);
    }
    for (size_t i = 0; i < length; ++i) {
      if ((a[i] | 0x20) != b[i]) return false;
    }
    return true;
  }

  template <typename T>
  static T Load(const void* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }

  Name names_[kMaxNames] = {};
  uint8_t first_[kSlots] = {};
  int special_ = 0;
  uint32_t marked_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_SCAN_NAME_TABLE_H_
