#include "rules/owner.h"

#include "absl/hash/hash.h"
#include "rules/text_util.h"

namespace sallyport {

// Seeded per process, so nobody can choose paths that collide; it means
// nothing outside of this process.
uint64_t HashAppPath(std::string_view path) {
  return absl::HashOf(ToAbsl(path));
}

void Process::SetFacts(std::unique_ptr<const ProcessFacts> facts) const {
  const ProcessFacts* expected = nullptr;
  // release: whoever loads the pointer sees the facts. Nothing is read through
  // `expected`, so failure needs no order.
  if (facts_.compare_exchange_strong(expected, facts.get(),
                                     std::memory_order_release,
                                     std::memory_order_relaxed)) {
    facts.release();  // owned by *this from here on
  }
}

const char* ConfidenceName(Confidence confidence) {
  switch (confidence) {
    case Confidence::kNone:
      return "none";
    case Confidence::kExact:
      return "exact";
    case Confidence::kAmbiguous:
      return "ambiguous";
    case Confidence::kKernel:
      return "kernel";
  }
  return "none";
}

}  // namespace sallyport
