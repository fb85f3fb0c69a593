#include "proc/app_cache.h"

#include <array>
#include <cerrno>
#include <climits>

#include "proc/exe_hash.h"

namespace sallyport::proc {
namespace {

constexpr std::string_view kDeletedSuffix = " (deleted)";
constexpr std::string_view kMemfdPrefix = "/memfd:";

// The name in the link of a file without a name left has a suffix. A file may
// also be called so: then it still has a name (CASES A05).
std::string_view PathOf(std::string_view link, const FileStat& exe) {
  if (exe.link_count == 0 && link.ends_with(kDeletedSuffix)) {
    link.remove_suffix(kDeletedSuffix.size());
  }
  return link;
}

}  // namespace

AppCache::AppKey AppCache::KeyOf(std::string_view path, const FileStat& exe) {
  return {std::string(path),
          {exe.id.device, exe.id.inode},
          exe.ctime_ns,
          exe.link_count};
}

AppCache::HashKey AppCache::HashKeyOf(const App& app) {
  return {{app.exe.device, app.exe.inode}, app.ctime_ns, app.size_bytes};
}

std::unique_ptr<App> AppCache::Make(std::string_view path, bool is_memfd,
                                    const FileStat& exe) const {
  auto app = std::make_unique<App>();
  app->kind = is_memfd ? App::Kind::kMemfd : App::Kind::kFile;
  app->path = path;
  app->path_hash = HashAppPath(app->path);
  app->exe = exe.id;
  app->link_count = exe.link_count;
  app->ctime_ns = exe.ctime_ns;
  app->size_bytes = exe.size_bytes;
  FileStat named;
  app->path_is_exe = exe.link_count > 0 && app->path.starts_with('/') &&
                     fs_.StatPath(app->path.c_str(), &named) == 0 &&
                     named.id == exe.id;
  return app;
}

std::shared_ptr<const App> AppCache::Store(AppKey key,
                                           std::unique_ptr<App> app) {
  if (apps_.size() >= kMaxApps) {
    // Those that only we hold: their processes are gone.
    for (auto it = apps_.begin(); it != apps_.end();) {
      auto here = it++;
      if (here->second.use_count() == 1) apps_.erase(here);
    }
    if (apps_.size() >= kMaxApps) apps_.clear();
  }
  std::shared_ptr<const App> shared = std::move(app);
  apps_.insert_or_assign(std::move(key), shared);
  return shared;
}

std::shared_ptr<const App> AppCache::Get(ProcDir& dir, const FileStat& exe) {
  std::array<char, PATH_MAX> link;
  int length = dir.ReadLink("exe", link);
  if (length <= 0) return nullptr;
  std::string_view path =
      PathOf({link.data(), static_cast<size_t>(length)}, exe);
  AppKey key = KeyOf(path, exe);
  {
    std::lock_guard lock(mutex_);
    auto known = apps_.find(key);
    if (known != apps_.end()) return known->second;
  }
  // A name that no file system gives a file without a name: CASES A06.
  bool is_memfd = exe.link_count == 0 && path.starts_with(kMemfdPrefix);
  std::unique_ptr<App> app = Make(path, is_memfd, exe);
  std::lock_guard lock(mutex_);
  auto hash = hashes_.find(HashKeyOf(*app));
  if (hash != hashes_.end()) app->sha256 = hash->second;
  return Store(std::move(key), std::move(app));
}

absl::StatusOr<std::shared_ptr<const App>> AppCache::WithSha256(
    ProcDir& dir, const std::shared_ptr<const App>& app) {
  if (!app->sha256.empty()) return app;
  HashKey hash_key = HashKeyOf(*app);
  std::string sha256;
  {
    std::lock_guard lock(mutex_);
    auto known = hashes_.find(hash_key);
    if (known != hashes_.end()) sha256 = known->second;
  }
  if (sha256.empty()) {
    absl::StatusOr<std::string> computed = HashExe(dir, *app);
    if (!computed.ok()) return computed.status();
    sha256 = *std::move(computed);
  }
  auto hashed = std::make_unique<App>(*app);
  hashed->sha256 = sha256;
  FileStat exe;
  exe.id = app->exe;
  exe.ctime_ns = app->ctime_ns;
  exe.link_count = app->link_count;
  std::lock_guard lock(mutex_);
  if (hashes_.size() >= kMaxHashes) hashes_.clear();
  hashes_.insert_or_assign(hash_key, std::move(sha256));
  return Store(KeyOf(app->path, exe), std::move(hashed));
}

}  // namespace sallyport::proc
