// Any bytes as a datagram of sock_diag replies. The sequence number asked for
// is the first message's, so that messages are read and not passed over.

#include <cstring>

#include "proc/diag_message.h"

using namespace sallyport::proc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint32_t sequence = 0;
  if (size >= sizeof(nlmsghdr)) {
    std::memcpy(&sequence, data + offsetof(nlmsghdr, nlmsg_seq),
                sizeof(sequence));
  }
  DiagReader reader({data, size}, sequence);
  DiagMessage message;
  for (size_t count = 0; reader.Next(&message); ++count) {
    if (count > size) __builtin_trap();  // it must come to an end
  }
  return 0;
}
