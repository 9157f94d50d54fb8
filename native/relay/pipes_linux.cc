// Pipes on Linux: splice(2), pipe(7).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "relay/pipes.h"

namespace millrace {

const bool Pipes::kSupported = true;

namespace {

// A pipe below this moves too little in a call to be worth it: the user has many.
constexpr int kLeastBytes = 64 << 10;

int Splice(int from, int to, size_t max) {
  return RetryOnInterrupt(
      [&] { return splice(from, nullptr, to, nullptr, max, SPLICE_F_NONBLOCK); });
}

bool Make(Pipe* pipe) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return false;
  // EPERM: above the limit of one pipe, or of the user's pipes. What it has may do.
  if (fcntl(fds[1], F_SETPIPE_SZ, Pipes::kBytes) < 0 && fcntl(fds[1], F_GETPIPE_SZ) < kLeastBytes) {
    close(fds[0]);
    close(fds[1]);
    return false;
  }
  *pipe = {fds[0], fds[1], true};
  return true;
}

}  // namespace

Pipes::~Pipes() {
  while (kept_count_ > 0) Drop(&kept_[--kept_count_]);
}

bool Pipes::Take(Pipe* pipe, double now_ms) {
  if (kept_count_ > 0) {
    *pipe = kept_[--kept_count_];
    return true;
  }
  if (count_ == kMaxPipes || now_ms < retry_at_ms_) return false;
  if (!Make(pipe)) {
    // EMFILE and its like: accept needs descriptors more than this does.
    retry_at_ms_ = now_ms + kRetryMs;
    return false;
  }
  count_ += 1;
  return true;
}

void Pipes::Give(Pipe* pipe) {
  if (kept_count_ == kKept) {
    Drop(pipe);
    return;
  }
  kept_[kept_count_++] = *pipe;
  pipe->open = false;
}

void Pipes::Drop(Pipe* pipe) {
  close(pipe->read_end);
  close(pipe->write_end);
  pipe->open = false;
  count_ -= 1;
}

int Pipes::Fill(const Pipe& pipe, int socket, size_t max) {
  return Splice(socket, pipe.write_end, max);
}

int Pipes::Drain(const Pipe& pipe, int socket, size_t max) {
  return Splice(pipe.read_end, socket, max);
}

}  // namespace millrace
