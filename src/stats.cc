#include "src/stats.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "src/escape.h"
#include "src/event_json.h"

namespace sallyport {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kAllow = static_cast<size_t>(Verdict::kAllow);
constexpr size_t kDeny = static_cast<size_t>(Verdict::kDeny);
constexpr size_t kReject = static_cast<size_t>(Verdict::kReject);

Json VerdictsJson(const FlowCounts& counts) {
  return Json{{"allow", counts.by_verdict[kAllow]},
              {"deny", counts.by_verdict[kDeny]},
              {"reject", counts.by_verdict[kReject]}};
}

std::string TimeText(int64_t time_ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixNanos(time_ns),
                          absl::UTCTimeZone());
}

Json LatencyJson(const LatencyHistogram& latency) {
  const auto us = [&latency](double quantile) {
    return static_cast<double>(latency.QuantileNs(quantile)) / 1000;
  };
  return Json{{"p50", us(0.5)},
              {"p90", us(0.9)},
              {"p99", us(0.99)},
              {"p999", us(0.999)},
              {"max", static_cast<double>(latency.max_ns()) / 1000}};
}

// Apps that the filter lets through, one per path, in the order they came.
std::vector<AppCounts> Selected(const StatsSnapshot& snapshot,
                                const StatsFilter& filter) {
  std::vector<AppCounts> selected;
  absl::flat_hash_map<std::string_view, size_t> index_of;
  for (const AppCounts& app : snapshot.apps) {
    if (filter.uid.has_value() && app.uid != filter.uid) continue;
    if (!filter.app.empty() && app.path != filter.app &&
        Escape(app.path) != filter.app) {
      continue;
    }
    const auto [it, is_new] = index_of.try_emplace(app.path, selected.size());
    if (is_new) {
      selected.push_back(app);
    } else {
      selected[it->second].flows.Add(app.flows);
    }
  }
  return selected;
}

}  // namespace

uint64_t FlowCounts::total() const {
  uint64_t sum = 0;
  for (const uint64_t count : by_verdict) sum += count;
  return sum;
}

void FlowCounts::Add(const DecisionRecord& record) {
  ++by_verdict[static_cast<size_t>(record.decision.verdict)];
  ++by_stage[static_cast<size_t>(record.stage)];
  would_deny += record.decision.would_deny();
  last_ns = std::max(last_ns, record.time_ns);
}

void FlowCounts::Add(const FlowCounts& other) {
  for (size_t i = 0; i < kVerdicts; ++i) by_verdict[i] += other.by_verdict[i];
  for (size_t i = 0; i < kStages; ++i) by_stage[i] += other.by_stage[i];
  would_deny += other.would_deny;
  last_ns = std::max(last_ns, other.last_ns);
}

size_t Stats::KeyHash::operator()(const KeyView& key) const {
  return absl::HashOf(key.path, key.uid);
}

size_t Stats::KeyHash::operator()(const Key& key) const {
  return (*this)(KeyView{key.path, key.uid});
}

void Stats::Count(const DecisionRecord& record) {
  const Reason reason = record.decision.reason;
  const bool malformed = reason == Reason::kMalformed;
  std::lock_guard lock(mutex_);
  totals_.total.Add(record);
  ++totals_.by_reason[static_cast<size_t>(record.decision.verdict)]
                     [static_cast<size_t>(reason)];
  totals_.malformed += malformed;
  totals_.unattributed +=
      !malformed && record.ownership.confidence == Confidence::kNone;
  totals_.latency.Add(record.latency_ns);
  CountsOf({AppPathOf(record), UidOf(record)})->Add(record);
}

FlowCounts* Stats::CountsOf(const KeyView& key) {
  const auto it = apps_.find(key);
  if (it != apps_.end()) return &it->second;
  if (apps_.size() >= kMaxApps ||
      path_bytes_ + key.path.size() > kMaxPathBytes) {
    return &totals_.others;
  }
  path_bytes_ += key.path.size();
  return &apps_[Key{std::string(key.path), key.uid}];
}

StatsSnapshot Stats::Snapshot() const {
  StatsSnapshot snapshot;
  {
    std::lock_guard lock(mutex_);
    snapshot = totals_;
    snapshot.apps.reserve(apps_.size());
    for (const auto& [key, flows] : apps_) {
      snapshot.apps.push_back({key.path, key.uid, flows});
    }
  }
  std::sort(snapshot.apps.begin(), snapshot.apps.end(),
            [](const AppCounts& a, const AppCounts& b) {
              if (a.flows.total() != b.flows.total()) {
                return a.flows.total() > b.flows.total();
              }
              return std::tie(a.path, a.uid) < std::tie(b.path, b.uid);
            });
  return snapshot;
}

std::string StatsToJson(const StatsSnapshot& snapshot,
                        const StatsFilter& filter) {
  const std::vector<AppCounts> selected = Selected(snapshot, filter);
  const bool filtered = filter.uid.has_value() || !filter.app.empty();
  FlowCounts flows = snapshot.total;
  if (filtered) {
    flows = FlowCounts{};
    for (const AppCounts& app : selected) flows.Add(app.flows);
  }

  Json apps = Json::array();
  for (const AppCounts& app : selected) {
    // Flows of nobody are in the totals and in `unattributed`.
    if (app.path.empty()) continue;
    Json entry{{"path", Escape(app.path)}};
    entry.update(VerdictsJson(app.flows));
    entry["last"] = TimeText(app.flows.last_ns);
    apps.push_back(std::move(entry));
  }

  Json json{{"flows", VerdictsJson(flows)},
            {"would_deny", flows.would_deny},
            {"by_stage",
             {{"queue", flows.by_stage[0]}, {"slow", flows.by_stage[1]}}}};
  if (!filter.uid.has_value()) {
    json["latency_us"] = LatencyJson(snapshot.latency);
    json["dropped_events"] = snapshot.dropped_events;
  }
  json["apps"] = std::move(apps);
  if (!filter.uid.has_value()) {
    if (!filtered && snapshot.others.total() > 0) {
      json["others"] = VerdictsJson(snapshot.others);
    }
    json["unattributed"] = snapshot.unattributed;
    json["malformed"] = snapshot.malformed;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sallyport
