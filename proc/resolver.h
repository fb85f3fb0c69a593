#ifndef SALLYPORT_PROC_RESOLVER_H_
#define SALLYPORT_PROC_RESOLVER_H_

// Resolver: from a flow to the processes that hold its socket. One Resolver
// per thread (it owns a sock_diag socket and its hints); the ProcessTable
// behind it is shared and thread-safe. (Members are the implementer's.)

#include <cstdint>
#include <memory>
#include <optional>

#include "rules/flow.h"
#include "rules/owner.h"

namespace sallyport {

class ProcessTable;
class SocketLookup;
class ProcFs;

enum class ResolveStatus : uint8_t {
  kDone,      // `ownership` is the answer (also confidence none or kernel)
  kNeedSlow,  // not to be had within the fast budget: ask in the slow lane
};

class Resolver {
 public:
  virtual ~Resolver() = default;

  // Packet path. Bounded work, no waiting; `packet_uid` is NFQA_UID if the
  // kernel gave one.
  virtual ResolveStatus ResolveFast(const Flow& flow,
                                    std::optional<uint32_t> packet_uid,
                                    Ownership* ownership) = 0;

  // Slow lane. Scans within the deadline, then answers with what it has.
  virtual void ResolveSlow(const Flow& flow, std::optional<uint32_t> packet_uid,
                           Ownership* ownership) = 0;

  // Slow lane. Returns `process` with its app's SHA-256 filled in (a new
  // Process and App), or as it was if the file can't be read.
  virtual std::shared_ptr<const Process> WithSha256(
      std::shared_ptr<const Process> process) = 0;

  // Slow lane, after the verdict. Reads what events show (ProcessFacts).
  virtual void Describe(const Process& process) = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_RESOLVER_H_
