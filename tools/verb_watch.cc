// watch: a live view in the terminal; one line per event where there is none.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/event_stream.h"
#include "tools/event_text.h"
#include "tools/session.h"
#include "tools/terminal.h"
#include "tools/verbs.h"
#include "tools/watch_view.h"

namespace sallyport::cli {
namespace {

constexpr char kPath[] = "/v1/events?follow=1&type=all";
constexpr absl::Duration kFrame = absl::Milliseconds(100);
constexpr absl::Duration kPoll = absl::Seconds(1);
// A daemon that is busy must not freeze the keys.
constexpr absl::Duration kPollTimeout = absl::Milliseconds(300);

// Not the wall clock: a jump of it must not freeze the screen.
absl::Time Monotonic() {
  return absl::UnixEpoch() +
         absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

class Watch {
 public:
  Watch(const Session& session, Terminal terminal)
      : client_(session.socket_path, kPollTimeout),
        stream_(session.socket_path),
        terminal_(std::move(terminal)),
        view_(session.colour) {}

  int Run() {
    while (!quit_) {
      const absl::Time now = Monotonic();
      if (now >= next_poll_) Poll(now);
      const int fds[] = {terminal_.input_fd(), terminal_.signal_fd()};
      const absl::Time next = dirty_ ? next_frame_ : next_poll_;
      const absl::Duration wait = std::min(next, next_poll_) - now;
      const absl::Status status =
          stream_.Wait(std::max(wait, absl::Milliseconds(1)), fds);
      if (!status.ok()) Lost(status);
      Take();
      if (dirty_ && Monotonic() >= next_frame_) DrawFrame();
    }
    return kDone;
  }

 private:
  // Counters once a second; also the moment to try again after an outage.
  void Poll(absl::Time now) {
    next_poll_ = now + kPoll;
    const absl::StatusOr<Json> status = client_.Get("/v1/status");
    if (!status.ok()) {
      Lost(status.status());
      return;
    }
    if (!open_) open_ = stream_.Open(kPath).ok();
    const absl::StatusOr<Json> stats = client_.Get("/v1/stats");
    if (stats.ok()) view_.SetStats(*stats, now);
    view_.SetStatus(*status);
    dirty_ = true;
  }

  void Lost(const absl::Status& status) {
    open_ = false;
    view_.SetProblem(Concat(FirstLine(status), " (trying again)"));
    dirty_ = true;
  }

  void Take() {
    for (std::string& event : stream_.Take()) {
      view_.AddEvent(std::move(event));
      dirty_ = true;
    }
    for (char key = terminal_.ReadKey(); key != 0; key = terminal_.ReadKey()) {
      if (key == 'q' || key == 'Q' || key == '\x04') quit_ = true;
      if (key == 'p' || key == ' ') view_.set_paused(!view_.paused());
      dirty_ = true;
    }
    for (auto signal = terminal_.ReadSignal();
         signal != Terminal::Signal::kNone; signal = terminal_.ReadSignal()) {
      if (signal == Terminal::Signal::kStop) quit_ = true;
      if (signal == Terminal::Signal::kSuspend) terminal_.Suspend();
      dirty_ = true;
    }
  }

  void DrawFrame() {
    terminal_.Draw(view_.Render(terminal_.size()));
    next_frame_ = Monotonic() + kFrame;
    dirty_ = false;
  }

  ApiClient client_;
  EventStream stream_;
  Terminal terminal_;
  WatchView view_;
  bool open_ = false;
  bool quit_ = false;
  bool dirty_ = true;
  absl::Time next_poll_ = absl::InfinitePast();
  absl::Time next_frame_ = absl::InfinitePast();
};

int RunLines(const Session& session) {
  EventStream stream(session.socket_path);
  absl::Status status = stream.Open(kPath);
  while (status.ok()) {
    status = stream.Wait(absl::Seconds(60));
    for (const std::string& text : stream.Take()) {
      const Json event = Json::parse(text, nullptr, false);
      if (!event.is_object()) continue;
      if (session.json) {
        PrintJson(event);
      } else {
        std::fputs(EventLine(event, session.colour).c_str(), stdout);
        std::fflush(stdout);
      }
    }
    if (std::ferror(stdout)) return kDone;
  }
  return Report(status);
}

int RunWatch(const Session& session) {
  if (session.json) return RunLines(session);
  // Before the screen is taken: a first error belongs on a plain terminal.
  Json first;
  const int code = Fetch(session, {"GET", "/v1/version", ""}, &first);
  if (code != kDone) return code;
  absl::StatusOr<Terminal> terminal = Terminal::Open();
  if (!terminal.ok()) return RunLines(session);
  return Watch(session, *std::move(terminal)).Run();
}

}  // namespace

void AddWatch(CLI::App& verb, Session& session) {
  verb.callback([&session] {
    std::signal(SIGPIPE, SIG_IGN);
    session.exit_code = RunWatch(session);
  });
}

}  // namespace sallyport::cli
