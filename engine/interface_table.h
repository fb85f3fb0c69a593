#ifndef SALLYPORT_ENGINE_INTERFACE_TABLE_H_
#define SALLYPORT_ENGINE_INTERFACE_TABLE_H_

// InterfaceTable: from an interface index to the device as rules name it. Find
// is for workers: wait-free, never asks the kernel. LookUp asks the kernel
// (rtnetlink) where need be and remembers; slow lane and control side. Any
// thread may call either. What was looked up counts for kMaxAgeNs: a device can
// get another name while it is up.
//
// Devices that were handed out live as long as the table, since packets in
// flight point to them.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "rules/flow.h"

namespace sallyport {

// The kernel surface: RTM_GETLINK. For tests there is a fake. Any thread.
class LinkLookup {
 public:
  virtual ~LinkLookup() = default;
  // False if there is no such device.
  virtual bool Get(uint32_t ifindex, NetInterface* device) = 0;
};
std::unique_ptr<LinkLookup> OpenLinkLookup();

class InterfaceTable {
 public:
  // Names that devices ever had while a rule asked for them. Beyond it nothing
  // new is known: rules that ask for a device then do not match.
  static constexpr size_t kMaxDevices = 4096;
  static constexpr int64_t kMaxAgeNs = 1'000'000'000;

  // `links` is not owned.
  explicit InterfaceTable(LinkLookup& links) : links_(links) {}
  InterfaceTable(const InterfaceTable&) = delete;
  InterfaceTable& operator=(const InterfaceTable&) = delete;

  // Null: not known, or not recently enough. `now_ns` is MonotonicNs.
  const NetInterface* Find(uint32_t ifindex, int64_t now_ns) const;
  // Null: there is no such device.
  const NetInterface* LookUp(uint32_t ifindex, int64_t now_ns)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Direct-mapped: two devices of one slot push each other out, which costs a
  // lookup, nothing more.
  static constexpr size_t kSlots = 256;
  struct Device {
    Device(uint32_t index, NetInterface found)
        : ifindex(index), interface(std::move(found)) {}
    const uint32_t ifindex;
    const NetInterface interface;
    mutable std::atomic<int64_t> looked_up_ns{0};
  };

  LinkLookup& links_;
  // release/acquire: who sees the pointer sees the device behind it.
  std::array<std::atomic<const Device*>, kSlots> slots_ = {};
  std::mutex mutex_;
  std::deque<Device> devices_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_INTERFACE_TABLE_H_
