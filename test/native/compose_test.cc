// ComposeLine and ComposeHead, against strings: random constants, values and bounds. The
// memory is a heap block of exactly its size, so that the sanitizer sees what goes beyond it;
// what lies outside of the target must stay as it was.
#include <cstring>
#include <string>
#include <vector>

#include "harness.h"
#include "scan/compose_head.h"
#include "scan/compose_line.h"

using namespace millrace;

namespace {

constexpr size_t kSize = 4096;
constexpr int32_t kTarget = 2048;
constexpr uint8_t kUntouched = 0xee;

struct Memory {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kSize, kUntouched);
  std::vector<ComposeSlot> slots = std::vector<ComposeSlot>(8);
  int32_t used = 0;

  int32_t Place(const std::string& text) {
    std::memcpy(bytes.data() + used, text.data(), text.size());
    used += static_cast<int32_t>(text.size());
    return used - static_cast<int32_t>(text.size());
  }

  ComposeMemory view() {
    return {bytes.data(), bytes.size(), slots.data(), static_cast<int32_t>(slots.size())};
  }

  std::string Written(int length) const {
    return std::string(bytes.begin() + kTarget, bytes.begin() + kTarget + length);
  }

  bool UntouchedFrom(int32_t from) const {
    for (size_t i = static_cast<size_t>(from); i < kSize; ++i) {
      if (bytes[i] != kUntouched) return false;
    }
    return true;
  }
};

std::string Escape(const std::string& text, LineEscape escape) {
  std::string result;
  char hex[8];
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool always = byte < 0x20 || c == '"' || c == '\\';
    if (escape == kEscapeHex && (always || byte > 0x7e)) {
      std::snprintf(hex, sizeof hex, "\\x%02X", byte);
      result += hex;
    } else if (escape == kEscapeJson && always) {
      const char* const names = "b\bf\fn\nr\rt\t\"\"\\\\";
      const char* found = nullptr;
      for (const char* name = names; *name != 0; name += 2) {
        if (name[1] == c) found = name;
      }
      std::snprintf(hex, sizeof hex, "\\u00%02X", byte);
      result += found != nullptr ? std::string{'\\', *found} : hex;
    } else {
      result += c;
    }
  }
  return result;
}

std::string RandomText(test::Random& random, size_t most) {
  std::string text(random() % (most + 1), 'a');
  const uint32_t kind = random() % 3;
  for (char& c : text) {
    c = static_cast<char>(kind == 0 ? random() : 0x23 + random() % 0x30);
    if (kind == 1 && random() % 16 == 0) c = static_cast<char>(random());
  }
  return text;
}

const LineSource kNoSource{nullptr, 0, 0, 0};

}  // namespace

TEST(a_line_is_what_its_parts_are_as_strings) {
  test::Random random(5);
  for (int round = 0; round < 30000; ++round) {
    Memory memory;
    const auto escape = static_cast<LineEscape>(random() % 3);
    const std::string unset = escape == kEscapeHex ? "-" : "";
    std::string expected;
    std::vector<LineStep> steps;
    std::vector<FieldRecord> records;
    uint32_t seen = 0;
    const size_t count = random() % 7;
    for (size_t i = 0; i < count; ++i) {
      const std::string constant = RandomText(random, i % 2 == 0 ? 20 : 70);
      const std::string value = RandomText(random, 60);
      const auto length = static_cast<int32_t>(value.size());
      const int32_t slot = static_cast<int32_t>(i);
      steps.push_back({memory.Place(constant), static_cast<int32_t>(constant.size()), slot, 0});
      expected += constant;
      switch (random() % 5) {
        case 0:
          memory.slots[i] = {0, kLineUnset};
          expected += unset;
          break;
        case 1: {
          const auto number = static_cast<int32_t>(random() >> (1 + random() % 31));
          memory.slots[i] = {number, kLineNumber};
          expected += std::to_string(number);
          break;
        }
        case 2: {
          // A field, which may be there or not.
          const auto id = static_cast<int32_t>(1 + i * 9);
          steps.back() = {steps.back().offset, steps.back().length, -1, id};
          const bool there = random() % 2 == 0;
          if (there) {
            const int32_t at = memory.Place(value);
            records.push_back({0, 0, at, at + length, 0, id | kFieldCanonical});
            if (id < 32) seen |= uint32_t{1} << id;
          }
          expected += there ? Escape(value, escape) : unset;
          break;
        }
        default:
          memory.slots[i] = {memory.Place(value), length};
          expected += Escape(value, escape);
      }
    }
    expected += '\n';
    const LineSource source{records.data(), static_cast<int32_t>(records.size()), 0, seen};
    const auto step_count = static_cast<int32_t>(steps.size());
    const int length = ComposeLine(memory.view(), steps.data(), step_count, source, escape, kTarget,
                                   static_cast<int32_t>(kSize) - kTarget);
    if (length == kComposeTooLong) {
      EXPECT(expected.size() * 6 > kSize - kTarget);
      continue;
    }
    EXPECT(length >= 0 && memory.Written(length) == expected);
    // With any less room it is said to be too long, or is right, and goes nowhere else.
    const auto room = static_cast<int32_t>(random() % (expected.size() + 200));
    std::memset(memory.bytes.data() + kTarget, kUntouched, kSize - kTarget);
    const int again =
        ComposeLine(memory.view(), steps.data(), step_count, source, escape, kTarget, room);
    EXPECT(again == kComposeTooLong || (again == length && memory.Written(again) == expected));
    EXPECT(memory.UntouchedFrom(kTarget + room));
  }
}

