// See address.h.
#include "net/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace millrace {
namespace {

// The zone of a link-local address: an interface by name or number. 0 is none such.
uint32_t ScopeOf(const char* zone) {
  const unsigned index = if_nametoindex(zone);
  if (index != 0) return index;
  char* end = nullptr;
  const unsigned long number = std::strtoul(zone, &end, 10);
  return *zone != '\0' && *end == '\0' ? static_cast<uint32_t>(number) : 0;
}

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);

int ParsePath(const char* text, Address* address) {
  const size_t size = std::strlen(text);
  if (size == 0) return -EINVAL;
  if (size >= sizeof address->local.sun_path) return -ENAMETOOLONG;
  std::memset(&address->local, 0, sizeof address->local);
  address->local.sun_family = AF_UNIX;
  std::memcpy(address->local.sun_path, text, size);
  const bool abstract = text[0] == '@';
  if (abstract) address->local.sun_path[0] = '\0';
  // An abstract name is all bytes up to the length; a path has its end counted.
  address->length = static_cast<socklen_t>(kPathOffset + size + (abstract ? 0 : 1));
  return 0;
}

}  // namespace

int Address::Parse(const char* text, int port) {
  if (port < 0) return ParsePath(text, this);
  if (port > 65535) return -EINVAL;
  std::memset(&v6, 0, sizeof v6);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    length = sizeof v4;
    return 0;
  }
  std::memset(&v6, 0, sizeof v6);
  char host[INET6_ADDRSTRLEN];
  const char* zone = std::strchr(text, '%');
  const size_t size = zone == nullptr ? std::strlen(text) : static_cast<size_t>(zone - text);
  if (size >= sizeof host) return -EINVAL;
  std::memcpy(host, text, size);
  host[size] = '\0';
  if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return -EINVAL;
  if (zone != nullptr) {
    v6.sin6_scope_id = ScopeOf(zone + 1);
    if (v6.sin6_scope_id == 0) return -EINVAL;
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  length = sizeof v6;
  return 0;
}

namespace {

char* AppendDecimal(char* at, unsigned value) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

// "127.0.0.1 80". Every accepted connection asks for its own: printf takes ten times as long.
size_t FormatV4(const sockaddr_in& address, char* text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&address.sin_addr);
  char* at = text;
  for (int i = 0; i < 4; ++i) {
    at = AppendDecimal(at, bytes[i]);
    *at++ = i < 3 ? '.' : ' ';
  }
  at = AppendDecimal(at, ntohs(address.sin_port));
  *at = '\0';
  return static_cast<size_t>(at - text);
}

}  // namespace

size_t Address::Format(char (&text)[kMaxText]) const {
  text[0] = '\0';
  char host[INET6_ADDRSTRLEN];
  int written = 0;
  if (length >= sizeof v4 && family() == AF_INET) {
    return FormatV4(v4, text);
  } else if (length >= sizeof v6 && family() == AF_INET6) {
    if (inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host) == nullptr) return 0;
    if (v6.sin6_scope_id != 0) {
      written =
          std::snprintf(text, kMaxText, "%s%%%u %d", host, v6.sin6_scope_id, ntohs(v6.sin6_port));
    } else {
      written = std::snprintf(text, kMaxText, "%s %d", host, ntohs(v6.sin6_port));
    }
  } else if (length > kPathOffset && family() == AF_UNIX) {
    const size_t size = std::min(length - kPathOffset, sizeof local.sun_path);
    const bool abstract = local.sun_path[0] == '\0';
    const size_t skip = abstract ? 1 : 0;
    const size_t shown = strnlen(local.sun_path + skip, size - skip);
    if (shown == 0) return 0;
    written = std::snprintf(text, kMaxText, "%s%.*s -1", abstract ? "@" : "",
                            static_cast<int>(shown), local.sun_path + skip);
  }
  return written < 0 ? 0 : static_cast<size_t>(written);
}

}  // namespace millrace
