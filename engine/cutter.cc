#include "engine/cutter.h"

#include <optional>
#include <utility>

#include "engine/clock.h"
#include "engine/fact_lookup.h"
#include "engine/pending_packet.h"

namespace sallyport {
namespace {

struct Judged {
  Ownership ownership;
  Judgement judgement;
  int64_t started_ns = 0;
};

Judged JudgeFlow(Resolver& resolver, const PolicySnapshot& policy,
                 const Flow& flow) {
  Judged judged;
  judged.started_ns = MonotonicNs();
  resolver.ResolveSlow(flow, std::nullopt, &judged.ownership);
  judged.judgement = Judge(policy, flow, judged.ownership);
  if (judged.judgement.needs != 0) {
    LookUpFacts(judged.judgement.needs, resolver, &judged.ownership);
    judged.judgement = Judge(policy, flow, judged.ownership);
  }
  return judged;
}

DecisionRecord MakeFlowRecord(const Flow& flow, const PolicySnapshot& policy,
                              Judged&& judged) {
  // There is no packet, so nobody has a duty to answer it.
  PendingPacket packet{.duty = Duty(nullptr, nullptr, 0, 0), .flow = flow};
  packet.time_ns = RealtimeNs();
  DecisionRecord record = MakeRecord(packet, policy, judged.judgement,
                                     std::move(judged.ownership), Stage::kSlow);
  record.latency_ns = MonotonicNs() - judged.started_ns;
  return record;
}

// A closed TCP socket on its last exchange with the peer has no owner; to judge
// it would only keep the peer waiting. Other protocols have no such state:
// there nobody is a reason to have the next packet judged.
bool IsOrphan(const ConntrackEntry& entry, const Judged& judged) {
  return judged.ownership.confidence == Confidence::kNone &&
         entry.flow.protocol == kProtoTcp;
}

void DestroySocket(const CutterParts& parts, const Flow& flow,
                   CutReport* report) {
  switch (parts.destroyer.Destroy(flow)) {
    case DestroyResult::kDestroyed:
      ++report->destroyed;
      break;
    case DestroyResult::kUnsupported:
      report->destroy_unsupported = true;
      break;
    case DestroyResult::kNoSocket:
    case DestroyResult::kNotConnected:
    case DestroyResult::kFailed:
      break;  // without its entry, the next packet is judged anew
  }
}

// True if nothing more of the flow can leave without a new verdict.
bool DeleteEntry(Conntrack& conntrack, const ConntrackEntry& entry) {
  const absl::Status status = conntrack.Delete(entry);
  return status.ok() || absl::IsNotFound(status);
}

// The order matters. TCP: the socket first, while the entry still lets its RST
// pass, so that the peer learns of it; a dead socket sends nothing else. UDP:
// the entry first, since a disconnected socket can send again at once, and must
// then be judged anew.
bool Cut(const CutterParts& parts, const ConntrackEntry& entry,
         CutReport* report) {
  if (entry.flow.protocol == kProtoTcp) {
    DestroySocket(parts, entry.flow, report);
    return DeleteEntry(parts.conntrack, entry);
  }
  const bool deleted = DeleteEntry(parts.conntrack, entry);
  if (entry.flow.protocol == kProtoUdp) {
    DestroySocket(parts, entry.flow, report);
  }
  return deleted;
}

}  // namespace

absl::StatusOr<CutReport> Recheck(const CutterParts& parts,
                                  const MarkBits& marks,
                                  const PolicySnapshot& policy,
                                  std::stop_token stop, bool tell_undecided) {
  absl::StatusOr<ConntrackDump> dump =
      parts.conntrack.Dump(marks.mask, marks.allowed());
  if (!dump.ok()) return dump.status();
  CutReport report;
  report.truncated = dump->truncated;
  for (const ConntrackEntry& entry : dump->entries) {
    if (stop.stop_requested()) {
      report.truncated = true;
      break;
    }
    ++report.walked;
    Judged judged = JudgeFlow(parts.resolver, policy, entry.flow);
    if (judged.judgement.needs != 0) {
      // A file can't be read, which is the fail policy's business, or a rule
      // asks for the device, which the next packet tells: both are asked when
      // it comes.
      ++(DeleteEntry(parts.conntrack, entry) ? report.requeued : report.failed);
      continue;
    }
    if (judged.judgement.decision.verdict == Verdict::kAllow) {
      ++report.allowed;
      if (tell_undecided && !IsOrphan(entry, judged) &&
          judged.judgement.decision.rule == kNoRule) {
        parts.sink.OnDecision(
            MakeFlowRecord(entry.flow, policy, std::move(judged)));
      }
      continue;
    }
    if (IsOrphan(entry, judged)) {
      ++report.orphans;
      continue;
    }
    if (!Cut(parts, entry, &report)) {
      ++report.failed;
      continue;
    }
    ++report.cut;
    parts.sink.OnDecision(
        MakeFlowRecord(entry.flow, policy, std::move(judged)));
  }
  return report;
}

}  // namespace sallyport
