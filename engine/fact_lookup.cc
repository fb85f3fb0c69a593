#include "engine/fact_lookup.h"

#include <utility>

namespace sallyport {

void LookUpFacts(Needs needs, Resolver& resolver, Ownership* ownership) {
  if ((needs & kNeedsSha256) == 0) return;
  for (auto& owner : ownership->owners) {
    owner = resolver.WithSha256(std::move(owner));
  }
}

}  // namespace sallyport
