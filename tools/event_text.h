#ifndef SALLYPORT_TOOLS_EVENT_TEXT_H_
#define SALLYPORT_TOOLS_EVENT_TEXT_H_

// Events of the API (EVENT in DESIGN.md) as people read them. Pure functions.

#include <cstddef>
#include <string>
#include <string_view>

#include "tools/api_client.h"
#include "tools/text.h"

namespace sallyport::cli {

// One flow, in words; or a rule file that another hand has changed. Not
// escaped: Table and Fit do that.
struct EventRow {
  std::string time;     // local, 12:34:56.789
  std::string verdict;  // allow, deny, reject, would deny, would reject, rules
  Colour colour = Colour::kNone;
  std::string app;  // path, or kernel, or unknown (uid N); the rule file
  std::string pid;
  std::string user;
  std::string dest;   // 192.0.2.1:443, [2001:db8::1]:443, plus the name
  std::string proto;  // tcp
  std::string why;    // the rule's name, or the reason; what was changed
};

EventRow RowOf(const Json& event);

// No flow, but a word of the daemon: events left out, a change to confirm.
bool IsNotice(const Json& event);
std::string NoticeText(const Json& event);  // not escaped, as above
// A violation: turned away, or would have been.
bool IsViolation(const Json& event);
// The app's path is `app`, or `app` is empty.
bool IsOfApp(const Json& event, std::string_view app);

// An array of events as a table.
std::string EventTableText(const Json& events, bool colour);
// A line for followers: columns of fixed width, as nobody knows what comes.
std::string EventLine(const Json& event, bool colour);

// What an event has beyond its line, on lines of its own: the diff of a rule
// file. "" if nothing.
std::string EventDetails(const Json& event, bool colour);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_EVENT_TEXT_H_
