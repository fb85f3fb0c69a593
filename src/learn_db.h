#ifndef SALLYPORT_SRC_LEARN_DB_H_
#define SALLYPORT_SRC_LEARN_DB_H_

// LearnDb: what mode learn has seen, in an SQLite file of its own: it must not
// give way to events, which prune each other. A transaction is on the disk when
// Save returns. One thread at a time. Errors are those of SqliteDb.
//
// Here, and only here, `app` of a LearnedFlow is a path as the kernel gives it,
// any bytes, not the text of a rule.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rules/learned.h"
#include "src/sqlite_db.h"

namespace sallyport {

// Flows of an app that found no place, because it has too many destinations;
// with `app` empty and kByPath, flows of apps that found none at all.
struct LeftOut {
  std::string app;
  AppNaming naming = AppNaming::kByPath;
  uint64_t flows = 0;
  bool operator==(const LeftOut&) const = default;
};

struct LearnRows {
  std::vector<LearnedFlow> flows;
  std::vector<LeftOut> left_out;
};

class LearnDb {
 public:
  // Opens or makes the file.
  static absl::StatusOr<std::unique_ptr<LearnDb>> Open(const std::string& path);

  // The rows that make sense, at most `most_flows`.
  absl::StatusOr<LearnRows> Load(size_t most_flows);
  // Puts `rows` in the place of those they speak of: all or none.
  absl::Status Save(const LearnRows& rows);
  // Forgets `app`, or all ("").
  absl::Status Clear(std::string_view app);

 private:
  LearnDb() = default;
  absl::Status SaveRows(const LearnRows& rows);

  SqliteDb db_;
  SqliteStatement save_flow_;
  SqliteStatement save_left_out_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_LEARN_DB_H_
