#ifndef SALLYPORT_TOOLS_CALL_H_
#define SALLYPORT_TOOLS_CALL_H_

// One API call and its answer on stdout: what most verbs are. Also the small
// readers of JSON that take an absent or mistyped field for an empty one, since
// an older or newer daemon may leave fields out. One thread.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tools/api_client.h"
#include "tools/session.h"

namespace sallyport::cli {

struct Request {
  std::string_view method;
  std::string path;
  std::string body;  // empty: none
};

// Sends `request`. Prints the answer as it came under --json, else calls
// `human` with it. Returns the exit code.
int RunCall(const Session& session, const Request& request,
            const std::function<void(const Json&)>& human);

// The answer to a call, for verbs that need several; errors are reported.
// Returns the exit code; `answer` is set if that is kDone.
int Fetch(const Session& session, const Request& request, Json* answer);

// One JSON value on a line of its own. On a terminal non-ASCII is escaped: raw
// JSON may hold bidi overrides.
void PrintJson(const Json& json);

// Fields by JSON pointer ("/verdict/rule").
std::string TextAt(const Json& json, const std::string& pointer);
double NumberAt(const Json& json, const std::string& pointer,
                double otherwise = 0);
bool BoolAt(const Json& json, const std::string& pointer,
            bool otherwise = false);
bool HasAt(const Json& json, const std::string& pointer);
// An array of texts and numbers as "a, b"; "" if it is absent.
std::string ListAt(const Json& json, const std::string& pointer);
const Json& ArrayAt(const Json& json, const std::string& pointer);

// 1234567 -> "1,234,567".
std::string Grouped(double number);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CALL_H_
