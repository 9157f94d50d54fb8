// libFuzzer on ScanFields: arbitrary bytes, scanned whole, from the middle and cut short,
// must give the very records and report of the plain form. The first bytes of an input say
// where it is cut, how many records there is room for and how far may be read.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "scan/name_table.h"
#include "scan/scan_fields.h"

using namespace millrace;

namespace {

constexpr int32_t kMaxRecords = 64;
constexpr size_t kChoices = 4;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "scan_fuzz: %s\n", what);
  std::abort();
}

const NameTable& Names() {
  static NameTable names;
  static const bool ready = [] {
    const std::string text =
        "host\nconnection\ncontent-length\ntransfer-encoding\nte\nupgrade\ncookie\n"
        "access-control-allow-headers\n";
    return names.Set(text.data(), text.size(), 6, 1u << 2 | 1u << 4);
  }();
  if (!ready) Fail("the name table is bad");
  return names;
}

void Compare(const uint8_t* data, int32_t length, int32_t from, size_t readable, int32_t capacity) {
  static FieldRecord fast[kMaxRecords], plain[kMaxRecords];
  // What is not written must differ in neither.
  std::memset(fast, 0x5a, sizeof fast);
  std::memset(plain, 0x5a, sizeof plain);
  ScanReport fast_report{}, plain_report{};
  ScanFields(data, length, from, readable, Names(), fast, capacity, &fast_report);
  ScanFieldsScalar(data, length, from, Names(), plain, capacity, &plain_report);
  if (std::memcmp(&fast_report, &plain_report, sizeof fast_report) != 0) Fail("reports differ");
  if (plain_report.count < 0 || plain_report.count > capacity) Fail("too many records");
  const size_t bytes = sizeof(FieldRecord) * static_cast<size_t>(plain_report.count);
  if (std::memcmp(fast, plain, bytes) != 0) Fail("records differ");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < kChoices || size > 1 << 16) return 0;
  const int32_t capacity = 1 + input[0] % kMaxRecords;
  const size_t lead = input[1] % 64;
  const size_t rest = size - kChoices;
  const size_t cut = rest == 0 ? 0 : (static_cast<size_t>(input[2]) << 8 | input[3]) % (rest + 1);
  // A heap block of exactly this size, at any alignment: reading behind it is an error.
  std::vector<uint8_t> block(lead + rest);
  if (rest > 0) std::memcpy(block.data() + lead, input + kChoices, rest);
  const uint8_t* data = block.data() + lead;
  const auto length = static_cast<int32_t>(rest);
  const auto part = static_cast<int32_t>(cut);
  Compare(data, length, 0, rest, capacity);
  Compare(data, length, part, rest, capacity);
  // Cut short, with foreign bytes behind that may be read, and with none.
  Compare(data, part, 0, rest, capacity);
  Compare(data, part, 0, cut, capacity);
  return 0;
}