TEST(what_a_line_cannot_be_made_of) {
  Memory memory;
  const auto compose = [&memory](LineStep step, LineEscape escape = kEscapeHex) {
    return ComposeLine(memory.view(), &step, 1, kNoSource, escape, kTarget, 64);
  };
  const auto size = static_cast<int32_t>(kSize);
  EXPECT_EQ(compose({0, 0, -1, 0}), 1);
  EXPECT_EQ(compose({size, 1, -1, 0}), kComposeBadRange);
  EXPECT_EQ(compose({size - 4, 8, -1, 0}), kComposeBadRange);
  EXPECT_EQ(compose({-1, 4, -1, 0}), kComposeBadRange);
  EXPECT_EQ(compose({0, -1, -1, 0}), kComposeBadRange);
  EXPECT_EQ(compose({0, 64, -1, 0}), kComposeTooLong);
  EXPECT_EQ(compose({0, 65, -1, 0}), kComposeTooLong);
  EXPECT_EQ(compose({0, 0, 8, 0}), kComposeBadRange);
  EXPECT_EQ(compose({0, 0, -1, 0}, static_cast<LineEscape>(3)), kComposeBadRange);
  const ComposeSlot bad[] = {{size, 1}, {-1, 1}, {size - 1, 2}, {-1, kLineNumber}, {0, -3}};
  for (const ComposeSlot& slot : bad) {
    memory.slots[0] = slot;
    EXPECT_EQ(compose({0, 0, 0, 0}), kComposeBadRange);
  }
  EXPECT(memory.UntouchedFrom(kTarget + 64));
}

TEST(a_head_is_what_its_parts_are_as_strings) {
  test::Random random(6);
  for (int round = 0; round < 10000; ++round) {
    Memory memory;
    std::string expected;
    std::vector<ComposeStep> steps;
    const size_t count = random() % 8;
    for (size_t i = 0; i < count; ++i) {
      const std::string constant = RandomText(random, 80), value = RandomText(random, 80);
      const int32_t at = memory.Place(constant), slot = static_cast<int32_t>(i);
      memory.slots[i] = {memory.Place(value), static_cast<int32_t>(value.size())};
      const auto length = static_cast<int32_t>(constant.size());
      switch (random() % 3) {
        case 0:
          steps.push_back({ComposeStep::kRange, at, length, 0});
          expected += constant;
          break;
        case 1:
          steps.push_back({ComposeStep::kSlot, 0, 0, slot});
          expected += value;
          break;
        default:
          steps.push_back({ComposeStep::kLine, at, length, slot});
          if (!value.empty()) expected += constant + value + "\r\n";
      }
    }
    const ComposeSource source{nullptr, 0, 0, 0, memory.bytes.data()};
    const auto step_count = static_cast<int32_t>(steps.size());
    const auto exact = static_cast<int32_t>(expected.size());
    for (const int32_t room : {exact, exact == 0 ? 0 : exact - 1}) {
      std::memset(memory.bytes.data() + kTarget, kUntouched, kSize - kTarget);
      const int length =
          ComposeHead(memory.view(), steps.data(), step_count, source, kTarget, room);
      if (room == exact) {
        EXPECT(length == exact && memory.Written(length) == expected);
      } else {
        EXPECT_EQ(length, kComposeTooLong);
      }
      EXPECT(memory.UntouchedFrom(kTarget + room));
    }
  }
}
