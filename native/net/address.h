// Socket addresses: numeric text to sockaddr and back. No names are resolved.
#ifndef MILLRACE_NET_ADDRESS_H_
#define MILLRACE_NET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

namespace millrace {

struct Address {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  };
  socklen_t length = 0;

  int family() const { return any.sa_family; }

  // `text` is "127.0.0.1", "::1", "fe80::1%eth0" or, with port < 0, the path of a unix
  // socket (a leading '@' is an abstract name on Linux). Result: 0, -EINVAL for a text
  // or port that is not an address, -ENAMETOOLONG for a path above about 100 bytes.
  int Parse(const char* text, int port);

  // Room for the longest text with its end.
  static constexpr size_t kMaxText = 128;

  // Writes "127.0.0.1 8080", "fe80::1%2 80", "/run/x.sock -1" or "" for what has no
  // name. Result: the length without the end.
  size_t Format(char (&text)[kMaxText]) const;
};

}  // namespace millrace

#endif  // MILLRACE_NET_ADDRESS_H_
