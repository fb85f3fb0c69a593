#include "src/pending_change.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sallyport {
namespace {

PendingChange ModeChange() {
  PendingChange change;
  change.what = "mode monitor -> enforce";
  change.mode_before = Mode::kMonitor;
  change.mode_after = Mode::kEnforce;
  change.asked_by_uid = UINT32_MAX;
  change.boot_id = "b0";
  change.deadline_ns = INT64_MAX;
  return change;
}

TEST(PendingChange, RoundTrips) {
  EXPECT_EQ(*ParsePendingChange(PendingChangeText(ModeChange())), ModeChange());
  PendingChange rules;
  rules.kind = PendingChange::Kind::kRules;
  rules.what = "import";
  rules.deadline_ns = 1;
  EXPECT_EQ(*ParsePendingChange(PendingChangeText(rules)), rules);
}

TEST(PendingChange, WhatIsNotWholeIsRefused) {
  const nlohmann::json good =
      nlohmann::json::parse(PendingChangeText(ModeChange()));
  for (const auto& [field, value] : good.items()) {
    nlohmann::json bad = good;
    bad.erase(field);
    EXPECT_FALSE(ParsePendingChange(bad.dump()).ok()) << field;
    for (const nlohmann::json& wrong :
         {nlohmann::json(-1), nlohmann::json(1e30), nlohmann::json(true),
          nlohmann::json(nullptr), nlohmann::json::array()}) {
      bad = good;
      bad[field] = wrong;
      EXPECT_FALSE(ParsePendingChange(bad.dump()).ok()) << bad;
    }
  }
  nlohmann::json bad = good;
  bad["deadline_ns"] = UINT64_MAX;
  EXPECT_FALSE(ParsePendingChange(bad.dump()).ok());
  bad = good;
  bad["mode_after"] = "party";
  EXPECT_FALSE(ParsePendingChange(bad.dump()).ok());
  bad = good;
  bad["kind"] = "party";
  EXPECT_FALSE(ParsePendingChange(bad.dump()).ok());
  EXPECT_FALSE(ParsePendingChange("").ok());
}

TEST(PendingChange, EventHasTheShapeOfEvents) {
  const EventNotice notice =
      NoticeOf(ModeChange(), ChangeState::kRolledBack, "why",
               absl::FromUnixMicros(1'700'000'000'000'005));
  EXPECT_EQ(notice.type, "change");
  EXPECT_EQ(notice.kind, StoredKind::kChange);
  EXPECT_EQ(notice.text, "mode monitor -> enforce: rolled-back: why");
  const auto event = nlohmann::json::parse(notice.json);
  EXPECT_EQ(event["timestamp"], "2023-11-14T22:13:20.000005Z");
  EXPECT_EQ(event["event_type"], "change");
  EXPECT_EQ(event["change"]["state"], "rolled-back");
  EXPECT_EQ(event["change"]["kind"], "mode");
  EXPECT_EQ(event["change"]["what"], "mode monitor -> enforce");
  EXPECT_EQ(event["change"]["why"], "why");
}

}  // namespace
}  // namespace sallyport
