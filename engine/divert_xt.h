#ifndef SALLYPORT_ENGINE_DIVERT_XT_H_
#define SALLYPORT_ENGINE_DIVERT_XT_H_

// The two ways to say "queue" on the level of nf_tables expressions: nft's own
// `queue`, and xtables' NFQUEUE target (revision 3) as a compat expression, for
// kernels without CONFIG_NFT_QUEUE. Called with a socket of the caller's.

#include "absl/status/status.h"
#include "engine/divert.h"
#include "engine/nft_socket.h"

namespace sallyport {

// Asks the kernel by a transaction that is checked and thrown away. Unavailable
// ones are Unimplemented, with the kernel option and module to load.
// REQUIRES: how is kNative or kXt.
absl::Status ProbeQueueExpression(NftSocket& socket, QueueExpression how);

// Puts the queue rules in front of what is in chains `ask` and `canary`, in one
// transaction. REQUIRES: the table is there (BuildRuleset with kXt).
absl::Status AddXtQueueRules(NftSocket& socket, const DivertOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_DIVERT_XT_H_
