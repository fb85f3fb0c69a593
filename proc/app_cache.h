#ifndef SALLYPORT_PROC_APP_CACHE_H_
#define SALLYPORT_PROC_APP_CACHE_H_

// AppCache: apps as found behind /proc/PID/exe, one App per path and state of
// the file, with the hashes that were computed so far. Thread-safe. Apps are
// shared_ptr because events in flight name them after the cache let go.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "proc/proc_fs.h"
#include "rules/owner.h"

namespace sallyport::proc {

class AppCache {
 public:
  static constexpr size_t kMaxApps = 4096;
  static constexpr size_t kMaxHashes = 4096;

  explicit AppCache(ProcFs& fs) : fs_(fs) {}

  // The app behind `dir`/exe, of which `exe` was just read. Null if the
  // process is gone or has no executable (kernel threads, zombies).
  std::shared_ptr<const App> Get(ProcDir& dir, const FileStat& exe);

  // The same app with its SHA-256. Reads the file through `dir`, unless the
  // hash of this device, inode, ctime and size is known. Error: the process is
  // gone, runs another file by now, or the file is too large or changes.
  absl::StatusOr<std::shared_ptr<const App>> WithSha256(
      ProcDir& dir, const std::shared_ptr<const App>& app);

 private:
  using FileKey = std::pair<uint64_t, uint64_t>;  // device, inode
  struct AppKey {
    std::string path;
    FileKey file;
    int64_t ctime_ns;
    uint32_t link_count;
    bool operator==(const AppKey&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const AppKey& key) {
      return H::combine(std::move(state), key.path, key.file, key.ctime_ns,
                        key.link_count);
    }
  };
  struct HashKey {
    FileKey file;
    int64_t ctime_ns;
    int64_t size_bytes;
    bool operator==(const HashKey&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const HashKey& key) {
      return H::combine(std::move(state), key.file, key.ctime_ns,
                        key.size_bytes);
    }
  };
  static AppKey KeyOf(std::string_view path, const FileStat& exe);
  static HashKey HashKeyOf(const App& app);

  std::unique_ptr<App> Make(std::string_view path, bool is_memfd,
                            const FileStat& exe) const;
  std::shared_ptr<const App> Store(AppKey key, std::unique_ptr<App> app)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ProcFs& fs_;
  std::mutex mutex_;
  absl::flat_hash_map<AppKey, std::shared_ptr<const App>> apps_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<HashKey, std::string> hashes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_APP_CACHE_H_
