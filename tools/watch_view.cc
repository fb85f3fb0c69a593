#include "tools/watch_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/event_text.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kClearToEnd = "\033[K";
constexpr size_t kTimeColumns = 12;
constexpr size_t kVerdictColumns = 11;
constexpr size_t kProtoColumns = 5;
constexpr size_t kGap = 2;

// What is left for app, destination and reason, shared 4 : 3 : 3.
struct Shares {
  size_t app, dest, why;
};

Shares SharesOf(size_t columns) {
  const size_t fixed =
      kTimeColumns + kVerdictColumns + kProtoColumns + 5 * kGap;
  const size_t rest = columns > fixed ? columns - fixed : 0;
  const size_t app = rest * 4 / 10;
  const size_t dest = rest * 3 / 10;
  return {app, dest, rest - app - dest};
}

// One line, field by field, that never gets wider than the terminal.
class LineOfFields {
 public:
  LineOfFields(size_t columns, bool colour) : left_(columns), colour_(colour) {}

  void Add(std::string_view text, size_t columns,
           Colour paint = Colour::kNone) {
    if (!out_.empty()) {
      const size_t gap = std::min(kGap, left_);
      out_.append(gap, ' ');
      left_ -= gap;
    }
    columns = std::min(columns, left_);
    AppendTo(&out_, Paint(paint, Fit(text, columns), colour_));
    left_ -= columns;
  }
  std::string Take() { return std::move(out_); }

 private:
  size_t left_;
  const bool colour_;
  std::string out_;
};

}  // namespace

void WatchView::AddEvent(std::string json) {
  if (paused_) return;
  events_.push_back(std::move(json));
  if (events_.size() > kMaxEvents) events_.pop_front();
}

void WatchView::SetStats(const Json& stats, absl::Time now) {
  const double turned_away =
      NumberAt(stats, "/flows/deny") + NumberAt(stats, "/flows/reject");
  const double flows = NumberAt(stats, "/flows/allow") + turned_away;
  if (counted_at_.has_value() && now > *counted_at_ && flows >= flows_) {
    flows_per_second_ =
        (flows - flows_) / absl::ToDoubleSeconds(now - *counted_at_);
  }
  counted_at_ = now;
  flows_ = flows;
  turned_away_ = turned_away;
  would_deny_ = NumberAt(stats, "/would_deny");
  p50_us_ = NumberAt(stats, "/latency_us/p50");
  p99_us_ = NumberAt(stats, "/latency_us/p99");
}

void WatchView::SetStatus(const Json& status) {
  problem_.clear();
  mode_ = TextAt(status, "/mode");
  enforcing_ = BoolAt(status, "/enforcing");
  rules_ = NumberAt(status, "/rules/enabled");
}

void WatchView::SetProblem(std::string problem) {
  problem_ = std::move(problem);
  counted_at_.reset();  // a rate over an outage would be a lie
}

std::string WatchView::HeaderLine() const {
  if (!problem_.empty()) return problem_;
  return absl::StrFormat(
      "Sallyport  %s%s  %s flows/s  verdict p50 %s us p99 %s us  %s flows, %s "
      "turned away%s  %s rules%s",
      mode_, enforcing_ ? "" : " (not enforcing)", Grouped(flows_per_second_),
      Grouped(p50_us_), Grouped(p99_us_), Grouped(flows_),
      Grouped(turned_away_),
      would_deny_ > 0 ? Concat(" (", Grouped(would_deny_), " would be)") : "",
      Grouped(rules_), paused_ ? "  PAUSED" : "");
}

std::string WatchView::EventRowText(const std::string& text,
                                    size_t columns) const {
  const Json event = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object()) return "";
  if (IsNotice(event)) return Fit(NoticeText(event), columns);
  const EventRow row = RowOf(event);
  const Shares shares = SharesOf(columns);
  const std::string app =
      row.pid.empty() ? row.app : Concat(row.app, " [", row.pid, "]");
  LineOfFields line(columns, colour_);
  line.Add(row.time, kTimeColumns, Colour::kDim);
  line.Add(row.verdict, kVerdictColumns, row.colour);
  line.Add(app, shares.app);
  line.Add(row.dest, shares.dest);
  line.Add(row.proto, kProtoColumns);
  line.Add(row.why, shares.why);
  return line.Take();
}

std::string WatchView::Render(TerminalSize size) const {
  const auto columns = static_cast<size_t>(std::max(size.columns, 1));
  const auto rows = static_cast<size_t>(std::max(size.rows, 1));
  std::vector<std::string> lines;
  const Colour header = !problem_.empty() ? Colour::kRed
                        : enforcing_      ? Colour::kGreen
                                          : Colour::kYellow;
  lines.push_back(Paint(header, Fit(HeaderLine(), columns), colour_));
  const Shares shares = SharesOf(columns);
  LineOfFields head(columns, colour_);
  head.Add("TIME", kTimeColumns, Colour::kDim);
  head.Add("VERDICT", kVerdictColumns, Colour::kDim);
  head.Add("APP", shares.app, Colour::kDim);
  head.Add("DESTINATION", shares.dest, Colour::kDim);
  head.Add("PROTO", kProtoColumns, Colour::kDim);
  head.Add("RULE", shares.why, Colour::kDim);
  lines.push_back(head.Take());
  const size_t room = rows > 3 ? rows - 3 : 0;
  const size_t shown = std::min(room, events_.size());
  for (size_t i = 0; i < shown; ++i) {  // newest on top
    lines.push_back(EventRowText(events_[events_.size() - 1 - i], columns));
  }
  if (rows > 3) {
    while (lines.size() + 1 < rows) lines.emplace_back();
    lines.push_back(
        Paint(Colour::kDim, Fit("q quit   p pause", columns), colour_));
  }
  lines.resize(std::min(lines.size(), rows));
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    AppendTo(&out, i == 0 ? "" : "\r\n", lines[i], kClearToEnd);
  }
  return out;
}

}  // namespace sallyport::cli
