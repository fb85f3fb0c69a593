#ifndef SALLYPORT_TESTS_SRC_EVENT_RECORDS_H_
#define SALLYPORT_TESTS_SRC_EVENT_RECORDS_H_

// Decisions for the tests of events.

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/decision_sink.h"

namespace sallyport::testing {

inline std::shared_ptr<Process> MakeProcess(std::string path, int32_t pid,
                                            uint32_t uid) {
  auto app = std::make_shared<App>();
  app->path = std::move(path);
  app->path_is_exe = true;
  auto process = std::make_shared<Process>();
  process->id = {pid, 777};
  process->uid = uid;
  process->app = std::move(app);
  return process;
}

inline void SetRuleName(std::string_view name, DecisionRecord* record) {
  std::memcpy(record->rule_name, name.data(), name.size());
  record->rule_name_length = static_cast<uint8_t>(name.size());
}

// TCP 192.0.2.1:40000 -> 198.51.100.7:443 of /usr/bin/curl[4242], uid 1000.
inline DecisionRecord MakeRecord(Verdict verdict = Verdict::kAllow) {
  DecisionRecord record;
  record.time_ns = 1'700'000'000'123'456'789;
  record.latency_ns = 52'300;
  record.flow.src = IpAddress::V4(0xc0000201);
  record.flow.dst = IpAddress::V4(0xc6336407);
  record.flow.src_port = 40000;
  record.flow.dst_port = 443;
  record.flow.protocol = kProtoTcp;
  record.decision.verdict = verdict;
  record.decision.judged = verdict;
  record.decision.reason = Reason::kRule;
  record.ownership.confidence = Confidence::kExact;
  record.ownership.owners.push_back(MakeProcess("/usr/bin/curl", 4242, 1000));
  SetRuleName("a-rule", &record);
  return record;
}

inline DecisionRecord MakeRecordOf(Verdict verdict, std::string path,
                                   uint32_t uid) {
  DecisionRecord record = MakeRecord(verdict);
  record.ownership.owners[0] = MakeProcess(std::move(path), 4242, uid);
  return record;
}

}  // namespace sallyport::testing

#endif  // SALLYPORT_TESTS_SRC_EVENT_RECORDS_H_
