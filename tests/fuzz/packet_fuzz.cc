// Any bytes as a packet, with a real length that may be larger than what was
// captured: the first two bytes of the input say by how much.

#include <cstddef>
#include <cstdint>

#include "engine/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint32_t more = static_cast<uint32_t>(data[0] << 8 | data[1]);
  const auto bytes = std::span(data + 2, size - 2);
  sallyport::Flow flow;
  const auto length = static_cast<uint32_t>(bytes.size()) + more;
  if (sallyport::ParsePacket(bytes, length, &flow) ==
          sallyport::ParseStatus::kOk &&
      !flow.HasPorts() && flow.dst_port != 0) {
    __builtin_trap();  // only protocols with ports have a destination port
  }
  return 0;
}
