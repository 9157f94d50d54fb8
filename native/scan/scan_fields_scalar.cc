// The plain form of ScanFields, see scan_fields.h.
#include "scan/line_collector.h"
#include "scan/scan_fields.h"

namespace millrace {

void ScanFieldsScalar(const uint8_t* data, int32_t length, int32_t from, const NameTable& names,
                      FieldRecord* records, int32_t capacity, ScanReport* report) {
  LineCollector<false> lines(data, from, static_cast<size_t>(length), names, records, capacity,
                             report);
  bool odd = false;
  for (int32_t i = from; i < length; ++i) {
    const uint8_t byte = data[i];
    if (byte == '\n') {
      if (!lines.Add(i, odd)) break;
      odd = false;
    } else if (IsOdd(byte)) {
      odd = odd || i + 1 == length || data[i + 1] != '\n';
    }
  }
  lines.Finish();
}

}  // namespace millrace
