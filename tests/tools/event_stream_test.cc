#include "tools/event_stream.h"

#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using Events = std::deque<std::string>;

Events Parse(std::string_view bytes) {
  SseParser parser;
  Events events;
  parser.Feed(bytes, &events);
  return events;
}

TEST(SseParser, TakesDataAndLeavesTheRest) {
  EXPECT_EQ(Parse("event: flow\nid: 7\ndata: {\"a\":1}\n\n"),
            Events({"{\"a\":1}"}));
  EXPECT_EQ(Parse(": hello\n\n\n\nretry: 5\n\n"), Events());
  EXPECT_EQ(Parse("data:x\ndata: y\n\n"), Events({"x\ny"}));
  EXPECT_EQ(Parse("data: x\r\n\r\ndata: y\r\n\r\n"), Events({"x", "y"}));
  EXPECT_EQ(Parse("data: not yet ended\n"), Events());
}

TEST(SseParser, PiecesOfAnySizeGiveTheSame) {
  const std::string_view kText =
      "event: flow\ndata: one\n\n: ping\n\ndata: two\ndata: three\n\n";
  for (size_t piece = 1; piece <= kText.size(); ++piece) {
    SseParser parser;
    Events events;
    for (size_t at = 0; at < kText.size(); at += piece) {
      parser.Feed(kText.substr(at, piece), &events);
    }
    EXPECT_EQ(events, Events({"one", "two\nthree"})) << piece;
  }
}

TEST(SseParser, AnEndlessLineCostsNoMemoryAndOnlyItsOwnEvent) {
  SseParser parser;
  Events events;
  parser.Feed("data: ", &events);
  const std::string piece(SseParser::kMaxLineBytes / 2, 'x');
  for (int i = 0; i < 5; ++i) parser.Feed(piece, &events);
  parser.Feed("\n\ndata: next\n\n", &events);
  EXPECT_EQ(events, Events({"next"}));
}

TEST(SseParser, ManyDataLinesAreBoundedTogether) {
  SseParser parser;
  Events events;
  const std::string line =
      "data: " + std::string(SseParser::kMaxLineBytes / 2, 'x') + "\n";
  for (int i = 0; i < 8; ++i) parser.Feed(line, &events);
  parser.Feed("\n", &events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_LE(events[0].size(), SseParser::kMaxLineBytes);
}

TEST(EventStream, NobodyThere) {
  EventStream stream("/nowhere/api.sock");
  ASSERT_TRUE(stream.Open("/v1/events").ok());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = stream.Wait(absl::Seconds(1));
  }
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(stream.connected());
}

}  // namespace
}  // namespace sallyport::cli
