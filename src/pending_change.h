#ifndef SALLYPORT_SRC_PENDING_CHANGE_H_
#define SALLYPORT_SRC_PENDING_CHANGE_H_

// PendingChange: a change that goes back by itself unless it is confirmed in
// time, as it stands in STATE/pending-change.json, in status and in events.
// Plain values and their texts; pure, any thread. Who keeps it is
// src/confirmation.h.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rules/verdict.h"
#include "src/event_notice.h"

namespace sallyport {

struct PendingChange {
  enum class Kind : uint8_t { kMode, kRules };

  Kind kind = Kind::kMode;
  std::string what;  // for people: "mode monitor -> enforce"
  // Of kMode.
  Mode mode_before = Mode::kMonitor;
  Mode mode_after = Mode::kMonitor;
  uint32_t asked_by_uid = 0;
  // Of which boot the deadline is a time.
  std::string boot_id;
  int64_t deadline_ns = 0;  // CLOCK_BOOTTIME
  bool operator==(const PendingChange&) const = default;
};

// One that waits now.
struct WaitingChange {
  PendingChange change;
  absl::Duration left;  // not negative; zero: it is going back
};

inline constexpr size_t kMaxPendingChangeBytes = 16 << 10;  // a few names

std::string PendingChangeText(const PendingChange& change);
absl::StatusOr<PendingChange> ParsePendingChange(std::string_view text);

enum class ChangeState : uint8_t { kApplied, kConfirmed, kRolledBack };
const char* ChangeStateName(ChangeState state);  // "applied" "confirmed" ...

// For people, and as an EVENT with event_type "change".
EventNotice NoticeOf(const PendingChange& change, ChangeState state,
                     std::string_view why, absl::Time now);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_PENDING_CHANGE_H_
