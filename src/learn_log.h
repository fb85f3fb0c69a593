#ifndef SALLYPORT_SRC_LEARN_LOG_H_
#define SALLYPORT_SRC_LEARN_LOG_H_

// LearnLog: what apps did in mode learn that no rule spoke of, in bounded
// memory and in STATE/learned.db, from which it comes back after a restart.
// Record, SaveIfDue and Save belong to the event writer (Save also to whoever
// has stopped it); Snapshot and Clear to any thread. What finds no place is
// counted and told, never lost in silence.
//
// The file is never a reason to stop: while it cannot be opened or written,
// what is learned stays in memory, Snapshot tells why, and every save tries
// again. A crash loses at most the last kSaveInterval, a clean stop nothing.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/decision_sink.h"
#include "src/learn_db.h"

namespace sallyport {

struct LearnLimits {
  size_t apps = 1024;  // more programs than a machine has that connect
  // Of one app, as LearnedFlow counts: a browser's month.
  size_t flows_per_app = 1024;
  size_t flows = 65'536;
  size_t bytes = size_t{16} << 20;  // texts, and kFlowBytes for each flow
};

struct LearnSnapshot {
  // Sorted by app, naming, destination, protocol, port, user.
  std::vector<LearnedFlow> flows;
  std::vector<LeftOut> left_out;  // see LearnDb
  absl::Status saved;             // why it is not on the disk now
  std::string notice;             // a damaged file was moved aside; or ""
};

class LearnLog {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kSaveInterval{1};
  static constexpr std::chrono::seconds kRetryInterval{5};  // after a failure

  explicit LearnLog(std::string path, LearnLimits limits = {});
  ~LearnLog();
  LearnLog(const LearnLog&) = delete;
  LearnLog& operator=(const LearnLog&) = delete;

  // Takes what is to be learned of `record`: a flow that mode learn let
  // through and no rule spoke of. Of a socket that several apps hold, each has
  // to be allowed, so each is recorded.
  void Record(const DecisionRecord& record);

  // Saves if something is new and the last time was long enough ago.
  void SaveIfDue(Clock::time_point now);
  // True: something is new; SaveIfDue wants to be called again.
  bool unsaved() const;
  absl::Status Save();

  LearnSnapshot Snapshot() const;

  // Forgets what was learned of `app` (text of a rule, or a path), or all (""):
  // first on the disk, then in memory. On an error nothing is forgotten.
  absl::Status Clear(std::string_view app);

 private:
  struct AppKey {
    std::string path;  // as the kernel gives it
    AppNaming naming;
  };
  struct AppView {
    std::string_view path;
    AppNaming naming;
  };
  struct AppHash {
    using is_transparent = void;
    size_t operator()(const AppKey& key) const;
    size_t operator()(const AppView& key) const;
  };
  struct AppEqual {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.naming == b.naming && a.path == b.path;
    }
  };
  // What tells LearnedFlows of one app apart.
  struct FlowKey {
    std::string name;
    IpAddress address;  // zero if there is a name
    uint8_t protocol = 0;
    uint16_t port = 0;
    std::optional<uint32_t> uid;
    bool operator==(const FlowKey&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const FlowKey& key) {
      return H::combine(std::move(hash), key.name, key.address.bytes,
                        key.protocol, key.port, key.uid);
    }
  };
  struct Seen {
    IpAddress address;  // the last
    uint64_t count = 0;
    uint64_t shared = 0;
    int64_t first_ns = 0;
    int64_t last_ns = 0;
    bool is_new = true;  // since the last save
  };
  struct AppFlows {
    absl::flat_hash_map<FlowKey, Seen> flows;
    uint64_t left_out = 0;
    bool left_out_is_new = false;
  };

  // What one owner of the socket is called.
  static AppView ViewOf(const Process& owner);
  void AddLocked(const AppView& app, const FlowKey& key, const Seen& seen)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AppFlows* AppOfLocked(const AppView& app)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static LearnedFlow ToFlow(const std::string& app, AppNaming naming,
                            const FlowKey& key, const Seen& seen);
  void MergeLocked(const LearnRows& rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LearnRows TakeNewLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkAllNewLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLocked(std::string_view path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The paths that are `app` in a rule.
  std::vector<std::string> PathsOf(std::string_view app) const;
  // Opens the file if need be, and takes in what it holds.
  absl::Status ConnectLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mutex_);
  absl::Status ConnectOnceLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mutex_);
  absl::Status ClearLocked(std::string_view app)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mutex_);
  // Ends the connection after `why`; a damaged file makes place for a new one.
  void DisconnectLocked(const absl::Status& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mutex_);
  absl::Status Remember(absl::Status status);

  // Constant after construction.
  const std::string path_;
  const LearnLimits limits_;

  // Held while the disk is waited for; taken before mutex_.
  std::mutex db_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::unique_ptr<LearnDb> db_ ABSL_GUARDED_BY(db_mutex_);
  bool loaded_ ABSL_GUARDED_BY(db_mutex_) = false;
  int moved_aside_ ABSL_GUARDED_BY(db_mutex_) = 0;

  mutable std::mutex mutex_;
  absl::flat_hash_map<AppKey, AppFlows, AppHash, AppEqual> apps_
      ABSL_GUARDED_BY(mutex_);
  size_t flow_count_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;  // of apps not in apps_
  bool left_out_is_new_ ABSL_GUARDED_BY(mutex_) = false;
  bool unsaved_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status saved_ ABSL_GUARDED_BY(mutex_);
  std::string notice_ ABSL_GUARDED_BY(mutex_);

  Clock::time_point next_save_{};  // the writer's own
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_LEARN_LOG_H_
