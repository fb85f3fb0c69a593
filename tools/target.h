#ifndef SALLYPORT_TOOLS_TARGET_H_
#define SALLYPORT_TOOLS_TARGET_H_

// What people type for an app and for a destination, made into what the API
// takes. Reads the file system and PATH, and resolves names; changes nothing.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport::cli {

struct AppName {
  std::string app;   // as a rule's `app`: rules/app_pattern.h
  std::string path;  // the executable, byte for byte; "" for any and globs
  std::string note;  // for the user, if `app` is not what was typed; or empty
};

// A file that exists is meant byte for byte, also if its name looks like a
// glob; else "any" and globs stay. A bare name is looked up in PATH, a relative
// path is made absolute, symbolic links are followed: a rule speaks of the
// executable the kernel runs, and /usr/bin/python3 is only a name for it. A
// path that does not exist stays, with a note. InvalidArgument: a bare name
// found nowhere.
absl::StatusOr<AppName> ResolveApp(std::string_view typed);

struct HostPort {
  std::string host;
  int port = -1;  // -1: none given
};

// "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53", "name:443".
absl::StatusOr<HostPort> ParseHostPort(std::string_view typed);

// The addresses of `host`: itself if it is one, else what the resolver says,
// each once. NotFound if the name has none.
absl::StatusOr<std::vector<std::string>> AddressesOf(const std::string& host);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_TARGET_H_
