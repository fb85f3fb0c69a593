#include "tools/event_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "rules/text_util.h"
#include "tools/call.h"

namespace sallyport::cli {
namespace {

std::string LocalTime(const std::string& timestamp) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, timestamp, &time, &error)) {
    return timestamp;
  }
  return absl::FormatTime("%H:%M:%E3S", time, absl::LocalTimeZone());
}

std::string AppText(const Json& event) {
  const std::string path = TextAt(event, "/app/path");
  const std::string confidence = TextAt(event, "/app/confidence");
  std::string out = path;
  if (path.empty()) out = confidence == "kernel" ? "kernel" : "unknown";
  const std::string state = TextAt(event, "/app/state");
  if (!state.empty() && state != "ok") AppendTo(&out, " (", state, ")");
  if (confidence == "ambiguous") {
    const size_t others = ArrayAt(event, "/app/owners").size();
    if (others > 1) AppendTo(&out, " (+", others - 1, ")");
  }
  return out;
}

std::string DestText(const Json& event) {
  const std::string ip = TextAt(event, "/dest_ip");
  const std::string port = TextAt(event, "/dest_port");
  std::string out = ip;
  if (HasAt(event, "/icmp_type")) {
    AppendTo(&out, " type ", TextAt(event, "/icmp_type"));
  } else if (!port.empty() && port != "0") {
    out = ip.find(':') == ip.npos ? Concat(ip, ":", port)
                                  : Concat("[", ip, "]:", port);
  }
  const std::string host = TextAt(event, "/dest_host");
  if (!host.empty()) AppendTo(&out, " ", host);
  return out;
}

bool IsRulesChange(const Json& event) {
  return TextAt(event, "/event_type") == "rules_changed";
}

// "changed by another hand: +2 -1 lines; rules added: a; not in force: ...".
std::string RulesChangeText(const Json& event) {
  if (HasAt(event, "/more_files")) {
    return Concat(Grouped(NumberAt(event, "/more_files")),
                  " more files changed by another hand");
  }
  const std::string change = TextAt(event, "/change");
  std::string out = change == "taken"
                        ? "in force now, changed before by another hand"
                        : Concat(change, " by another hand");
  if (HasAt(event, "/lines")) {
    AppendTo(&out, ": +", TextAt(event, "/lines/added"), " -",
             TextAt(event, "/lines/removed"), " lines");
  }
  for (const char* what : {"added", "removed", "changed"}) {
    const std::string names = ListAt(event, Concat("/rules/", what));
    if (!names.empty()) AppendTo(&out, "; rules ", what, ": ", names);
  }
  if (HasAt(event, "/rules/more")) {
    AppendTo(&out, " and ", TextAt(event, "/rules/more"), " more");
  }
  if (!BoolAt(event, "/in_force", true)) {
    AppendTo(&out, "; NOT in force: ", TextAt(event, "/error"));
  }
  AppendTo(&out, " (who: ", TextAt(event, "/who"));
  std::string owner = TextAt(event, "/owner/user");
  if (owner.empty()) owner = TextAt(event, "/owner/uid");
  if (!owner.empty()) AppendTo(&out, "; file owner ", owner);
  out.push_back(')');
  return out;
}

}  // namespace

EventRow RowOf(const Json& event) {
  EventRow row;
  row.time = LocalTime(TextAt(event, "/timestamp"));
  if (IsRulesChange(event)) {
    row.verdict = "rules";
    row.colour = Colour::kYellow;
    row.app = TextAt(event, "/file");
    row.why = RulesChangeText(event);
    return row;
  }
  if (TextAt(event, "/event_type") == "change") {
    row.verdict = TextAt(event, "/change/state");
    row.colour = Colour::kYellow;
    row.why = TextAt(event, "/change/what");
    return row;
  }
  row.verdict = TextAt(event, "/verdict/action");
  row.colour = row.verdict == "allow" ? Colour::kGreen : Colour::kRed;
  if (BoolAt(event, "/verdict/would_deny")) {
    row.verdict = "would deny";
    row.colour = Colour::kYellow;
  }
  row.app = AppText(event);
  row.pid = TextAt(event, "/app/pid");
  row.user = TextAt(event, "/app/user");
  if (row.user.empty()) row.user = TextAt(event, "/app/uid");
  row.dest = DestText(event);
  row.proto = absl::AsciiStrToLower(TextAt(event, "/proto"));
  row.why = TextAt(event, "/verdict/rule");
  if (row.why.empty()) {
    row.why = Concat("(", TextAt(event, "/verdict/reason"), ")");
  }
  return row;
}

