#ifndef SALLYPORT_SRC_HISTORY_SCHEMA_H_
#define SALLYPORT_SRC_HISTORY_SCHEMA_H_

// The tables of the history's file, by version:
//   1  violation, flow, budget
//   2  records have a kind and a hash; the table `chain` (history_chain.h)
// A file of an older version is brought to the newest in one transaction;
// its records stay as they are, without a hash. A newer one is refused (CASES
// F22). For whoever opens the file; one thread.

#include <cstdint>

#include "absl/status/status.h"
#include "src/sqlite_db.h"

namespace sallyport {

inline constexpr int64_t kHistorySchemaVersion = 2;
// The table of violations, then that of allowed flows.
inline constexpr const char* kHistoryTables[] = {"violation", "flow"};

// Makes the file one that this version writes. `now_ns` (CLOCK_REALTIME) is
// when its chains begin, if it has none yet. FailedPrecondition: of a newer
// version, or of another program; nothing was changed.
absl::Status PrepareHistorySchema(SqliteDb& db, int64_t now_ns);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HISTORY_SCHEMA_H_
