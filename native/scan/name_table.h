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
  static constexpr int32_t kMarked = 1 << 9;

  // Replaces the table: lower-cased names without control bytes, each followed by LF, which
  // get the ids 1, 2, ... in their order. Records of the ids up to `special` are listed apart;
  // those of the ids in the bit mask `marked` (bit i for id i) are flagged. False when a name
  // is empty or too long, or there are too many.
  bool Set(const char* text, size_t length, int special, uint32_t marked);

  int special() const { return special_; }

  // The id of the `length` > 0 bytes at `name` with kMarked where it is, or 0. They must hold no
  // control bytes, which folding could turn into letters. The bytes up to name[readable] may be
  // read as well.
  [[gnu::always_inline]] int32_t Find(const uint8_t* name, size_t length, size_t readable) const {
    if (length > kMaxBytes) return 0;
    const uint64_t first = First(name, length, readable);
    const uint64_t last = length > 8 ? Load<uint64_t>(name + length - 8) | kFold : first;
    const Name* entry = &names_[first_[SlotOf(first, last)]];
    // The entry 0, which ends a chain, is as long as no name.
    while (entry->first != first || entry->last != last || entry->length != length ||
           (length > 16 && !SameMiddle(name, entry->bytes, length))) {
      if (entry->length == 0) return 0;
      entry = &names_[entry->next];
    }
    return entry->id;
  }

 private:
  struct alignas(64) Name {
    uint64_t first;  // see First
    uint64_t last;   // the last eight bytes of a name longer than that
    uint8_t length;
    uint8_t next;  // id of another name in the same slot
    int32_t id;    // as Find returns it
    char bytes[kMaxBytes];
  };

  static constexpr uint32_t kSlots = 512;
  static constexpr uint64_t kFold = 0x2020202020202020;

  // The first eight bytes, folded to lower case, as a little-endian number; zeros behind a
  // shorter name. Folding leaves '-' and digits as they are.
  static uint64_t First(const uint8_t* name, size_t length, size_t readable) {
    if (length >= 8) return Load<uint64_t>(name) | kFold;
    uint64_t word = 0;
    if (readable >= 8) {
      word = Load<uint64_t>(name);
    } else {
      std::memcpy(&word, name, length);
    }
    return (word | kFold) & ((uint64_t{1} << (length * 8)) - 1);
  }

  static uint32_t SlotOf(uint64_t first, uint64_t last) {
    return static_cast<uint32_t>((first * 31 + last) * 0x9e3779b97f4a7c15 >> 55);
  }

  // Whether what is between the first and the last eight bytes is the same.
  static bool SameMiddle(const uint8_t* a, const char* b, size_t length) {
    for (size_t i = 8; i + 8 < length; i += 8) {
      if ((Load<uint64_t>(a + i) | kFold) != Load<uint64_t>(b + i)) return false;
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
};

}  // namespace millrace

#endif  // MILLRACE_SCAN_NAME_TABLE_H_
