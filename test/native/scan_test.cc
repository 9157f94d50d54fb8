// ScanFields: cases by hand, and a comparison with the plain form.
#include "scan/scan_fields.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "harness.h"
#include "scan/name_table.h"

using namespace millrace;

namespace {

constexpr int kHost = 1, kConnection = 2, kCookie = 4;

const NameTable& Names() {
  static NameTable names;
  static const bool ready = [] {
    const std::string text = "host\nconnection\nte\ncookie\naccess-control-allow-headers\n";
    return names.Set(text.data(), text.size(), 2, 1u << kConnection);
  }();
  REQUIRE(ready);
  return names;
}

struct Result {
  ScanReport report{};
  std::vector<FieldRecord> records;
  int32_t flags(size_t index) const { return records[index].id_flags & ~0xff; }
  int32_t id(size_t index) const { return records[index].id_flags & 0xff; }
};

Result Scan(const std::string& text, int32_t capacity = 100, int32_t from = 0) {
  // Exactly as long as the text, so that the sanitizer sees a read behind the end.
  std::vector<uint8_t> bytes(text.begin(), text.end());
  Result result;
  result.records.resize(static_cast<size_t>(capacity));
  ScanFields(bytes.data(), static_cast<int32_t>(bytes.size()), from, bytes.size(), Names(),
             result.records.data(), capacity, &result.report);
  result.records.resize(static_cast<size_t>(result.report.count));
  return result;
}

// The flags of one field line.
int32_t FlagsOf(const std::string& line) {
  const Result result = Scan("S\r\n" + line);
  REQUIRE(result.report.count == 1);
  return result.flags(0);
}

void Compare(const uint8_t* data, int32_t length, int32_t from, size_t readable, int32_t capacity) {
  static FieldRecord fast[64], plain[64];
  ScanReport fast_report{}, plain_report{};
  ScanFields(data, length, from, readable, Names(), fast, capacity, &fast_report);
  ScanFieldsScalar(data, length, from, Names(), plain, capacity, &plain_report);
  EXPECT(std::memcmp(&fast_report, &plain_report, sizeof fast_report) == 0);
  if (fast_report.count != plain_report.count) return;
  EXPECT(std::memcmp(fast, plain, sizeof(FieldRecord) * static_cast<size_t>(plain_report.count)) ==
         0);
}

}  // namespace

TEST(a_request_head) {
  const Result result = Scan("GET / HTTP/1.1\r\nHost: a:80\r\nX:\t y \r\n\r\nbody: x\r\n");
  EXPECT_EQ(result.report.start_end, 14);
  EXPECT_EQ(result.report.start_flags, kFieldCanonical);
  EXPECT_EQ(result.report.position, 38);
  EXPECT_EQ(result.report.complete, 1);
  EXPECT_EQ(result.report.longest, 12);
  EXPECT_EQ(result.report.special_count, 1);
  EXPECT_EQ(result.report.special[0], 0);
  REQUIRE(result.records.size() == 2);
  const FieldRecord& host = result.records[0];
  EXPECT_EQ(host.start, 16);
  EXPECT_EQ(host.name_end, 20);
  EXPECT_EQ(host.value_start, 22);
  EXPECT_EQ(host.value_end, 26);
  EXPECT_EQ(host.line_end, 28);
  EXPECT_EQ(host.id_flags, kHost | kFieldCanonical);
  const FieldRecord& x = result.records[1];
  EXPECT_EQ(x.value_start, 32);
  EXPECT_EQ(x.value_end, 33);
  EXPECT_EQ(x.id_flags, 0);
}

TEST(the_plain_part_of_a_start_line) {
  const auto plain = [](const std::string& line) { return Scan(line + "\n\n").report.start_plain; };
  EXPECT_EQ(plain("GET / HTTP/1.1"), 5);
  EXPECT_EQ(plain("GET /abc/d.e?f HTTP/1.1"), 12);
  EXPECT_EQ(plain("GET /a//b HTTP/1.1"), 6);
  EXPECT_EQ(plain("GET /a/./b HTTP/1.1"), 6);
  EXPECT_EQ(plain("GET /a%20b HTTP/1.1"), 6);
  EXPECT_EQ(plain("GET /a#b HTTP/1.1"), 6);
  EXPECT_EQ(plain("GET /a\x7f HTTP/1.1"), 6);
  EXPECT_EQ(plain("GET /a\x80\xff HTTP/1.1"), 8);
  EXPECT_EQ(plain("GET  /a"), 4);
  EXPECT_EQ(plain("GET /a"), 6);
  EXPECT_EQ(plain("HTTP/1.1 200 OK"), 0);
  EXPECT_EQ(plain("GET\t/"), 0);
  EXPECT_EQ(plain(""), 0);
  for (size_t length = 1; length < 70; ++length) {
    const std::string path = "/" + std::string(length, 'a');
    const auto end = static_cast<int32_t>(4 + path.size());
    EXPECT_EQ(plain("GET " + path + " HTTP/1.1"), end);
    EXPECT_EQ(plain("GET " + path + "/. HTTP/1.1"), end);
    EXPECT_EQ(plain("GET " + path + "?/."), end);
  }
}

