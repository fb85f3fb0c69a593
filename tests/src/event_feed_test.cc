#include "src/event_feed.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using nlohmann::json;
using testing::MakeRecord;
using testing::MakeRecordOf;

DecisionRecord Numbered(uint16_t number, Verdict verdict = Verdict::kDeny) {
  DecisionRecord record = MakeRecord(verdict);
  record.flow.src_port = number;
  return record;
}

void Publish(EventFeed& feed, DecisionRecord record) {
  const std::string text =
      feed.Wants(record) ? EventToJson(record, {}) : std::string();
  feed.Publish(std::move(record), text);
}

// The number of a flow frame, or minus the count of a dropped frame.
int64_t NumberOf(const std::string& frame) {
  EXPECT_TRUE(frame.ends_with("\n\n"));
  const size_t data = frame.find("\ndata: ");
  const json event = json::parse(frame.substr(data + 7));
  if (frame.starts_with("event: dropped\n")) {
    EXPECT_EQ(event["event_type"], "dropped");
    return -event["count"].get<int64_t>();
  }
  EXPECT_TRUE(frame.starts_with("event: flow\n"));
  return event["src_port"].get<int64_t>();
}

TEST(EventFeed, RecentKeepsTheLastThousandInOrder) {
  EventFeed feed({});
  EXPECT_TRUE(feed.Recent({}).empty());
  for (uint16_t i = 0; i < 1500; ++i) Publish(feed, Numbered(i));
  const std::vector<std::string> recent = feed.Recent({});
  ASSERT_EQ(recent.size(), EventFeed::kRecent);
  for (size_t i = 0; i < recent.size(); ++i) {
    EXPECT_EQ(json::parse(recent[i])["src_port"], 500 + i);
  }
  const std::vector<std::string> two = feed.Recent({}, 2);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(json::parse(two[1])["src_port"], 1499);
}

TEST(EventFeed, RecentFilters) {
  EventFeed feed({});
  Publish(feed, MakeRecordOf(Verdict::kAllow, "/bin/a", 1000));
  Publish(feed, MakeRecordOf(Verdict::kDeny, "/bin/b", 1001));
  Publish(feed, MakeRecordOf(Verdict::kDeny, "/bin/c\n", 1000));
  EXPECT_EQ(feed.Recent({}).size(), 3u);
  EXPECT_EQ(feed.Recent({.uid = 1000}).size(), 2u);
  EXPECT_EQ(feed.Recent({.uid = 1000, .violations_only = true}).size(), 1u);
  EXPECT_EQ(feed.Recent({.app = "/bin/b"}).size(), 1u);
  EXPECT_EQ(feed.Recent({.app = "/bin/c\\x0a"}).size(), 1u);
  EXPECT_EQ(feed.Recent({.uid = 5}).size(), 0u);
}

TEST(EventFeed, SubscriberGetsWhatItAskedForInOrder) {
  EventFeed feed({});
  Publish(feed, Numbered(1));  // before: not sent
  int ready = 0;
  const auto id = feed.Subscribe({.violations_only = true}, [&] { ++ready; });
  ASSERT_TRUE(id.ok());
  EXPECT_FALSE(feed.Next(*id).has_value());
  EXPECT_FALSE(feed.Wants(Numbered(0, Verdict::kAllow)));
  Publish(feed, Numbered(2));
  Publish(feed, Numbered(3, Verdict::kAllow));
  Publish(feed, Numbered(4));
  EXPECT_EQ(ready, 1);  // not again before Next had nothing
  EXPECT_EQ(NumberOf(feed.Next(*id).value()), 2);
  EXPECT_EQ(NumberOf(feed.Next(*id).value()), 4);
  EXPECT_FALSE(feed.Next(*id).has_value());
  Publish(feed, Numbered(5));
  EXPECT_EQ(ready, 2);
  feed.Unsubscribe(*id);
  Publish(feed, Numbered(6));
  EXPECT_EQ(ready, 2);
  EXPECT_FALSE(feed.Next(*id).has_value());
  feed.Unsubscribe(*id);
}

TEST(EventFeed, NobodyListensNobodyWantsJson) {
  EventFeed feed({});
  EXPECT_FALSE(feed.Wants(Numbered(1)));
  const auto id = feed.Subscribe({.uid = 7}, nullptr);
  EXPECT_FALSE(feed.Wants(Numbered(1)));
  // Somebody may have come after Wants() was asked.
  feed.Publish(MakeRecordOf(Verdict::kDeny, "/bin/a", 7), "");
  EXPECT_EQ(NumberOf(feed.Next(*id).value()), 40000);
}

