// The plain form of ScanLines, see scan_lines.h.
#include "scan/scan_lines.h"

namespace millrace {

int ScanLinesScalar(const uint8_t* data, int32_t length, int32_t from, Line* lines, int capacity) {
  int count = 0;
  int32_t begin = from;
  Line line{0, -1, 0};
  for (int32_t i = from; i < length && count < capacity; ++i) {
    const uint8_t byte = data[i];
    if (byte == '\n') {
      if (i > begin && data[i - 1] == '\r') line.flags |= kLineCrLf;
      if (data[begin] == ' ' || data[begin] == '\t') line.flags |= kLineIndented;
      line.end = i;
      lines[count++] = line;
      if (i == begin || (i == begin + 1 && data[begin] == '\r')) break;
      begin = i + 1;
      line = Line{0, -1, 0};
    } else if (byte == ':') {
      if (line.colon < 0) line.colon = i;
    } else if (byte >= 0x80) {
      line.flags |= kLineHigh;
    } else if (byte == '\r') {
      if (i + 1 < length && data[i + 1] != '\n') line.flags |= kLineBad;
    } else if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      line.flags |= kLineBad;
    }
  }
  return count;
}

}  // namespace millrace
