#ifndef SALLYPORT_SRC_LOG_H_
#define SALLYPORT_SRC_LOG_H_

// What the daemon has to say about itself, on standard error: under systemd
// with the priority prefixes of sd-daemon(3), on a terminal as plain lines.
// Decisions about flows are not logged here (event_log.h). Any thread; one
// write per line; text from outside is to be escaped by the caller.

#include <string_view>

namespace sallyport {

enum class LogLevel { kError = 3, kWarning = 4, kInfo = 6 };

void Log(LogLevel level, std::string_view text);

inline void LogError(std::string_view text) { Log(LogLevel::kError, text); }
inline void LogWarning(std::string_view text) { Log(LogLevel::kWarning, text); }
inline void LogInfo(std::string_view text) { Log(LogLevel::kInfo, text); }

}  // namespace sallyport

#endif  // SALLYPORT_SRC_LOG_H_
