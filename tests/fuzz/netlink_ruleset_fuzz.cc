// Any bytes as a datagram of changes of the ruleset.

#include <vector>

#include "engine/ruleset_guard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<char> bytes(data, data + size);  // aligned, and no more
  sallyport::TouchesOurTable(bytes);
  return 0;
}
