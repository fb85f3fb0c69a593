#include "tools/status_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "tools/call.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// "  name      value" lines; a line without a value is left out.
class Lines {
 public:
  explicit Lines(bool colour) : colour_(colour) {}

  void Add(std::string_view name, std::string_view value,
           Colour paint = Colour::kNone) {
    if (value.empty()) return;
    AppendTo(&out_, "  ",
             Paint(Colour::kDim, absl::StrFormat("%-13s", name), colour_),
             Paint(paint, EscapeForTerminal(value), colour_), "\n");
  }
  std::string Take() { return std::move(out_); }

 private:
  const bool colour_;
  std::string out_;
};

std::string Microseconds(const Json& json, const std::string& pointer) {
  return HasAt(json, pointer) ? Concat(Grouped(NumberAt(json, pointer)), " us")
                              : "-";
}

std::string UptimeText(double seconds) {
  if (seconds < 1) return "less than a second";
  return absl::FormatDuration(absl::Seconds(static_cast<int64_t>(seconds)));
}

void AddDivert(const Json& status, Lines* lines) {
  const bool installed = BoolAt(status, "/divert/installed");
  std::string text = installed ? "installed" : "NOT installed";
  for (const char* key : {"expression", "settle"}) {
    const std::string value = TextAt(status, Concat("/divert/", key));
    if (!value.empty()) AppendTo(&text, ", ", key, " ", value);
  }
  const double repairs = NumberAt(status, "/divert/repairs");
  if (repairs > 0) {
    AppendTo(&text, ", put back ", Grouped(repairs),
             " times after somebody removed it");
  }
  lines->Add("kernel rules", text, installed ? Colour::kNone : Colour::kRed);
}

void AddQueues(const Json& status, Lines* lines) {
  std::string numbers;
  double received = 0, waiting = 0, lost = 0;
  for (const Json& queue : ArrayAt(status, "/queues")) {
    AppendTo(&numbers, numbers.empty() ? "" : ", ", TextAt(queue, "/number"));
    received += NumberAt(queue, "/received");
    waiting += NumberAt(queue, "/waiting");
    lost += NumberAt(queue, "/dropped") + NumberAt(queue, "/user_dropped");
  }
  if (numbers.empty()) return;
  lines->Add(
      "queues",
      Concat(numbers, ": ", Grouped(received), " packets, ", Grouped(waiting),
             " waiting, ", Grouped(lost), " dropped by the kernel"),
      lost > 0 ? Colour::kYellow : Colour::kNone);
}

void AddRuleLines(const Json& status, Lines* lines) {
  lines->Add("rules",
             Concat(Grouped(NumberAt(status, "/rules/count")), " (",
                    Grouped(NumberAt(status, "/rules/enabled")), " enabled)"));
  const std::string error = TextAt(status, "/rules/last_error");
  if (error.empty()) return;
  lines->Add("", "files not loaded, the last good set is used:", Colour::kRed);
  for (std::string_view line : Split(error, '\n')) {
    lines->Add("", line, Colour::kRed);
  }
}

void AddPendingChange(const Json& status, Lines* lines) {
  const std::string what = TextAt(status, "/pending_change/what");
  if (what.empty()) return;
  const auto left = absl::Seconds(
      static_cast<int64_t>(NumberAt(status, "/pending_change/seconds_left")));
  lines->Add("to confirm",
             Concat(what, ": goes back in ", DurationToString(left),
                    " unless you run `sallyport confirm`"),
             Colour::kYellow);
}

void AddHistory(const Json& status, Lines* lines) {
  if (!HasAt(status, "/history")) return;
  if (BoolAt(status, "/history/ok")) {
    lines->Add("history", "ok");
  } else {
    lines->Add("history",
               Concat("not written: ", TextAt(status, "/history/error")),
               Colour::kRed);
  }
}

}  // namespace

std::string StatusSummary(const Json& status, bool colour) {
  const bool enforcing = BoolAt(status, "/enforcing");
  std::string summary = TextAt(status, "/summary");
  if (summary.empty()) {
    summary = Concat(enforcing ? "Enforcing" : "Not enforcing", ": mode ",
                     TextAt(status, "/mode"));
  }
  return Concat(Paint(enforcing ? Colour::kGreen : Colour::kYellow,
                      EscapeForTerminal(summary), colour),
                "\n");
}

