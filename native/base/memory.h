// Address space that costs nothing until it is touched. Per-OS: memory_linux.cc,
// memory_bsd.cc.
#ifndef MILLRACE_BASE_MEMORY_H_
#define MILLRACE_BASE_MEMORY_H_

#include <cstddef>

namespace millrace {

// Reserves `size` bytes of zeroed memory, committed page by page as it is touched.
// Small pages only: with a huge page one touched byte would cost 2 MB.
// Result: the address (page aligned), or nullptr when there is no address space.
void* ReserveMemory(size_t size);

// Undoes ReserveMemory.
void UnreserveMemory(void* address, size_t size);

// Gives the pages back to the system and keeps the addresses. The content is
// undefined afterwards (zero on Linux). Both ends must be page aligned.
void DecommitMemory(void* address, size_t size);

// An array of a fixed capacity whose pages are committed as they are touched, so
// that it never moves, never fails after the start and costs nothing while unused.
// T must be valid when all its bytes are zero.
template <typename T>
class ReservedArray {
 public:
  ReservedArray() = default;
  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;
  ~ReservedArray() {
    if (data_ != nullptr) UnreserveMemory(data_, capacity_ * sizeof(T));
  }

  // False when there is no address space left.
  bool Reserve(size_t capacity) {
    data_ = static_cast<T*>(ReserveMemory(capacity * sizeof(T)));
    capacity_ = data_ == nullptr ? 0 : capacity;
    return data_ != nullptr;
  }

  T& operator[](size_t index) { return data_[index]; }
  const T& operator[](size_t index) const { return data_[index]; }
  size_t capacity() const { return capacity_; }

 private:
  T* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_MEMORY_H_
