#ifndef SALLYPORT_PROC_PID_CURSOR_H_
#define SALLYPORT_PROC_PID_CURSOR_H_

// PidCursor: which pids have been handed out since the last look. The kernel
// gives them in ascending order and tells the newest (/proc/loadavg), so the
// pids between two looks are all there can be, without any event source. Pure
// logic, not thread-safe; ProcessTable guards it.
//
// A pid is handed out shortly before its process can be seen in /proc. One that
// is not there yet is looked at again: at the next look, after 10 ms and after
// 200 ms. Most are simply dead.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

namespace sallyport::proc {

class PidCursor {
 public:
  // Pids that one look takes; beyond, listing /proc is cheaper.
  static constexpr int32_t kMaxGap = 1024;
  static constexpr size_t kMaxAbsentPerLevel = 1024;
  static constexpr int64_t kNeverNs = std::numeric_limits<int64_t>::max();

  struct Due {
    int32_t pid = 0;
    uint8_t looks = 0;  // at which it was absent
  };

  // From now on `newest` and all before it are known.
  void Reset(int32_t newest) { newest_ = newest; }
  int32_t newest() const { return newest_; }

  // Appends the pids to look at, ascending, and makes `newest` the last
  // known. False, and nothing done, if the gap is too large or the numbers
  // have started over: then list /proc and Reset.
  bool Advance(int32_t newest, std::vector<Due>* fresh);

  // `due` was not there when it was looked at.
  void NoteAbsent(Due due, int64_t now_ns);
  // Known by an event, or could not be opened: to be looked at next time.
  void NoteDue(int32_t pid) { NoteAbsent({pid, 0}, 0); }
  // Appends those that are to be looked at again by now.
  void TakeDue(int64_t now_ns, std::vector<Due>* due);
  int64_t next_due_ns() const;  // kNeverNs: none

 private:
  static constexpr std::array<int64_t, 3> kDelayNs = {0, 10'000'000,
                                                      200'000'000};
  struct Absent {
    int32_t pid;
    int64_t due_ns;
  };
  // One queue per number of looks: each is in order of due_ns by itself.
  std::array<std::deque<Absent>, kDelayNs.size()> absent_;
  int32_t newest_ = 0;
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_PID_CURSOR_H_
