#include "tools/watch_view.h"

#include <gtest/gtest.h>

#include "tools/text.h"

namespace sallyport::cli {
namespace {

constexpr char kEvent[] = R"({"timestamp": "2026-03-01T12:00:00.000001Z",
  "event_type": "flow", "dest_ip": "192.0.2.1", "dest_port": 80,
  "proto": "TCP", "verdict": {"action": "deny", "reason": "default"},
  "app": {"path": "/usr/bin/wget", "pid": 7}})";

std::vector<std::string> Lines(const WatchView& view, int rows, int columns) {
  const std::string frame = view.Render({.rows = rows, .columns = columns});
  std::vector<std::string> lines;
  for (std::string_view line : Split(frame, '\n')) {
    std::string text(line.substr(0, line.find("\033[K")));
    lines.push_back(std::move(text));
  }
  return lines;
}

TEST(WatchView, NoLineIsWiderAndNoFrameHigherThanTheTerminal) {
  WatchView view(/*colour=*/false);
  view.SetStatus(Json{{"mode", "enforce"}, {"enforcing", true}});
  for (int i = 0; i < 100; ++i) view.AddEvent(kEvent);
  view.AddEvent(R"({"event_type": "dropped", "count": 5})");
  view.AddEvent("no json");
  for (int rows : {1, 2, 3, 4, 5, 24, 200}) {
    for (int columns : {1, 2, 10, 38, 39, 40, 80, 300}) {
      const std::vector<std::string> lines = Lines(view, rows, columns);
      EXPECT_LE(lines.size(), static_cast<size_t>(rows));
      for (const std::string& line : lines) {
        EXPECT_LE(Width(line), static_cast<size_t>(columns)) << line;
      }
    }
  }
}

TEST(WatchView, RateIsFlowsOverTimeAndForgottenOverAnOutage) {
  WatchView view(false);
  view.SetStatus(Json{{"mode", "enforce"}, {"enforcing", true}});
  const absl::Time start = absl::UnixEpoch();
  const auto stats = [](int allow, int deny) {
    return Json{{"flows", {{"allow", allow}, {"deny", deny}, {"reject", 0}}}};
  };
  view.SetStats(stats(100, 0), start);
  view.SetStats(stats(190, 10), start + absl::Seconds(2));
  EXPECT_NE(Lines(view, 5, 200)[0].find(" 50 flows/s"), std::string::npos);
  view.SetProblem("gone");
  EXPECT_EQ(Lines(view, 5, 6)[0], "gone  ");
  view.SetStatus(Json{{"mode", "enforce"}, {"enforcing", true}});
  view.SetStats(stats(3, 0), start + absl::Seconds(4));  // a new daemon
  view.SetStats(stats(3, 0), start + absl::Seconds(5));
  EXPECT_NE(Lines(view, 5, 200)[0].find(" 0 flows/s"), std::string::npos);
}

TEST(WatchView, KeepsTheNewestAndNothingWhilePaused) {
  WatchView view(false);
  const auto event = [](size_t number) {
    return R"({"dest_ip": "10.0.0.1", "dest_port": )" + std::to_string(number) +
           "}";
  };
  for (size_t i = 1; i <= WatchView::kMaxEvents + 50; ++i) {
    view.AddEvent(event(i));
  }
  EXPECT_NE(Lines(view, 5, 120)[2].find("10.0.0.1:550"), std::string::npos);
  view.set_paused(true);
  view.AddEvent(event(60'000));
  EXPECT_NE(Lines(view, 5, 120)[2].find("10.0.0.1:550"), std::string::npos);
  EXPECT_EQ(Lines(view, 1000, 120).size(), 1000u);
}

}  // namespace
}  // namespace sallyport::cli
