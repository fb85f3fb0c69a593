#ifndef SALLYPORT_SRC_EVENT_JSON_H_
#define SALLYPORT_SRC_EVENT_JSON_H_

// One decision as one line of JSON, the EVENT of DESIGN.md "Control API".
// Written by hand into a string that the caller reuses, because it is done for
// every flow. Pure but for `interface_name`; any thread that may call that.
// What is absent is left out, never null; text from programs is escaped
// (src/escape.h) and cut at kMaxTextBytes (src/object_writer.h).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/decision_sink.h"
#include "src/object_writer.h"

namespace sallyport {

inline constexpr size_t kMaxOwnersShown = 16;

struct EventContext {
  // Name of the interface, "" if not known. May be left empty.
  std::function<std::string(uint32_t ifindex)> interface_name;
};

// Appends the object, without a newline.
void AppendEventJson(const DecisionRecord& record, const EventContext& context,
                     std::string* out);
std::string EventToJson(const DecisionRecord& record,
                        const EventContext& context);

// The line for people: `deny curl[123] uid 1000 -> TCP 192.0.2.1:443 (rule x)`.
std::string EventToText(const DecisionRecord& record);

// A number below 2^53 (exact in every JSON reader) that is the same for the
// same addresses, ports and protocol, on every machine and in every version.
uint64_t FlowId(const Flow& flow);

// A flow that was turned away, or would have been (modes monitor, learn).
bool IsViolation(const DecisionRecord& record);

// The process that decided; null if none was found.
const Process* DecisiveProcess(const DecisionRecord& record);
// Its app's path; "" if none was found.
std::string_view AppPathOf(const DecisionRecord& record);
// Its uid, else that of the socket: whose event it is (tiers of the API).
std::optional<uint32_t> UidOf(const DecisionRecord& record);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_EVENT_JSON_H_
