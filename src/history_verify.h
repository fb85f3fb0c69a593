#ifndef SALLYPORT_SRC_HISTORY_VERIFY_H_
#define SALLYPORT_SRC_HISTORY_VERIFY_H_

// Reads a history's file and says whether its chains (history_chain.h) are
// whole, or which record is the first that does not fit. Reads only, one record
// at a time, all of it as it stood at one moment; the writer goes on meanwhile.
// The file may be hostile. Any thread.
//
// What it proves: nobody changed, took out or put in a record without making
// all hashes after it anew. What it cannot: who may write the file can make
// the whole chain anew, or put an old copy in its place. That is found only by
// a head (the hash of the newest record) that was kept elsewhere, or by a
// daemon that has run since (`remembered`). What was pruned, and what is older
// than the chain, is not looked at.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/history_chain.h"

namespace sallyport {

// Of the violations, then of the allowed flows.
using HistoryHeads = std::array<ChainLink, 2>;

// The first place where a chain does not fit.
struct ChainBreak {
  enum class What : uint8_t {
    kChanged,   // a record, its hash, or the hash before it
    kMissing,   // between others, or before the oldest
    kCut,       // the newest are missing
    kInserted,  // where no record can be
    kReplaced,  // not the records that the daemon wrote
    kDamaged,   // the file cannot be read on
  };
  What what = What::kChanged;
  int64_t id = 0;       // of the record, or of the first that is missing
  int64_t last_id = 0;  // of the last one that is missing; else `id`
  int64_t time_ns = 0;  // of the record, or of the nearest; 0: not known
  std::string message;  // one line, with id and time; escaped
};

struct ChainReport {
  std::string name;       // "violations" or "allowed"
  int64_t records = 0;    // that fit, from the oldest on
  int64_t unchained = 0;  // older than the chain, without a hash
  int64_t pruned = 0;     // that the chain had and that were pruned since
  int64_t begun_ns = 0;   // when the chain began
  int64_t since_ns = 0;   // time of the oldest record; without one: begun_ns
  int64_t newest_ns = 0;  // time of the newest that fits; 0: none
  ChainLink anchor;       // as the file has it; as `head`
  ChainLink head;
  std::optional<ChainBreak> broken;
};

// One of the heads that were asked for.
struct HeadReport {
  Sha256Digest hash{};
  bool found = false;
  std::string chain;  // where it is
  int64_t id = 0;     // of the record that has this hash
};

struct HistoryReport {
  std::array<ChainReport, 2> chains;
  std::vector<HeadReport> heads;
  std::string notice;  // what History::notice() says; "" if nothing

  bool IsIntact() const;  // both chains, and all heads were found
};

struct VerifyOptions {
  std::vector<Sha256Digest> heads;         // to be found in either chain
  std::optional<HistoryHeads> remembered;  // heads that the writer committed
};

// Errors: NotFound (no such file), FailedPrecondition (of a newer version, of
// another program, or older than the chain), Unavailable (I/O). Damage is no
// error but a break.
absl::StatusOr<HistoryReport> VerifyHistory(const std::string& path,
                                            const VerifyOptions& options);

// RFC 3339; of any number, also one that somebody made up.
std::string RecordTimeText(int64_t time_ns);

// As the API answers (DESIGN, Control API).
std::string HistoryReportToJson(const HistoryReport& report);
std::string HistoryHeadsToJson(const HistoryHeads& heads);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_HISTORY_VERIFY_H_
