// Any bytes as a datagram from the packet queue, and what it holds as a packet.

#include <libmnl/libmnl.h>

#include <vector>

#include "engine/packet.h"
#include "engine/queue_message.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);  // aligned, and no more
  const auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data());
  int left = static_cast<int>(size);
  for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
    QueuedPacket packet;
    if (!ParseQueuedPacket(header, &packet)) continue;
    Flow flow;
    ParsePacket(packet.bytes, packet.length, &flow);
  }
  return 0;
}
