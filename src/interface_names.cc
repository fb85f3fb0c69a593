#include "src/interface_names.h"

#include <net/if.h>

#include "absl/time/clock.h"

namespace sallyport {

std::string InterfaceNames::NameOf(uint32_t ifindex) {
  if (ifindex == 0) return "";
  const absl::Time now = absl::Now();
  std::lock_guard lock(mutex_);
  if (names_.size() >= kMaxNames) names_.clear();
  Entry& entry = names_[ifindex];
  if (now - entry.looked_up > absl::Seconds(1)) {
    char name[IF_NAMESIZE];
    entry.name = if_indextoname(ifindex, name) == nullptr ? "" : name;
    entry.looked_up = now;
  }
  return entry.name;
}

}  // namespace sallyport
