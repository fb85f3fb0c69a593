// Any bytes as a datagram of a conntrack dump.

#include <libmnl/libmnl.h>

#include <vector>

#include "engine/netlink_conntrack.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);  // aligned, and no more
  const auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data());
  int left = static_cast<int>(size);
  for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
    ParseConntrackEntry(header);
  }
  return 0;
}
