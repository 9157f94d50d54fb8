// Reserved memory on Linux.
#include <sys/mman.h>

#include "base/memory.h"

namespace millrace {

void* ReserveMemory(size_t size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  // Fails with EINVAL on kernels without huge pages, which is as good.
  madvise(address, size, MADV_NOHUGEPAGE);
  // A core dump holds what was touched; a fork shares it copy-on-write as usual.
  return address;
}

void UnreserveMemory(void* address, size_t size) { munmap(address, size); }

void DecommitMemory(void* address, size_t size) {
  // MADV_DONTNEED and not MADV_FREE: resident memory falls at once, so that what a
  // monitor shows is what we use.
  madvise(address, size, MADV_DONTNEED);
}

}  // namespace millrace
