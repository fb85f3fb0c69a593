#ifndef SALLYPORT_ENGINE_NFQUEUE_H_
#define SALLYPORT_ENGINE_NFQUEUE_H_

// Nfqueue: the real PacketQueue, one NFQUEUE of the network namespace it was
// opened in, over nfnetlink (net/netfilter/nfnetlink_queue.c). Owns its
// socket; the kernel ties the queue to that socket, so closing it gives up the
// queue and drops what waits in it.

#include <memory>

#include "absl/status/statusor.h"
#include "engine/divert.h"
#include "engine/packet_queue.h"

namespace sallyport {

struct NfqueueOptions {
  uint16_t number = 0;
  FailPosture on_failure = FailPosture::kClosed;
  SettleBy settle = SettleBy::kSecondChain;
  MarkBits marks;
  uint32_t max_length = 4096;  // packets the kernel keeps waiting
};

// Errors: PermissionDenied (CAP_NET_ADMIN), AlreadyExists (the number is taken;
// the message names the holder's portid), Unimplemented (kernel without
// nfnetlink_queue), Internal.
absl::StatusOr<std::unique_ptr<PacketQueue>> OpenNfqueue(
    const NfqueueOptions& options);

// Whether a verdict can write the ct mark (NFQA_CT), asked of the kernel by
// switching NFQA_CFG_F_CONNTRACK on and off on a free queue: without the
// ctnetlink glue it answers EOPNOTSUPP. Uses queue `number` for a moment.
absl::StatusOr<bool> ProbeConntrackAttribute(uint16_t number);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_NFQUEUE_H_
