#include "proc/pid_cursor.h"

#include <algorithm>

namespace sallyport::proc {

bool PidCursor::Advance(int32_t newest, std::vector<Due>* fresh) {
  if (newest < newest_ || newest - newest_ > kMaxGap) return false;
  for (int32_t pid = newest_ + 1; pid <= newest; ++pid) {
    fresh->push_back({pid, 0});
  }
  newest_ = newest;
  return true;
}

void PidCursor::NoteAbsent(Due due, int64_t now_ns) {
  if (due.looks >= absent_.size()) return;  // dead, or no process of ours
  auto& level = absent_[due.looks];
  if (level.size() >= kMaxAbsentPerLevel) level.pop_front();
  level.push_back({due.pid, now_ns + kDelayNs[due.looks]});
}

void PidCursor::TakeDue(int64_t now_ns, std::vector<Due>* due) {
  for (size_t looks = 0; looks < absent_.size(); ++looks) {
    auto& level = absent_[looks];
    while (!level.empty() && level.front().due_ns <= now_ns) {
      due->push_back({level.front().pid, static_cast<uint8_t>(looks + 1)});
      level.pop_front();
    }
  }
}

int64_t PidCursor::next_due_ns() const {
  int64_t next = kNeverNs;
  for (const auto& level : absent_) {
    if (!level.empty()) next = std::min(next, level.front().due_ns);
  }
  return next;
}

}  // namespace sallyport::proc