TEST(what_is_not_complete_has_no_record) {
  EXPECT_EQ(Scan("").report.start_end, -1);
  EXPECT_EQ(Scan("GET / HT").report.start_end, -1);
  EXPECT_EQ(Scan("GET / HTTP/1.1\r").report.position, 0);
  const Result result = Scan("a\r\nb: c\r\nd: e\r");
  EXPECT_EQ(result.report.count, 1);
  EXPECT_EQ(result.report.position, 9);
  EXPECT_EQ(result.report.complete, 0);
}

TEST(flags_of_a_line) {
  EXPECT_EQ(FlagsOf("a: b\r\n"), kFieldCanonical);
  EXPECT_EQ(FlagsOf("a: \r\n"), kFieldCanonical);
  EXPECT_EQ(FlagsOf("a: b\n"), 0);
  EXPECT_EQ(FlagsOf("a:b\r\n"), 0);
  EXPECT_EQ(FlagsOf("a:\r\n"), 0);
  EXPECT_EQ(FlagsOf("a:  b\r\n"), 0);
  EXPECT_EQ(FlagsOf("a: b \r\n"), 0);
  EXPECT_EQ(FlagsOf("a:\tb\r\n"), 0);
  EXPECT_EQ(FlagsOf("a: b\tc\xff\r\n"), kFieldCanonical);
  EXPECT_EQ(FlagsOf(" a: b\r\n"), kFieldCanonical | kFieldIndented | kFieldForbidden);
  EXPECT_EQ(FlagsOf("\ta: b\r\n"), kFieldCanonical | kFieldIndented | kFieldForbidden);
  EXPECT_EQ(FlagsOf("a\r\n"), kFieldNameless);
  EXPECT_EQ(FlagsOf(": b\r\n"), kFieldNameless);
  EXPECT_EQ(FlagsOf("a : b\r\n"), kFieldCanonical | kFieldForbidden);
  EXPECT_EQ(FlagsOf("a_: b\r\n"), kFieldCanonical | kFieldUnderscore);
  EXPECT_EQ(FlagsOf("a.b: b\r\n"), kFieldCanonical | kFieldToken);
  EXPECT_EQ(FlagsOf("a\x80(: b\r\n"), kFieldCanonical | kFieldOdd);
  EXPECT_EQ(FlagsOf("a: \x7f\r\n"), kFieldCanonical | kFieldBad);
  EXPECT_EQ(FlagsOf(std::string("a: \0\r\n", 6)), kFieldCanonical | kFieldBad);
  EXPECT_EQ(FlagsOf("a: b\rc\r\n"), kFieldCanonical | kFieldBad);
  EXPECT_EQ(FlagsOf("a: b\r\r\n"), kFieldCanonical | kFieldBad);
}

TEST(names_of_the_table) {
  const Result result = Scan(
      "S\r\nHOST: a\r\nhost\x01: a\r\nTe: b\r\nCooKie: c\r\nAccess-Control-Allow-Headers: d\r\n"
      "Access-Control-Allow-Header5: d\r\nConnection: e\r\nHos\x14: f\r\n\r\n");
  REQUIRE(result.records.size() == 8);
  const int ids[] = {kHost, 0, 3, kCookie, 5, 0, kConnection, 0};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(result.id(i), ids[i]);
  EXPECT_EQ(result.report.special_count, 2);
  EXPECT_EQ(result.report.special[0], 0);
  EXPECT_EQ(result.report.special[1], 6);
  EXPECT((result.flags(6) & kFieldMarked) != 0);
  EXPECT((result.flags(0) & kFieldMarked) == 0);
}

TEST(ids_that_a_head_has_and_has_twice) {
  const Result once = Scan("S\r\nHost: a\r\nCookie: b\r\nX-Unknown: c\r\n\r\n");
  EXPECT_EQ(once.report.seen, 1u << kHost | 1u << kCookie | 1u);
  EXPECT_EQ(once.report.repeated, 0u);
  const Result twice = Scan("S\r\nhost: a\r\nX: b\r\nHOST: a\r\nY: c\r\nCookie: d\r\n\r\n");
  EXPECT_EQ(twice.report.seen, 1u << kHost | 1u << kCookie | 1u);
  EXPECT_EQ(twice.report.repeated, 1u << kHost | 1u);
  EXPECT_EQ(Scan("S\r\n\r\n").report.seen, 0u);
}

