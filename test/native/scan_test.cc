// ScanLines: cases by hand, and a comparison with the plain form.
#include "scan/scan_lines.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "harness.h"

using namespace millrace;

namespace {

std::vector<Line> Scan(const std::string& text, int capacity = 100, int from = 0) {
  // Exactly as long as the text, so that the sanitizer sees a read behind the end.
  std::vector<uint8_t> bytes(text.begin(), text.end());
  std::vector<Line> lines(static_cast<size_t>(capacity));
  lines.resize(static_cast<size_t>(
      ScanLines(bytes.data(), static_cast<int32_t>(bytes.size()), from, lines.data(), capacity)));
  return lines;
}

bool Same(const Line* a, const Line* b, int count) {
  return std::memcmp(a, b, sizeof(Line) * static_cast<size_t>(count)) == 0;
}

void Compare(const uint8_t* data, int32_t length, int32_t from, int capacity) {
  Line fast[64], plain[64];
  const int fast_count = ScanLines(data, length, from, fast, capacity);
  const int plain_count = ScanLinesScalar(data, length, from, plain, capacity);
  EXPECT_EQ(fast_count, plain_count);
  if (fast_count == plain_count) EXPECT(Same(fast, plain, plain_count));
}

}  // namespace

TEST(a_request_head) {
  const auto lines = Scan("GET / HTTP/1.1\r\nHost: a:80\r\n\r\nbody: x\r\n");
  REQUIRE(lines.size() == 3);
  EXPECT_EQ(lines[0].end, 15);
  EXPECT_EQ(lines[0].colon, -1);
  EXPECT_EQ(lines[0].flags, kLineCrLf);
  EXPECT_EQ(lines[1].colon, 20);
  EXPECT_EQ(lines[2].end, 29);
  EXPECT_EQ(lines[2].flags, kLineCrLf);
}

TEST(an_incomplete_line_has_no_entry) {
  EXPECT(Scan("").empty());
  EXPECT(Scan("GET / HT").empty());
  EXPECT(Scan("GET / HTTP/1.1\r").empty());
  EXPECT_EQ(Scan("a\nb").size(), 1);
}

TEST(flags_of_a_line) {
  EXPECT_EQ(Scan("a\n")[0].flags, 0);
  EXPECT_EQ(Scan("\n")[0].flags, 0);
  EXPECT_EQ(Scan(" a\r\n")[0].flags, kLineCrLf | kLineIndented);
  EXPECT_EQ(Scan("\ta\n")[0].flags, kLineIndented);
  EXPECT_EQ(Scan("a\tb\r\n")[0].flags, kLineCrLf);
  EXPECT_EQ(Scan("a\x80\r\n")[0].flags, kLineCrLf | kLineHigh);
  EXPECT_EQ(Scan("a\xff\n")[0].flags, kLineHigh);
  EXPECT_EQ(Scan("a\x7f\n")[0].flags, kLineBad);
  EXPECT_EQ(Scan(std::string("a\0b\n", 4))[0].flags, kLineBad);
  EXPECT_EQ(Scan("a\x1f\r\n")[0].flags, kLineCrLf | kLineBad);
  EXPECT_EQ(Scan("a\rb\r\n")[0].flags, kLineCrLf | kLineBad);
  EXPECT_EQ(Scan("\r\r\n")[0].flags, kLineCrLf | kLineBad);
  EXPECT_EQ(Scan("a: b:c\n")[0].colon, 1);
}

TEST(flags_belong_to_their_own_line) {
  const auto lines = Scan("a\x01\nb\n\xc3: x\r\nd: e\r\n");
  REQUIRE(lines.size() == 4);
  EXPECT_EQ(lines[0].flags, kLineBad);
  EXPECT_EQ(lines[1].flags, 0);
  EXPECT_EQ(lines[2].flags, kLineHigh | kLineCrLf);
  EXPECT_EQ(lines[3].flags, kLineCrLf);
  EXPECT_EQ(lines[1].colon, -1);
}

TEST(stops_behind_the_first_empty_line_or_at_the_capacity) {
  EXPECT_EQ(Scan("\r\nGET\r\n").size(), 1);
  EXPECT_EQ(Scan("\nGET\r\n").size(), 1);
  EXPECT_EQ(Scan("a\nb\nc\n", 2).size(), 2);
  EXPECT_EQ(Scan("a\nb\n", 0).size(), 0);
}

TEST(going_on_from_the_last_complete_line) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
  const auto whole = Scan(head);
  const auto rest = Scan(head, 100, whole[0].end + 1);
  REQUIRE(rest.size() == whole.size() - 1);
  EXPECT(Same(rest.data(), whole.data() + 1, static_cast<int>(rest.size())));
}

TEST(a_cr_at_every_place_of_a_block) {
  for (size_t size = 0; size < 200; ++size) {
    const std::string before(size, 'a');
    EXPECT_EQ(Scan(before + "\r\n")[0].flags, kLineCrLf);
    EXPECT_EQ(Scan(before + "\rb\r\n")[0].flags, kLineCrLf | kLineBad);
    EXPECT(Scan(before + "\r").empty());
    // Nothing of the first line reaches the second.
    EXPECT_EQ(Scan("x" + before + "\r\nb\n")[1].flags, 0);
  }
}

TEST(every_byte_at_every_place_agrees_with_the_plain_form) {
  std::vector<uint8_t> data;
  for (int32_t place = 0; place < 140; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      data.assign(142, 'a');
      data[static_cast<size_t>(place)] = static_cast<uint8_t>(byte);
      data[140] = '\r';
      data[141] = '\n';
      Compare(data.data(), 142, 0, 64);
    }
  }
}

TEST(random_bytes_agree_at_all_offsets_lengths_and_alignments) {
  millrace::test::Random random(3);
  const char alphabet[] = "aaaaaaaaaaaaaaaaaaaa::\r\n\n\r\t \x01\x7f\x80\xff";
  for (int round = 0; round < 60000; ++round) {
    const auto length = static_cast<int32_t>(random() % 300);
    const size_t lead = random() % 64;
    // A heap block of exactly this size: reading behind it is an error.
    const size_t size = lead + static_cast<size_t>(length);
    auto* exact = static_cast<uint8_t*>(std::malloc(size + (size == 0 ? 1 : 0)));
    REQUIRE(exact != nullptr);
    uint8_t* data = exact + lead;
    const bool any_byte = round % 3 == 0;
    for (int32_t i = 0; i < length; ++i) {
      data[i] = any_byte ? static_cast<uint8_t>(random())
                         : static_cast<uint8_t>(alphabet[random() % (sizeof alphabet - 1)]);
      // Long lines too.
      if (round % 3 == 1 && data[i] == '\n' && random() % 8 != 0) data[i] = 'b';
    }
    int32_t from = 0;
    if (length > 0 && round % 2 == 0)
      from = static_cast<int32_t>(random() % static_cast<unsigned>(length + 1));
    Compare(data, length, from, static_cast<int>(1 + random() % 64));
    std::free(exact);
  }
}
