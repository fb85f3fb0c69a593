#include "rules/app_index.h"

#include <algorithm>

namespace sallyport {

uint32_t AppIndex::Add(std::string_view text, const AppPattern& pattern) {
  switch (pattern.kind()) {
    case AppPattern::Kind::kAny:
      return kAnyBucket;
    case AppPattern::Kind::kExact: {
      const uint64_t hash = HashAppPath(pattern.prefix());
      auto [first, fresh] = path_by_hash_.try_emplace(hash, kNoBucket);
      for (uint32_t p = first->second; p != kNoBucket; p = paths_[p].next) {
        if (paths_[p].path == pattern.prefix()) return paths_[p].bucket;
      }
      paths_.push_back({bucket_count_, first->second, pattern.prefix()});
      first->second = static_cast<uint32_t>(paths_.size() - 1);
      return bucket_count_++;
    }
    case AppPattern::Kind::kGlob:
      break;
  }
  const auto [known, fresh] =
      glob_bucket_.try_emplace(std::string(text), bucket_count_);
  if (!fresh) return known->second;
  const std::string& prefix = pattern.prefix();
  uint64_t hash = kPrefixSeed;
  for (char byte : prefix) hash = Extend(hash, byte);
  const auto [first, new_prefix] = glob_by_prefix_.try_emplace(hash, kNoBucket);
  globs_.push_back({pattern, bucket_count_, first->second});
  first->second = static_cast<uint32_t>(globs_.size() - 1);
  prefix_lengths_.set(prefix.size());
  longest_prefix_ = std::max(longest_prefix_, prefix.size());
  return bucket_count_++;
}

void AppIndex::Finish() {
  glob_bucket_ = {};
  paths_.shrink_to_fit();
  globs_.shrink_to_fit();
}

uint32_t AppIndex::FindPath(const App& app) const {
  // 0 is what an App has whose maker did not hash it.
  const uint64_t hash =
      app.path_hash != 0 ? app.path_hash : HashAppPath(app.path);
  const auto first = path_by_hash_.find(hash);
  if (first == path_by_hash_.end()) return kNoBucket;
  for (uint32_t p = first->second; p != kNoBucket; p = paths_[p].next) {
    if (paths_[p].path == app.path) return paths_[p].bucket;
  }
  return kNoBucket;
}

}  // namespace sallyport
