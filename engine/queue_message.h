#ifndef SALLYPORT_ENGINE_QUEUE_MESSAGE_H_
#define SALLYPORT_ENGINE_QUEUE_MESSAGE_H_

// A packet as the kernel writes it into a message (nfnetlink_queue.c,
// nfqnl_build_packet_message). Pure; any message that mnl_nlmsg_ok takes may
// be given (fuzzed by tests/fuzz/netlink_queue_fuzz.cc).

#include <linux/netlink.h>

#include "engine/packet_queue.h"

namespace sallyport {

// False if the message is no packet. A packet whose attributes are odd is
// still one: it has an id that wants an answer. `packet` borrows from the
// message.
bool ParseQueuedPacket(const nlmsghdr* message, QueuedPacket* packet);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_QUEUE_MESSAGE_H_
