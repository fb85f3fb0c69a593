#ifndef SALLYPORT_RULES_APP_INDEX_H_
#define SALLYPORT_RULES_APP_INDEX_H_

// From an app to the buckets of rules that speak of it: one for its path, one
// per glob that matches it, one for "any". Part of RuleSet: built once, then
// constant; reading takes no lock and allocates nothing.
//
// A path is found by its hash and verified by its bytes. A glob is found by the
// literal text that it begins with: only lengths that occur are tried, so apps
// that share no beginning with a glob do not pay for it.

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "rules/app_pattern.h"
#include "rules/owner.h"

namespace sallyport {

class AppIndex {
 public:
  static constexpr uint32_t kNoBucket = UINT32_MAX;
  static constexpr uint32_t kAnyBucket = 0;

  // The bucket for rules of this pattern, made if it is new. Equal patterns
  // share one. `text` is the rule's app field.
  uint32_t Add(std::string_view text, const AppPattern& pattern);
  // No Add after it.
  void Finish();
  uint32_t bucket_count() const { return bucket_count_; }

  // Calls use(bucket) for each bucket that `app` (null: nobody was found) falls
  // into, the most specific kind first.
  template <typename Use>
  void ForEachBucket(const App* app, Use use) const {
    if (app != nullptr) {
      const uint32_t exact = FindPath(*app);
      if (exact != kNoBucket) use(exact);
      if (!globs_.empty()) ForEachGlob(app->path, use);
    }
    use(kAnyBucket);
  }

 private:
  struct Path {
    uint32_t bucket;
    uint32_t next;   // in more_paths_: another path of the same hash
    uint32_t begin;  // in path_bytes_
    uint32_t length;
  };
  struct Glob {
    AppPattern pattern;
    uint32_t bucket;
    uint32_t next;  // in globs_: another glob with the same beginning
  };

  // FNV-1a, extended byte by byte along a path. A collision costs a vain
  // Matches, nothing more.
  static constexpr uint64_t kPrefixSeed = 0xcbf29ce484222325;
  static uint64_t Extend(uint64_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }

  uint32_t AddPath(const std::string& path);
  uint32_t FindPath(const App& app) const;
  uint32_t FindPath(uint64_t hash, std::string_view path) const;

  template <typename Use>
  void ForEachGlob(std::string_view path, Use use) const {
    uint64_t hash = kPrefixSeed;
    const size_t end = std::min(path.size(), longest_prefix_);
    for (size_t i = 0; i < end; ++i) {
      hash = Extend(hash, path[i]);
      if (!prefix_lengths_[i + 1]) continue;
      const auto first = glob_by_prefix_.find(hash);
      if (first == glob_by_prefix_.end()) continue;
      for (uint32_t g = first->second; g != kNoBucket; g = globs_[g].next) {
        if (globs_[g].pattern.Matches(path)) use(globs_[g].bucket);
      }
    }
  }

  uint32_t bucket_count_ = 1;  // kAnyBucket is always there
  // By HashAppPath. All bytes in one string: a lookup touches them only to
  // verify what it found.
  absl::flat_hash_map<uint64_t, Path> path_by_hash_;
  std::vector<Path> more_paths_;
  std::string path_bytes_;
  std::vector<Glob> globs_;
  absl::flat_hash_map<uint64_t, uint32_t> glob_by_prefix_;
  std::bitset<kMaxAppPathBytes + 1> prefix_lengths_;
  size_t longest_prefix_ = 0;
  absl::flat_hash_map<std::string, uint32_t> glob_bucket_;  // until Finish
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_APP_INDEX_H_
