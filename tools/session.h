#ifndef SALLYPORT_TOOLS_SESSION_H_
#define SALLYPORT_TOOLS_SESSION_H_

// What every verb of the CLI shares: the options that stand on all of them,
// the exit codes, and how an error is told. One thread.

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sallyport::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,       // refused by the daemon, or it went wrong here
  kUsage = 2,        // the command line makes no sense
  kUnreachable = 3,  // no daemon behind the socket
};

inline constexpr char kDefaultSocket[] = "/run/sallyport/api.sock";

struct Session {
  std::string socket_path = kDefaultSocket;
  bool json = false;
  bool colour = false;  // stdout is a terminal and nobody asked for none
  int exit_code = kDone;
};

// True if `fd` is a terminal that wants colour (https://no-color.org).
bool WantsColour(int fd);

// Prints `sallyport: MESSAGE` on stderr, escaped line by line, and returns the
// exit code that belongs to `status`. REQUIRES: !status.ok().
int Report(const absl::Status& status);

// What went wrong, without what to do about it.
std::string FirstLine(const absl::Status& status);

// A word on stderr that is no error.
void Note(std::string_view message);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_SESSION_H_
