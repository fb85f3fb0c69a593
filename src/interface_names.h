#ifndef SALLYPORT_SRC_INTERFACE_NAMES_H_
#define SALLYPORT_SRC_INTERFACE_NAMES_H_

// Names of network interfaces for events, remembered for a second: an index
// is asked for with every flow, a rename happens once in a boot. Any thread.

#include <cstdint>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace sallyport {

class InterfaceNames {
 public:
  std::string NameOf(uint32_t ifindex);  // "" if there is none

 private:
  static constexpr size_t kMaxNames = 1024;  // veths of many containers
  struct Entry {
    std::string name;
    absl::Time looked_up;
  };
  std::mutex mutex_;
  absl::flat_hash_map<uint32_t, Entry> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_INTERFACE_NAMES_H_