bool IsNotice(const Json& event) {
  const std::string type = TextAt(event, "/event_type");
  return type == "dropped" || type == "change";
}

std::string NoticeText(const Json& event) {
  if (TextAt(event, "/event_type") == "dropped") {
    return Concat("(", Grouped(NumberAt(event, "/count")),
                  " events left out: too many to show)");
  }
  const std::string why = TextAt(event, "/change/why");
  return Concat(LocalTime(TextAt(event, "/timestamp")), "  ",
                TextAt(event, "/change/what"), ": ",
                TextAt(event, "/change/state"), why.empty() ? "" : ", ", why);
}

bool IsViolation(const Json& event) {
  const std::string action = TextAt(event, "/verdict/action");
  return (!action.empty() && action != "allow") ||
         BoolAt(event, "/verdict/would_deny");
}

bool IsOfApp(const Json& event, std::string_view app) {
  return app.empty() || TextAt(event, "/app/path") == app;
}

std::string EventTableText(const Json& events, bool colour) {
  Table table(
      {"TIME", "VERDICT", "APP", "PID", "USER", "DESTINATION", "PROTO", "WHY"});
  for (const Json& event : events) {
    EventRow row = RowOf(event);
    table.AddRow({{row.time, Colour::kDim},
                  {row.verdict, row.colour},
                  {row.app},
                  {row.pid, Colour::kDim},
                  {row.user},
                  {row.dest},
                  {row.proto},
                  {row.why}});
  }
  return table.empty() ? "" : table.Render(colour);
}

std::string EventLine(const Json& event, bool colour) {
  if (IsNotice(event)) {
    return Concat(EscapeForTerminal(NoticeText(event)), "\n");
  }
  const EventRow row = RowOf(event);
  // Full texts, never cut: whoever pipes this wants to search it.
  const auto pad = [](const std::string& text, size_t columns) {
    std::string safe = EscapeForTerminal(text);
    const size_t width = Width(safe);
    if (width < columns) safe.append(columns - width, ' ');
    return safe;
  };
  if (IsRulesChange(event)) {
    return Concat(Paint(Colour::kDim, row.time, colour), "  ",
                  Paint(row.colour, pad(row.verdict, 10), colour), "  ",
                  EscapeForTerminal(row.app), row.app.empty() ? "" : "  ",
                  EscapeForTerminal(row.why), "\n");
  }
  return Concat(Paint(Colour::kDim, row.time, colour), "  ",
                Paint(row.colour, pad(row.verdict, 10), colour), "  ",
                pad(Concat(row.app, row.pid.empty() ? "" : "[", row.pid,
                           row.pid.empty() ? "" : "]"),
                    30),
                "  ", pad(row.dest, 24), "  ", pad(row.proto, 5), "  ",
                EscapeForTerminal(row.why), "\n");
}

std::string EventDetails(const Json& event, bool colour) {
  std::string out;
  for (const Json& line : ArrayAt(event, "/diff")) {
    const std::string text = TextAt(line, "");
    const Colour paint = text.starts_with('+')   ? Colour::kGreen
                         : text.starts_with('-') ? Colour::kRed
                         : text.starts_with('@') ? Colour::kCyan
                                                 : Colour::kNone;
    AppendTo(&out, "    ", Paint(paint, EscapeForTerminal(text), colour), "\n");
  }
  if (!BoolAt(event, "/diff_complete", true)) {
    out.append("    (not all of the change is shown)\n");
  } else if (IsRulesChange(event) && HasAt(event, "/file") &&
             TextAt(event, "/change") != "taken" && !HasAt(event, "/diff")) {
    out.append("    (the file is too large to show what changed)\n");
  }
  return out;
}

}  // namespace sallyport::cli
