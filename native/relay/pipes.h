// Moving bytes from socket to socket through a pipe, without copying them, where the
// system can: pipes_linux.cc (splice(2)), pipes_none.cc (nowhere else).
//
// Pipes are pooled, and held only while bytes are inside. Past 64 MB in all pipes of an
// unprivileged user (pipe(7), pipe-user-pages-soft) a new one shrinks to 8 KB, so there
// is a bound on how many a loop makes; who gets none copies.
#ifndef MILLRACE_RELAY_PIPES_H_
#define MILLRACE_RELAY_PIPES_H_

#include <cstddef>

namespace millrace {

// Two descriptors while `open`; zeroed memory is a pipe that is not. Whoever took it gives
// it back.
struct Pipe {
  int read_end, write_end;
  bool open;
};

// Not thread-safe. Results are >= 0, or -errno; EINTR is absorbed.
class Pipes {
 public:
  // Pipes that exist at once; each holds up to kBytes.
  static constexpr int kMaxPipes = 32;
  static constexpr int kBytes = 1 << 20;
  // Of these stay open when nobody holds them.
  static constexpr int kKept = 4;
  // After a failure nothing is tried for so long.
  static constexpr double kRetryMs = 1000;

  // Whether Take can ever have success.
  static const bool kSupported;

  Pipes() = default;
  Pipes(const Pipes&) = delete;
  Pipes& operator=(const Pipes&) = delete;
  ~Pipes();

  // An empty pipe into `pipe`, which is not open. False when there is none to be had.
  bool Take(Pipe* pipe, double now_ms);

  // Takes an empty pipe back.
  void Give(Pipe* pipe);

  // Closes a pipe and drops what is inside.
  void Drop(Pipe* pipe);

  // Socket to pipe. > 0 bytes, 0 end of stream, -EAGAIN: with an empty pipe the socket is
  // drained. Fewer bytes than `max` do not say that it is drained (splice(2)).
  static int Fill(const Pipe& pipe, int socket, size_t max);

  // Pipe to socket. Bytes taken, possibly fewer; -EAGAIN for none. A socket that is broken
  // raises SIGPIPE besides, and splice(2) has no flag against it: the process ignores that
  // signal, as Node does.
  static int Drain(const Pipe& pipe, int socket, size_t max);

  // Pipes that exist, held or not.
  int count() const { return count_; }

 private:
  Pipe kept_[kKept] = {};
  int kept_count_ = 0;
  int count_ = 0;
  double retry_at_ms_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_RELAY_PIPES_H_
