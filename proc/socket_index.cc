#include "proc/socket_index.h"

#include <algorithm>

namespace sallyport::proc {

SocketIndex::Added SocketIndex::Add(uint32_t inode, Holding holding) {
  auto found = entries_.find(inode);
  if (found == entries_.end()) {
    if (entries_.size() >= kMaxSockets) return Added::kFull;
    found = entries_.try_emplace(inode).first;
  }
  auto& holdings = found->second.holdings;
  // One slot per process is enough: dup'ed descriptors are the same holder.
  auto same = std::find_if(
      holdings.begin(), holdings.end(),
      [&](const Holding& known) { return known.pid == holding.pid; });
  if (same != holdings.end()) {
    same->slot = holding.slot;
    return Added::kKnown;
  }
  holdings.push_back(holding);
  return Added::kNew;
}

void SocketIndex::Remove(uint32_t inode, int32_t pid) {
  auto found = entries_.find(inode);
  if (found == entries_.end()) return;
  auto& holdings = found->second.holdings;
  holdings.erase(
      std::remove_if(holdings.begin(), holdings.end(),
                     [&](const Holding& known) { return known.pid == pid; }),
      holdings.end());
  if (holdings.empty()) entries_.erase(found);
}

SocketIndex::Entry* SocketIndex::Find(uint32_t inode) {
  auto found = entries_.find(inode);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace sallyport::proc
