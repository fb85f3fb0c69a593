#include "engine/pending_packet.h"

#include <cstring>
#include <string>
#include <utility>

namespace sallyport {

DecisionRecord MakeRecord(const PendingPacket& packet,
                          const PolicySnapshot& policy,
                          const Judgement& judgement, Ownership&& ownership,
                          Stage stage) {
  DecisionRecord record;
  record.time_ns = packet.time_ns;
  record.flow = packet.flow;
  record.decision = judgement.decision;
  record.ownership = std::move(ownership);
  record.decisive_owner = judgement.decisive_owner;
  record.stage = stage;
  record.packet_bytes = packet.packet_bytes;
  if (judgement.decision.rule != kNoRule) {
    const std::string& name =
        policy.rules->rules()[judgement.decision.rule].name;
    const size_t length = std::min(name.size(), kMaxRuleNameBytes);
    memcpy(record.rule_name, name.data(), length);
    record.rule_name_length = static_cast<uint8_t>(length);
  }
  return record;
}

namespace {

// Mode monitor turns nothing away, whatever the reason. Mode learn does here
// as enforce does: where rules could not be asked, one may say no.
Judgement WithoutRule(const JudgeSettings& settings, Reason reason,
                      Verdict judged) {
  Judgement judgement;
  judgement.decision.judged = judged;
  judgement.decision.verdict =
      settings.mode == Mode::kMonitor ? Verdict::kAllow : judged;
  judgement.decision.reason = reason;
  judgement.decision.mode = settings.mode;
  return judgement;
}

}  // namespace

Judgement MalformedJudgement(const JudgeSettings& settings) {
  return WithoutRule(settings, Reason::kMalformed, Verdict::kDeny);
}

Judgement FailureJudgement(const JudgeSettings& settings, Verdict verdict) {
  return WithoutRule(settings, Reason::kFailure, verdict);
}

}  // namespace sallyport
