#ifndef SALLYPORT_ENGINE_PENDING_PACKET_H_
#define SALLYPORT_ENGINE_PENDING_PACKET_H_

// A packet on its way to a verdict, and the record of its decision. Made by a
// worker; may move on to the slow lane with all that is known so far.

#include <cstdint>
#include <optional>

#include "engine/decision_sink.h"
#include "engine/duty.h"
#include "rules/flow.h"
#include "rules/judge.h"
#include "rules/owner.h"

namespace sallyport {

struct PendingPacket {
  Duty duty;
  Flow flow;
  std::optional<uint32_t> uid;  // NFQA_UID
  uint32_t packet_bytes = 0;
  int64_t time_ns = 0;      // CLOCK_REALTIME at receive
  int64_t received_ns = 0;  // CLOCK_MONOTONIC at receive
};

// The record for `decision` of a packet, without its latency. The rule's name
// is copied from `policy`.
DecisionRecord MakeRecord(const PendingPacket& packet,
                          const PolicySnapshot& policy,
                          const Judgement& judgement, Ownership&& ownership,
                          Stage stage);

// The decision for a packet that could not be parsed.
Judgement MalformedJudgement(const JudgeSettings& settings);

// The decision for a packet we failed; `verdict` as FailPolicy said.
Judgement FailureJudgement(const JudgeSettings& settings, Verdict verdict);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_PENDING_PACKET_H_
