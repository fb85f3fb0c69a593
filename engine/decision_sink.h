#ifndef SALLYPORT_ENGINE_DECISION_SINK_H_
#define SALLYPORT_ENGINE_DECISION_SINK_H_

// Where decisions go once they were answered. The real one is src/event_ring.
// Called by workers and the slow lane, from several threads at once; must not
// wait, lock or allocate.

#include <cstdint>

#include "rules/flow.h"
#include "rules/owner.h"
#include "rules/rule.h"
#include "rules/verdict.h"

namespace sallyport {

enum class Stage : uint8_t { kQueue, kSlow };  // where it was judged

struct DecisionRecord {
  int64_t time_ns = 0;     // CLOCK_REALTIME when the packet was received
  int64_t latency_ns = 0;  // from receive to verdict sent
  Flow flow;
  Decision decision;
  Ownership ownership;
  // The rule's name, copied: the RuleSet may be gone when this is shown.
  char rule_name[kMaxRuleNameBytes] = {};  // "" if no rule; NUL-padded
  uint8_t rule_name_length = 0;
  uint8_t decisive_owner = 0;
  Stage stage = Stage::kQueue;
  uint32_t packet_bytes = 0;
};

class DecisionSink {
 public:
  virtual ~DecisionSink() = default;
  virtual void OnDecision(DecisionRecord&& record) = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_DECISION_SINK_H_
