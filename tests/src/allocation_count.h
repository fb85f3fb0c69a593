#ifndef SALLYPORT_TESTS_SRC_ALLOCATION_COUNT_H_
#define SALLYPORT_TESTS_SRC_ALLOCATION_COUNT_H_

// How often the calling thread has called operator new so far: for tests of
// paths that must not allocate. (Replaces the global operators of src_test.)

#include <cstdint>

namespace sallyport::testing {

uint64_t AllocationsOfThisThread();

}  // namespace sallyport::testing

#endif  // SALLYPORT_TESTS_SRC_ALLOCATION_COUNT_H_
