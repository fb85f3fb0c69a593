#ifndef SALLYPORT_SRC_STATS_H_
#define SALLYPORT_SRC_STATS_H_

// Stats: what was decided since the start, in bounded memory. Count is called
// by the event writer, Snapshot by any thread; one lock guards all. Records
// that the event ring dropped are not in the counts: their number is told
// beside (`dropped_events`).

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "engine/decision_sink.h"
#include "src/latency_histogram.h"

namespace sallyport {

inline constexpr size_t kVerdicts = 3;  // indexed by Verdict
inline constexpr size_t kReasons = 8;   // indexed by Reason
inline constexpr size_t kStages = 2;    // indexed by Stage
static_assert(kReasons == static_cast<size_t>(Reason::kFailure) + 1);

struct FlowCounts {
  std::array<uint64_t, kVerdicts> by_verdict{};
  std::array<uint64_t, kStages> by_stage{};
  uint64_t would_deny = 0;
  int64_t last_ns = 0;  // CLOCK_REALTIME of the newest
  uint64_t total() const;
  void Add(const DecisionRecord& record);
  void Add(const FlowCounts& other);
};

struct AppCounts {
  std::string path;             // bytes as the kernel gives them; "": nobody
  std::optional<uint32_t> uid;  // counted apart, because shown apart
  FlowCounts flows;
};

struct StatsSnapshot {
  FlowCounts total;
  std::array<std::array<uint64_t, kReasons>, kVerdicts> by_reason{};
  uint64_t unattributed = 0;  // no owner was found
  uint64_t malformed = 0;
  LatencyHistogram latency;
  std::vector<AppCounts> apps;  // most flows first
  FlowCounts others;            // apps that found no place in the table
  // Not Stats' own: for the caller to fill in (EventRing::dropped()).
  uint64_t dropped_events = 0;
};

class Stats {
 public:
  static constexpr size_t kMaxApps = 4096;          // (path, uid) pairs
  static constexpr size_t kMaxPathBytes = 1 << 20;  // of all apps together

  void Count(const DecisionRecord& record);
  StatsSnapshot Snapshot() const;

 private:
  struct Key {
    std::string path;
    std::optional<uint32_t> uid;
  };
  struct KeyView {
    std::string_view path;
    std::optional<uint32_t> uid;
  };
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const Key& key) const;
    size_t operator()(const KeyView& key) const;
  };
  struct KeyEqual {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.uid == b.uid && a.path == b.path;
    }
  };

  FlowCounts* CountsOf(const KeyView& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  StatsSnapshot totals_ ABSL_GUARDED_BY(mutex_);  // its `apps` stays empty
  absl::flat_hash_map<Key, FlowCounts, KeyHash, KeyEqual> apps_
      ABSL_GUARDED_BY(mutex_);
  size_t path_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// What of a snapshot to show.
struct StatsFilter {
  std::string app;              // "": every app. Raw or escaped path.
  std::optional<uint32_t> uid;  // only this user's flows
};

// The answer of GET /v1/stats. With a filter, `flows`, `would_deny`,
// `by_stage` and `apps` speak of what it lets through; with `uid` set, what
// tells of other users' flows is left out.
std::string StatsToJson(const StatsSnapshot& snapshot,
                        const StatsFilter& filter);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_STATS_H_