TEST(more_special_records_than_are_listed) {
  std::string head = "S\r\n";
  for (int i = 0; i < 40; ++i) head += "Host: a\r\n";
  const Result result = Scan(head);
  EXPECT_EQ(result.report.special_count, 40);
  EXPECT_EQ(result.report.special[ScanReport::kMaxSpecials - 1], ScanReport::kMaxSpecials - 1);
}

TEST(stops_behind_the_first_empty_line_or_without_room) {
  EXPECT_EQ(Scan("\r\nA: b\r\n").report.count, 0);
  EXPECT_EQ(Scan("\r\nA: b\r\n").report.start_end, 0);
  EXPECT_EQ(Scan("\r\nA: b\r\n").report.complete, 0);
  EXPECT_EQ(Scan("S\n\nA: b\r\n").report.complete, 1);
  const Result full = Scan("S\na: b\nc: d\ne: f\n\n", 2);
  EXPECT_EQ(full.report.count, 2);
  EXPECT_EQ(full.report.full, 1);
  EXPECT_EQ(full.report.position, 12);
  EXPECT_EQ(Scan("S\na: b\nc: d\n\n", 2).report.complete, 1);
}

TEST(positions_count_from_the_data_and_not_from_the_first_line) {
  const Result result = Scan("\r\nGET\r\na: b\r\n\r\n", 100, 2);
  EXPECT_EQ(result.report.start_end, 5);
  EXPECT_EQ(result.report.position, 15);
  REQUIRE(result.records.size() == 1);
  EXPECT_EQ(result.records[0].start, 7);
}

TEST(a_line_end_at_every_place_of_a_block) {
  for (size_t size = 0; size < 200; ++size) {
    const std::string before(size, 'a');
    EXPECT_EQ(FlagsOf("x" + before + ": b\r\n"), kFieldCanonical);
    EXPECT_EQ(FlagsOf("x" + before + ": b\rb\r\n"), kFieldCanonical | kFieldBad);
    // Nothing of one line reaches the next.
    const Result result = Scan("x\x01" + before + "\r\nb: c\r\nd\x02: e\r\nf: g\r\n");
    EXPECT_EQ(result.report.start_flags, kFieldCanonical | kFieldBad);
    REQUIRE(result.records.size() == 3);
    EXPECT_EQ(result.flags(0), kFieldCanonical);
    EXPECT_EQ(result.flags(1), kFieldCanonical | kFieldBad);
    EXPECT_EQ(result.flags(2), kFieldCanonical);
  }
}

TEST(every_byte_at_every_place_agrees_with_the_plain_form) {
  std::vector<uint8_t> data;
  for (int32_t place = 0; place < 140; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      data.assign(142, 'a');
      data[4] = '\n';
      data[static_cast<size_t>(place)] = static_cast<uint8_t>(byte);
      data[140] = '\r';
      data[141] = '\n';
      Compare(data.data(), 142, 0, 142, 64);
    }
  }
}

TEST(random_bytes_agree_at_all_offsets_lengths_and_alignments) {
  millrace::test::Random random(3);
  const char alphabet[] = "aaaaaaaaaaaaaaaaaaaa:::_*\r\n\n\r\t  \x01\x7f\x80\xff";
  const char* const words[] = {"\r\n", "\r\n", ": ", "Host", "te", "COOKIE", "connection"};
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
    for (int32_t at = static_cast<int32_t>(random() % 20); at < length;
         at += static_cast<int32_t>(random() % 20)) {
      for (const char* c = words[random() % 7]; *c != '\0' && at < length; ++c) {
        data[at++] = static_cast<uint8_t>(*c);
      }
    }
    int32_t from = 0;
    if (length > 0 && round % 2 == 0)
      from = static_cast<int32_t>(random() % static_cast<unsigned>(length + 1));
    // With bytes behind the end that may be read, and without.
    const auto shorter = static_cast<int32_t>(random() % static_cast<unsigned>(length + 1));
    const auto capacity = static_cast<int32_t>(1 + random() % 64);
    Compare(data, length, from, static_cast<size_t>(length), capacity);
    if (shorter >= from) Compare(data, shorter, from, static_cast<size_t>(length), capacity);
    std::free(exact);
  }
}

TEST(a_table_takes_names_of_a_size_and_keeps_what_it_has_otherwise) {
  NameTable table;
  EXPECT(table.Set("a\nbc\n", 5, 9, 0));
  EXPECT_EQ(table.special(), 2);
  const std::string bad[] = {"a", "\n", std::string(41, 'a') + "\n"};
  for (const std::string& text : bad) EXPECT(!table.Set(text.data(), text.size(), 0, 0));
  std::string many;
  for (int i = 0; i < 256; ++i) many += "x\n";
  EXPECT(!table.Set(many.data(), many.size(), 0, 0));
  EXPECT_EQ(table.Find(reinterpret_cast<const uint8_t*>("BC"), 2, 2), 2);
  EXPECT_EQ(table.Find(reinterpret_cast<const uint8_t*>("bd"), 2, 2), 0);
}
