// Owns one file descriptor and closes it when it goes out of scope.
#ifndef MILLRACE_BASE_UNIQUE_FD_H_
#define MILLRACE_BASE_UNIQUE_FD_H_

#include <unistd.h>

namespace millrace {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor away; the caller closes it.
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

  // The result of close(2) is ignored: whatever it says, the descriptor is gone,
  // and delayed write errors (EIO, ENOSPC) do not exist for sockets.
  void reset(int fd = -1) {
    if (fd_ >= 0 && fd_ != fd) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_UNIQUE_FD_H_
