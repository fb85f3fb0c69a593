#include "tools/session.h"

#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {

bool WantsColour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term) == "dumb") return false;
  return isatty(fd) == 1;
}

int Report(const absl::Status& status) {
  assert(!status.ok());
  constexpr char kPrefix[] = "sallyport: ";
  std::fprintf(stderr, "%s%s\n", kPrefix,
               EscapeLines(MessageOf(status), sizeof(kPrefix) - 1).c_str());
  return absl::IsUnavailable(status) ? kUnreachable : kFailed;
}

std::string FirstLine(const absl::Status& status) {
  const std::string message = MessageOf(status);
  return message.substr(0, message.find('\n'));
}

void Note(std::string_view message) {
  std::fprintf(stderr, "sallyport: %s\n", EscapeForTerminal(message).c_str());
}

}  // namespace sallyport::cli
