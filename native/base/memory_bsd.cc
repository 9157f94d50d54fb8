// Reserved memory on macOS and the BSDs.
#include <sys/mman.h>

#include "base/memory.h"

namespace millrace {

void* ReserveMemory(size_t size) {
#ifdef MAP_NORESERVE
  constexpr int kFlags = MAP_PRIVATE | MAP_ANON | MAP_NORESERVE;
#else
  constexpr int kFlags = MAP_PRIVATE | MAP_ANON;
#endif
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

void UnreserveMemory(void* address, size_t size) { munmap(address, size); }

void DecommitMemory(void* address, size_t size) {
  // MADV_DONTNEED is only a hint here and keeps the pages; MADV_FREE lets the
  // system take them when it wants memory.
  madvise(address, size, MADV_FREE);
}

}  // namespace millrace
