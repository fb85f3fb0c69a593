#ifndef SALLYPORT_SRC_EVENT_NOTICE_H_
#define SALLYPORT_SRC_EVENT_NOTICE_H_

// An event that is no flow: something that happened to the firewall itself.
// Made where it is found, handed to the event writer (event_writer.h), kept and
// shown beside the flows; only to those who may see everything. A plain value.

#include <cstdint>
#include <string>

namespace sallyport {

// What the history tells apart. The numbers stand in files.
enum class StoredKind : uint8_t {
  kFlow = 0,
  kRulesChanged = 1,  // a rule file, by another hand
  kChange = 2,        // a change that is or was to be confirmed
};

struct EventNotice {
  int64_t time_ns = 0;  // CLOCK_REALTIME
  StoredKind kind = StoredKind::kRulesChanged;
  std::string type;  // the event_type; a word of ours
  std::string text;  // one line for people; escaped
  std::string json;  // the EVENT
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_NOTICE_H_