TEST(EventFeed, F27_SlowReaderLosesTheOldestAndIsTold) {
  EventFeed feed({});
  const auto id = feed.Subscribe({}, nullptr);
  const auto other = feed.Subscribe({}, nullptr);
  const size_t sent = EventFeed::kQueueEvents + 100;
  for (size_t i = 0; i < sent; ++i) {
    Publish(feed, Numbered(static_cast<uint16_t>(i)));
    EXPECT_EQ(NumberOf(feed.Next(*other).value()), int64_t(i));
  }
  EXPECT_EQ(NumberOf(feed.Next(*id).value()), -100);
  for (size_t i = 100; i < sent; ++i) {
    ASSERT_EQ(NumberOf(feed.Next(*id).value()), int64_t(i));
  }
  EXPECT_FALSE(feed.Next(*id).has_value());
}

TEST(EventFeed, F27_SlowReaderOfBigEventsIsBoundedByBytes) {
  EventFeed feed({});
  const auto id = feed.Subscribe({}, nullptr);
  const std::string path(4000, '\n');  // 16,000 bytes of JSON
  for (int i = 0; i < 1000; ++i) {
    Publish(feed, MakeRecordOf(Verdict::kDeny, path, 1));
  }
  size_t bytes = 0;
  int64_t dropped = 0;
  while (const auto frame = feed.Next(*id)) {
    bytes += frame->size();
    if (frame->starts_with("event: dropped")) dropped = -NumberOf(*frame);
  }
  EXPECT_LE(bytes, EventFeed::kQueueBytes + 100);
  EXPECT_GT(dropped, 900);
}

TEST(EventFeed, F27_SubscribersAreBounded) {
  EventFeed feed({});
  for (size_t i = 0; i < EventFeed::kMaxSubscribers; ++i) {
    ASSERT_TRUE(feed.Subscribe({}, nullptr).ok());
  }
  EXPECT_EQ(feed.Subscribe({}, nullptr).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(EventFeed, ReadersComeAndGoWhileEventsFlow) {
  EventFeed feed({});
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (uint16_t i = 0; i < 5000; ++i) Publish(feed, Numbered(i));
    done = true;
  });
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (!done) {
        std::atomic<int> ready{0};
        const auto id = feed.Subscribe({}, [&ready] { ++ready; });
        int64_t last = -1;
        for (int i = 0; i < 50; ++i) {
          const auto frame = feed.Next(*id);
          if (!frame.has_value()) continue;
          const int64_t number = NumberOf(*frame);
          if (number < 0) continue;
          EXPECT_GT(number, last);
          last = number;
        }
        feed.Recent({}, 3);
        feed.Unsubscribe(*id);  // `ready` goes out of scope after this
      }
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
}

EventNotice Notice(int number) {
  return {.type = "rules_changed",
          .text = "",
          .json = "{\"event_type\":\"rules_changed\",\"number\":" +
                  std::to_string(number) + "}"};
}

TEST(EventFeed, NoticesStandBetweenTheRecordsWhereTheyHappened) {
  EventFeed feed({});
  feed.PublishNotice(Notice(0));
  Publish(feed, Numbered(1));
  feed.PublishNotice(Notice(2));
  feed.PublishNotice(Notice(3));
  Publish(feed, Numbered(4));
  Publish(feed, Numbered(5));
  feed.PublishNotice(Notice(6));
  const auto order = [&feed](const FeedFilter& filter, size_t limit) {
    std::vector<int> out;
    for (const std::string& text : feed.Recent(filter, limit)) {
      const json event = json::parse(text);
      out.push_back(event.contains("number") ? event["number"].get<int>()
                                             : event["src_port"].get<int>());
    }
    return out;
  };
  using Order = std::vector<int>;
  EXPECT_EQ(order({}, 100), Order({0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(order({}, 1), Order({6}));
  EXPECT_EQ(order({}, 4), Order({3, 4, 5, 6}));
  EXPECT_EQ(order({}, 6), Order({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(order({.violations_only = true}, 100), Order({1, 4, 5}));
  EXPECT_EQ(order({.app = "/usr/bin/curl"}, 100), Order({1, 4, 5}));
  EXPECT_EQ(order({.uid = 1000}, 100), Order({1, 4, 5}));
}

TEST(EventFeed, NoticesAreSentToThoseWhoMaySeeEverything) {
  EventFeed feed({});
  const uint64_t all = feed.Subscribe({}, nullptr).value();
  const uint64_t own = feed.Subscribe({.uid = 1000}, nullptr).value();
  feed.PublishNotice(Notice(1));
  EXPECT_EQ(feed.Next(all),
            "event: rules_changed\ndata: "
            "{\"event_type\":\"rules_changed\",\"number\":1}\n\n");
  EXPECT_FALSE(feed.Next(own).has_value());
}

TEST(EventFeed, NoticesAreBounded) {
  EventFeed feed({});
  for (int i = 0; i < 200; ++i) feed.PublishNotice(Notice(i));
  EXPECT_EQ(feed.Recent({}).size(), EventFeed::kRecentNotices);
  EventNotice large = Notice(0);
  large.json += std::string(EventFeed::kRecentNoticeBytes / 3, ' ');
  for (int i = 0; i < 10; ++i) feed.PublishNotice(large);
  EXPECT_EQ(feed.Recent({}).size(), 2u);
}

}  // namespace
}  // namespace sallyport
