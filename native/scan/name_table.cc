// See name_table.h.
#include "scan/name_table.h"

namespace millrace {

bool NameTable::Set(const char* text, size_t length, int special, uint32_t marked) {
  NameTable table;
  int id = 0;
  const char* const end = text + length;
  while (text < end) {
    const auto* line_end =
        static_cast<const char*>(std::memchr(text, '\n', static_cast<size_t>(end - text)));
    if (line_end == nullptr) return false;
    const auto size = static_cast<size_t>(line_end - text);
    if (size == 0 || size > kMaxBytes || ++id == kMaxNames) return false;
    Name& name = table.names_[id];
    name.length = static_cast<uint8_t>(size);
    std::memcpy(name.bytes, text, size);
    const auto* bytes = reinterpret_cast<const uint8_t*>(text);
    name.id = id | (id < 32 && (marked >> id & 1) != 0 ? kMarked : 0);
    name.first = First(bytes, size, size);
    name.last = size > 8 ? Load<uint64_t>(bytes + size - 8) : name.first;
    uint8_t& first = table.first_[SlotOf(name.first, name.last)];
    name.next = first;
    first = static_cast<uint8_t>(id);
    text = line_end + 1;
  }
  table.special_ = special < id ? special : id;
  *this = table;
  return true;
}

}  // namespace millrace
