#include "tests/src/allocation_count.h"

#include <stdlib.h>

#include <new>

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

// Counting is all that differs from the library's own; the array forms end
// here too.
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = malloc(bytes != 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return malloc(bytes != 0 ? bytes : 1);
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  free(memory);
}

namespace sallyport::testing {

uint64_t AllocationsOfThisThread() { return allocations; }

}  // namespace sallyport::testing
