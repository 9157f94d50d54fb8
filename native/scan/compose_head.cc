// See compose_head.h.
#include "scan/compose_head.h"

#include "scan/copy_short.h"

namespace millrace {
namespace {

class Composer {
 public:
  Composer(const ComposeMemory& memory, int32_t to, int32_t capacity)
      : memory_(memory),
        begin_(memory.base + to),
        at_(begin_),
        end_(begin_ + static_cast<size_t>(capacity)) {}

  bool Append(int32_t offset, int32_t length) {
    if (length == 0) return true;
    if ((offset | length) < 0 ||
        static_cast<size_t>(offset) + static_cast<size_t>(length) > memory_.size) {
      result_ = kComposeBadRange;
      return false;
    }
    return Put(memory_.base + offset, static_cast<size_t>(length));
  }

  bool AppendSlot(int32_t slot) {
    if (!HasSlot(slot)) return false;
    return Append(memory_.slots[slot].offset, memory_.slots[slot].length);
  }

  bool AppendLine(const ComposeStep& step) {
    if (!HasSlot(step.slot)) return false;
    if (memory_.slots[step.slot].length == 0) return true;
    return Append(step.offset, step.length) && AppendSlot(step.slot) && Put("\r\n", 2);
  }

  bool AppendFields(const ComposeSource& source) {
    // Lines that follow each other and go on as they stand are copied in one go.
    int32_t run_start = 0, run_end = 0;
    for (int32_t i = 0; i < source.count; ++i) {
      const FieldRecord& record = source.records[i];
      if ((record.id_flags & source.drop_flags) != 0 || source.drop[record.id_flags & 0xff] != 0) {
        continue;
      }
      if ((record.id_flags & kFieldCanonical) != 0) {
        if (record.start != run_end) {
          if (!Append(source.base + run_start, run_end - run_start)) return false;
          run_start = record.start;
        }
        run_end = record.line_end;
        continue;
      }
      if (!Append(source.base + run_start, run_end - run_start)) return false;
      run_start = run_end = 0;
      if (!Append(source.base + record.start, record.name_end - record.start) || !Put(": ", 2) ||
          !Append(source.base + record.value_start, record.value_end - record.value_start) ||
          !Put("\r\n", 2)) {
        return false;
      }
    }
    return Append(source.base + run_start, run_end - run_start);
  }

  int result() const { return result_ < 0 ? result_ : static_cast<int>(at_ - begin_); }

 private:
  bool HasSlot(int32_t slot) {
    if (slot >= 0 && slot < memory_.slot_count) return true;
    result_ = kComposeBadRange;
    return false;
  }

  bool Put(const void* from, size_t length) {
    if (length > static_cast<size_t>(end_ - at_)) {
      result_ = kComposeTooLong;
      return false;
    }
    CopyShort(at_, static_cast<const uint8_t*>(from), length);
    at_ += length;
    return true;
  }

  const ComposeMemory& memory_;
  uint8_t* const begin_;
  uint8_t* at_;
  uint8_t* const end_;
  int result_ = 0;
};

}  // namespace

int ComposeHead(const ComposeMemory& memory, const ComposeStep* steps, int32_t step_count,
                const ComposeSource& source, int32_t to, int32_t capacity) {
  Composer composer(memory, to, capacity);
  bool fits = true;
  for (int32_t i = 0; i < step_count && fits; ++i) {
    const ComposeStep& step = steps[i];
    switch (step.kind) {
      case ComposeStep::kRange:
        fits = composer.Append(step.offset, step.length);
        break;
      case ComposeStep::kSlot:
        fits = composer.AppendSlot(step.slot);
        break;
      case ComposeStep::kLine:
        fits = composer.AppendLine(step);
        break;
      case ComposeStep::kFields:
        fits = composer.AppendFields(source);
        break;
      default:
        return kComposeBadRange;
    }
  }
  return composer.result();
}

}  // namespace millrace
