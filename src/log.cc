#include "src/log.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace sallyport {

void Log(LogLevel level, std::string_view text) {
  static const bool for_journal = getenv("JOURNAL_STREAM") != nullptr;
  std::string line;
  if (for_journal) {
    line += '<';
    line += static_cast<char>('0' + static_cast<int>(level));
    line += '>';
  } else {
    line += "sallyportd: ";
    if (level == LogLevel::kError) line += "error: ";
    if (level == LogLevel::kWarning) line += "warning: ";
  }
  line += text;
  line += '\n';
  // Nobody to tell if standard error is gone.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sallyport
