// See message.h.
#include "net/message.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"
#include "base/unique_fd.h"
#include "net/os.h"
#include "net/socket.h"

namespace millrace {
namespace {

int Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

}  // namespace

int OpenDatagram(Loop& loop, const char* address, int port, uint32_t flags) {
  Address at;
  int status = at.Parse(address, port);
  if (status < 0) return status;
  UniqueFd fd(os::OpenSocket(at.family(), SOCK_DGRAM));
  if (!fd.valid()) return fd.get();
  if ((flags & kReusePort) != 0) status = os::SetReusePort(fd.get());
  if (status >= 0 && at.family() == AF_INET6) {
    status = Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, (flags & kIpv6Only) != 0 ? 1 : 0);
  }
  if (status < 0) return status;
  if (bind(fd.get(), &at.any, at.length) < 0) return -errno;
  return loop.Add(fd.release(), Watch::kDatagram);
}

int SendTo(Loop& loop, Handle handle, const void* data, size_t size, const Address* to) {
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  const int result = RetryOnInterrupt([&] {
    return sendto(descriptor->fd, data, size, os::kSendFlags, to == nullptr ? nullptr : &to->any,
                  to == nullptr ? 0 : to->length);
  });
  if (result == -EAGAIN) loop.AwaitWritable(handle, *descriptor);
  return result;
}

int ReceiveFrom(Loop& loop, Handle handle, void* data, size_t size, Address* sender) {
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  return RetryOnInterrupt([&] {
    sender->length = sizeof sender->local;
    return recvfrom(descriptor->fd, data, size, 0, &sender->any, &sender->length);
  });
}

int SendFds(Loop& loop, Handle handle, const void* data, size_t size, const int32_t* fds,
            int count) {
  Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  if (size == 0 || count < 0 || count > kMaxPassedFds) return -EINVAL;
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int32_t) * kMaxPassedFds)] = {};
  if (count > 0) {
    const size_t bytes = sizeof(int32_t) * static_cast<size_t>(count);
    message.msg_control = control;
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(bytes));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(bytes));
    std::memcpy(CMSG_DATA(header), fds, bytes);
  }
  const int result =
      RetryOnInterrupt([&] { return sendmsg(descriptor->fd, &message, os::kSendFlags); });
  if (result == -EAGAIN || (result >= 0 && static_cast<size_t>(result) < size)) {
    loop.AwaitWritable(handle, *descriptor);
  }
  return result;
}

int ReceiveFds(Loop& loop, Handle handle, void* data, size_t size, int32_t* fds, int* count) {
  *count = 0;
  const Descriptor* descriptor = loop.Find(handle);
  if (descriptor == nullptr) return -EBADF;
  iovec part{data, size};
  msghdr message{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int32_t) * kMaxPassedFds)];
  const int result = RetryOnInterrupt([&] {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    return recvmsg(descriptor->fd, &message, os::kReceiveFdFlags);
  });
  if (result < 0) return result;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t bytes = static_cast<size_t>(header->cmsg_len) - CMSG_LEN(0);
    const auto received = static_cast<int>(bytes / sizeof(int32_t));
    const unsigned char* source = CMSG_DATA(header);
    for (int i = 0; i < received; ++i) {
      int32_t fd;
      std::memcpy(&fd, source + sizeof fd * static_cast<size_t>(i), sizeof fd);
      if (*count == kMaxPassedFds) {
        UniqueFd surplus(fd);
        continue;
      }
      os::FinishReceivedFd(fd);
      fds[(*count)++] = fd;
    }
  }
  return result;
}

}  // namespace millrace
