#include "rules/app_index.h"

#include <algorithm>

namespace sallyport {

uint32_t AppIndex::Add(std::string_view text, const AppPattern& pattern) {
  switch (pattern.kind()) {
    case AppPattern::Kind::kAny:
      return kAnyBucket;
    case AppPattern::Kind::kExact:
      return AddPath(pattern.prefix());
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

uint32_t AppIndex::AddPath(const std::string& path) {
  const uint64_t hash = HashAppPath(path);
  const uint32_t known = FindPath(hash, path);
  if (known != kNoBucket) return known;
  Path added = {bucket_count_, kNoBucket,
                static_cast<uint32_t>(path_bytes_.size()),
                static_cast<uint32_t>(path.size())};
  path_bytes_ += path;
  const auto [first, fresh] = path_by_hash_.try_emplace(hash, added);
  if (!fresh) {
    added.next = first->second.next;
    first->second.next = static_cast<uint32_t>(more_paths_.size());
    more_paths_.push_back(added);
  }
  return bucket_count_++;
}

void AppIndex::Finish() {
  glob_bucket_ = {};
  path_bytes_.shrink_to_fit();
  globs_.shrink_to_fit();
}

uint32_t AppIndex::FindPath(const App& app) const {
  // 0 is what an App has whose maker did not hash it.
  return FindPath(app.path_hash != 0 ? app.path_hash : HashAppPath(app.path),
                  app.path);
}

uint32_t AppIndex::FindPath(uint64_t hash, std::string_view path) const {
  const auto found = path_by_hash_.find(hash);
  if (found == path_by_hash_.end()) return kNoBucket;
  const Path* candidate = &found->second;
  const std::string_view bytes = path_bytes_;
  while (bytes.substr(candidate->begin, candidate->length) != path) {
    if (candidate->next == kNoBucket) return kNoBucket;
    candidate = &more_paths_[candidate->next];
  }
  return candidate->bucket;
}

}  // namespace sallyport
