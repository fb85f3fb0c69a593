#ifndef SALLYPORT_TESTS_ALLOCATION_COUNT_H_
#define SALLYPORT_TESTS_ALLOCATION_COUNT_H_

// How often the calling thread has called operator new so far: for tests of
// paths that must not allocate. (Replaces the global operators of the program
// it is linked into.)

#include <cstdint>

namespace sallyport::testing {

uint64_t AllocationsOfThisThread();

}  // namespace sallyport::testing

#endif  // SALLYPORT_TESTS_ALLOCATION_COUNT_H_
