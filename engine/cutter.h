#ifndef SALLYPORT_ENGINE_CUTTER_H_
#define SALLYPORT_ENGINE_CUTTER_H_

// Cutter: after a change of rules or mode, judges the flows that were allowed
// before and ends those that are not any more (CASES B05). Runs on a thread
// that may take its time: it resolves like the slow lane. Call it after the new
// policy is the one that workers judge by (RuleTable::Synchronize), else a
// worker could allow anew what is being cut.
//
// Only flows with our allowed bit in their ct mark are looked at: those left
// from here by a verdict. What is cut gets a DecisionRecord (stage slow), and,
// if asked for, what is still allowed though no rule speaks of it: mode learn
// begins with flows that were there before it.

#include <cstddef>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/conntrack.h"
#include "engine/decision_sink.h"
#include "engine/divert.h"
#include "engine/socket_destroy.h"
#include "proc/resolver.h"
#include "rules/judge.h"

namespace sallyport {

struct CutReport {
  size_t walked = 0;     // entries with our bit
  size_t allowed = 0;    // still allowed, also would-deny
  size_t orphans = 0;    // nobody's any more: left to the kernel
  size_t cut = 0;        // entries deleted: their next packet is judged anew
  size_t destroyed = 0;  // of these: sockets ended as well
  size_t requeued = 0;   // no decision to be had: entry deleted, socket left
  size_t failed = 0;     // could be neither destroyed nor deleted
  bool destroy_unsupported = false;  // the kernel cannot end TCP/UDP sockets
  bool truncated = false;  // more than kMaxConntrackEntries, or stopped
};

// What Recheck works with; nothing is owned.
struct CutterParts {
  Conntrack& conntrack;
  SocketDestroyer& destroyer;
  Resolver& resolver;
  DecisionSink& sink;
};

// Errors: those of Conntrack::Dump; a flow that resists is counted, not an
// error.
absl::StatusOr<CutReport> Recheck(const CutterParts& parts,
                                  const MarkBits& marks,
                                  const PolicySnapshot& policy,
                                  std::stop_token stop = {},
                                  bool tell_undecided = false);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_CUTTER_H_
