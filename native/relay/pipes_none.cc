// Where no call moves bytes between sockets through a pipe: everybody copies. kqueue
// systems have sendfile(2), which takes files only.
#include <cerrno>

#include "relay/pipes.h"

namespace millrace {

const bool Pipes::kSupported = false;

Pipes::~Pipes() = default;

bool Pipes::Take(Pipe*, double) { return false; }

void Pipes::Give(Pipe*) {}

void Pipes::Drop(Pipe*) {}

int Pipes::Fill(const Pipe&, int, size_t) { return -ENOSYS; }

int Pipes::Drain(const Pipe&, int, size_t) { return -ENOSYS; }

}  // namespace millrace
