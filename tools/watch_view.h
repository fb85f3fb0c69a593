#ifndef SALLYPORT_TOOLS_WATCH_VIEW_H_
#define SALLYPORT_TOOLS_WATCH_VIEW_H_

// WatchView: what `sallyport watch` shows, apart from how it gets there. Holds
// the newest events as text (parsed only if they are shown) and the last status
// and stats; Render makes one frame. Pure but for its own state; one thread.

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tools/api_client.h"
#include "tools/terminal.h"

namespace sallyport::cli {

class WatchView {
 public:
  static constexpr size_t kMaxEvents = 500;  // more rows than any terminal

  explicit WatchView(bool colour) : colour_(colour) {}

  void AddEvent(std::string json);
  // `now`: a monotonic reading, for flows per second.
  void SetStats(const Json& stats, absl::Time now);
  void SetStatus(const Json& status);
  // Shown instead of the header line until the next SetStatus.
  void SetProblem(std::string problem);
  void set_paused(bool paused) { paused_ = paused; }
  bool paused() const { return paused_; }

  // `rows` lines at most, none wider than `columns`, each cleared to its end.
  std::string Render(TerminalSize size) const;

 private:
  std::string HeaderLine() const;
  std::string EventRowText(const std::string& json, size_t columns) const;

  const bool colour_;
  bool paused_ = false;
  std::deque<std::string> events_;  // oldest first
  std::string problem_;
  std::string mode_;
  bool enforcing_ = false;
  double rules_ = 0;
  double flows_ = 0;
  double turned_away_ = 0;
  double would_deny_ = 0;
  double p50_us_ = 0;
  double p99_us_ = 0;
  std::optional<absl::Time> counted_at_;
  double flows_per_second_ = 0;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_WATCH_VIEW_H_
