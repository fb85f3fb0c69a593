// violations, events: what was judged, from the history or as it happens, and
// rule files that another hand has changed.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "tools/call.h"
#include "tools/event_stream.h"
#include "tools/event_text.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

// What the daemon takes: a duration, or a moment with its offset.
absl::StatusOr<std::string> SinceForApi(const std::string& text) {
  if (ParseDuration(text).ok()) return text;
  const auto moment =
      ParseMoment(text, absl::Now(), absl::LocalTimeZone(), Lean::kPast);
  if (moment.ok()) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *moment, absl::UTCTimeZone());
  }
  return absl::InvalidArgumentError(
      Concat(QuoteForMessage(text),
             " is no time; write 5m, 1h30m, 7d, 17:30, \"yesterday 09:00\" or "
             "2026-01-31T12:00:00Z"));
}

struct EventArgs {
  bool violations = false;
  std::string since;
  std::string app;
  int limit = 0;  // 0: the daemon's own
  bool follow = false;
  bool verbose = false;  // with what an event has beyond its line
};

std::string ListPath(const EventArgs& args) {
  if (!args.violations) return "/v1/events";
  // It was looked at when it was parsed.
  const std::string since = SinceForApi(args.since).value_or(args.since);
  std::string path = "/v1/violations?since=" + UrlEncode(since);
  if (!args.app.empty()) AppendTo(&path, "&app=", UrlEncode(args.app));
  if (args.limit > 0) AppendTo(&path, "&limit=", args.limit);
  return path;
}

const char* ListKey(const EventArgs& args) {
  return args.violations ? "/violations" : "/events";
}

void PrintEvent(const Session& session, const EventArgs& args,
                const Json& event) {
  if (session.json) {
    PrintJson(event);
    return;
  }
  std::fputs(EventLine(event, session.colour).c_str(), stdout);
  if (args.verbose) {
    std::fputs(EventDetails(event, session.colour).c_str(), stdout);
  }
  std::fflush(stdout);
}

int RunList(const Session& session, const EventArgs& args) {
  return RunCall(session, {"GET", ListPath(args), ""}, [&](const Json& answer) {
    const Json& events = ArrayAt(answer, ListKey(args));
    const std::string table =
        args.verbose ? "" : EventTableText(events, session.colour);
    if (args.verbose && !events.empty()) {
      // Line by line: what belongs to an event stands below it.
      for (const Json& event : events) PrintEvent(session, args, event);
    } else if (!table.empty()) {
      std::fputs(table.c_str(), stdout);
    } else if (args.violations) {
      std::printf("nothing was turned away %s %s\n",
                  ParseDuration(args.since).ok() ? "in the last" : "since",
                  EscapeForTerminal(args.since).c_str());
    } else {
      std::printf("no connections yet\n");
    }
  });
}

// What already happened, then what happens. The stream is opened first, so
// that nothing falls between the two.
int RunFollow(const Session& session, const EventArgs& args) {
  EventStream stream(session.socket_path);
  absl::Status status = stream.Open(Concat(
      "/v1/events?follow=1&type=", args.violations ? "violations" : "all"));
  while (status.ok() && !stream.connected()) {
    status = stream.Wait(absl::Seconds(1));
  }
  if (!status.ok()) return Report(status);
  std::string last;  // timestamps of one form compare as text
  if (args.violations) {
    Json past;
    const int code = Fetch(session, {"GET", ListPath(args), ""}, &past);
    if (code != kDone) return code;
    for (const Json& event : ArrayAt(past, "/violations")) {
      PrintEvent(session, args, event);
      last = TextAt(event, "/timestamp");
    }
  }
  while (true) {
    for (const std::string& text : stream.Take()) {
      const Json event = Json::parse(text, nullptr, false);
      if (!event.is_object()) continue;
      const bool notice = IsNotice(event);
      if (!notice && args.violations && !IsViolation(event)) continue;
      if (!notice && !IsOfApp(event, args.app)) continue;
      if (!notice && !last.empty() && TextAt(event, "/timestamp") <= last) {
        continue;
      }
      PrintEvent(session, args, event);
    }
    if (std::ferror(stdout)) return kDone;  // `| head` has seen enough
    if (!status.ok()) return Report(status);
    status = stream.Wait(absl::Seconds(60));
  }
}

void AddCommon(CLI::App& verb, Session& session,
               const std::shared_ptr<EventArgs>& args) {
  verb.add_flag("--follow,-f", args->follow, "go on as it happens");
  verb.callback([&session, args] {
    std::signal(SIGPIPE, SIG_IGN);  // `| head` is told by ferror
    const absl::StatusOr<AppName> app = ResolveApp(args->app);
    if (app.ok() && !app->path.empty())
      args->app = app->path;  // else: as typed, it may be gone
    session.exit_code =
        args->follow ? RunFollow(session, *args) : RunList(session, *args);
  });
}

}  // namespace

void AddViolations(CLI::App& verb, Session& session) {
  auto args = std::make_shared<EventArgs>();
  args->violations = true;
  args->since = "1h";
  verb.add_option("--since", args->since, "how far back: 5m, 7d, 17:30, ...")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const auto since = SinceForApi(text);
        return since.ok() ? "" : MessageOf(since.status());
      });
  verb.add_option("--app", args->app, "only this program");
  verb.add_option("--limit", args->limit, "at most so many, the newest")
      ->check(CLI::PositiveNumber);
  AddCommon(verb, session, args);
}

void AddEvents(CLI::App& verb, Session& session) {
  auto args = std::make_shared<EventArgs>();
  verb.add_flag("--verbose,-v", args->verbose,
                "with what changed in rule files");
  AddCommon(verb, session, args);
}

}  // namespace sallyport::cli