std::string StatusText(const Json& status, bool colour) {
  Lines lines(colour);
  lines.Add("mode", TextAt(status, "/mode"), Colour::kBold);
  AddPendingChange(status, &lines);
  if (HasAt(status, "/default")) {
    lines.Add("default",
              Concat(TextAt(status, "/default"),
                     "; no owner found: ", TextAt(status, "/unattributed")));
  }
  const std::string posture = TextAt(status, "/on_failure");
  if (!posture.empty()) {
    lines.Add("on failure",
              posture == "closed"
                  ? "closed: nothing new gets out while the daemon is away"
                  : "open: everything passes while the daemon is away");
  }
  AddDivert(status, &lines);
  AddQueues(status, &lines);
  if (HasAt(status, "/attribution")) {
    lines.Add("attribution",
              Concat(TextAt(status, "/attribution/mode"),
                     BoolAt(status, "/attribution/process_events")
                         ? ", with process events"
                         : ", without process events"));
  }
  AddRuleLines(status, &lines);
  AddHistory(status, &lines);
  if (HasAt(status, "/canary")) {
    const bool seen = BoolAt(status, "/canary/seen");
    lines.Add("canary",
              seen
                  ? Concat("seen ", Grouped(NumberAt(status, "/canary/age_ms")),
                           " ms ago")
                  : "not seen: the queue does not answer",
              seen ? Colour::kNone : Colour::kRed);
  }
  if (HasAt(status, "/pid")) {
    lines.Add("daemon", Concat("pid ", TextAt(status, "/pid"), ", up ",
                               UptimeText(NumberAt(status, "/uptime_s"))));
  }
  return Concat(StatusSummary(status, colour), lines.Take());
}

std::string StatsText(const Json& stats, bool colour) {
  Lines lines(colour);
  const auto count = [&](const char* pointer) {
    return Grouped(NumberAt(stats, pointer));
  };
  lines.Add("flows",
            Concat(count("/flows/allow"), " allowed, ", count("/flows/deny"),
                   " denied, ", count("/flows/reject"), " rejected"));
  if (NumberAt(stats, "/would_deny") > 0) {
    lines.Add(
        "would deny",
        Concat(count("/would_deny"), " of the allowed (mode monitor or learn)"),
        Colour::kYellow);
  }
  if (HasAt(stats, "/by_stage")) {
    lines.Add("judged", Concat(count("/by_stage/queue"), " at once, ",
                               count("/by_stage/slow"), " in the slow lane"));
  }
  if (HasAt(stats, "/latency_us")) {
    lines.Add("latency",
              Concat("p50 ", Microseconds(stats, "/latency_us/p50"), ", p90 ",
                     Microseconds(stats, "/latency_us/p90"), ", p99 ",
                     Microseconds(stats, "/latency_us/p99"), ", p99.9 ",
                     Microseconds(stats, "/latency_us/p999"), ", max ",
                     Microseconds(stats, "/latency_us/max")));
  }
  if (HasAt(stats, "/unattributed")) {
    lines.Add("no owner", count("/unattributed"));
  }
  if (HasAt(stats, "/malformed")) lines.Add("malformed", count("/malformed"));
  if (NumberAt(stats, "/dropped_events") > 0) {
    lines.Add("events lost", count("/dropped_events"), Colour::kYellow);
  }
  Table apps({"APP", "ALLOW", "DENY", "REJECT", "LAST"});
  for (const Json& app : ArrayAt(stats, "/apps")) {
    const auto cell = [&](const char* key) {
      return Grouped(NumberAt(app, key));
    };
    apps.AddRow({{TextAt(app, "/path")},
                 {cell("/allow")},
                 {cell("/deny")},
                 {cell("/reject")},
                 {TextAt(app, "/last"), Colour::kDim}});
  }
  if (apps.empty()) return lines.Take();
  return Concat(lines.Take(), "\n", apps.Render(colour));
}

}  // namespace sallyport::cli
