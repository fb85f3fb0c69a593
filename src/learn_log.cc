#include "src/learn_log.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "rules/app_pattern.h"
#include "rules/text_util.h"
#include "src/log.h"

namespace sallyport {
namespace {

// What a flow costs beside its texts: a map entry, a row.
constexpr size_t kFlowBytes = 160;
// Apps that hold one socket; what has more is no program's socket any more.
constexpr size_t kMaxHolders = 16;
// More damaged files than this, and the disk is what is damaged.
constexpr int kMaxMovedAside = 3;

bool IsToLearn(const Decision& decision) {
  return decision.mode == Mode::kLearn && decision.rule == kNoRule &&
         decision.verdict == Verdict::kAllow &&
         (decision.reason == Reason::kDefault ||
          decision.reason == Reason::kUnattributed);
}

std::string AppText(std::string_view path, AppNaming naming) {
  return naming == AppNaming::kNobody ? "" : ExactAppText(path);
}

}  // namespace

size_t LearnLog::AppHash::operator()(const AppView& key) const {
  return absl::HashOf(ToAbsl(key.path), key.naming);
}

size_t LearnLog::AppHash::operator()(const AppKey& key) const {
  return (*this)(AppView{key.path, key.naming});
}

LearnLog::LearnLog(std::string path, LearnLimits limits)
    : path_(std::move(path)), limits_(limits) {
  absl::Status connected;
  {
    std::lock_guard lock(db_mutex_);
    connected = ConnectLocked();
  }
  Remember(std::move(connected)).IgnoreError();  // every save tries again
}

LearnLog::~LearnLog() = default;

LearnLog::AppView LearnLog::ViewOf(const Process& owner) {
  const App* app = owner.app.get();
  if (app == nullptr || app->kind == App::Kind::kKernel ||
      !app->path.starts_with('/')) {
    return {"", AppNaming::kNobody};
  }
  const bool by_path = app->kind == App::Kind::kFile && app->path_is_exe;
  return {app->path, by_path ? AppNaming::kByPath : AppNaming::kNotItsPath};
}

void LearnLog::Record(const DecisionRecord& record) {
  if (!IsToLearn(record.decision)) return;
  const Flow& flow = record.flow;
  FlowKey key;
  key.address = flow.dst;
  key.protocol = flow.protocol;
  key.port = flow.HasPorts() ? flow.dst_port : uint16_t{0};
  Seen seen;
  seen.address = flow.dst;
  seen.count = 1;
  seen.first_ns = seen.last_ns = record.time_ns;

  struct Holder {
    AppView app;
    uint32_t uid;
  };
  absl::InlinedVector<Holder, 2> holders;
  size_t too_many = 0;
  for (const auto& owner : record.ownership.owners) {
    if (owner == nullptr) continue;
    const Holder holder = {ViewOf(*owner), owner->uid};
    const bool known =
        std::any_of(holders.begin(), holders.end(), [&](const Holder& other) {
          return AppEqual()(other.app, holder.app) && other.uid == holder.uid;
        });
    if (known) continue;
    if (holders.size() == kMaxHolders) {
      ++too_many;
      continue;
    }
    holders.push_back(holder);
  }
  seen.shared = holders.size() > 1 ? 1 : 0;

  std::lock_guard lock(mutex_);
  if (holders.empty()) {
    key.uid = record.ownership.socket_uid;
    AddLocked({"", AppNaming::kNobody}, key, seen);
  }
  for (const Holder& holder : holders) {
    key.uid = holder.uid;
    AddLocked(holder.app, key, seen);
  }
  if (too_many > 0) {
    left_out_ += too_many;
    left_out_is_new_ = unsaved_ = true;
  }
}

LearnLog::AppFlows* LearnLog::AppOfLocked(const AppView& app) {
  const auto it = apps_.find(app);
  if (it != apps_.end()) return &it->second;
  if (apps_.size() >= limits_.apps) return nullptr;
  return &apps_[AppKey{std::string(app.path), app.naming}];
}

void LearnLog::AddLocked(const AppView& app, const FlowKey& key,
                         const Seen& seen) {
  unsaved_ = true;
  AppFlows* const of_app = AppOfLocked(app);
  if (of_app == nullptr) {
    left_out_ += seen.count;
    left_out_is_new_ = true;
    return;
  }
  auto it = of_app->flows.find(key);
  if (it == of_app->flows.end()) {
    // Each flow pays for its app's path: so do the rows on the disk.
    const size_t bytes = kFlowBytes + app.path.size() + key.name.size();
    if (of_app->flows.size() >= limits_.flows_per_app ||
        flow_count_ >= limits_.flows || bytes_ + bytes > limits_.bytes) {
      of_app->left_out += seen.count;
      of_app->left_out_is_new = true;
      return;
    }
    ++flow_count_;
    bytes_ += bytes;
    of_app->flows.emplace(key, seen);
    return;
  }
  Seen& known = it->second;
  if (seen.last_ns >= known.last_ns) known.address = seen.address;
  known.count += seen.count;
  known.shared += seen.shared;
  known.first_ns = std::min(known.first_ns, seen.first_ns);
  known.last_ns = std::max(known.last_ns, seen.last_ns);
  known.is_new = true;
}

LearnedFlow LearnLog::ToFlow(const std::string& app, AppNaming naming,
                             const FlowKey& key, const Seen& seen) {
  LearnedFlow flow;
  flow.app = app;
  flow.naming = naming;
  flow.name = key.name;
  flow.address = seen.address;
  flow.protocol = key.protocol;
  flow.port = key.port;
  flow.uid = key.uid;
  flow.count = seen.count;
  flow.shared = seen.shared;
  flow.first_ns = seen.first_ns;
  flow.last_ns = seen.last_ns;
  return flow;
}

LearnSnapshot LearnLog::Snapshot() const {
  LearnSnapshot snapshot;
  {
    std::lock_guard lock(mutex_);
    snapshot.flows.reserve(flow_count_);
    for (const auto& [app, of_app] : apps_) {
      const std::string text = AppText(app.path, app.naming);
      for (const auto& [key, seen] : of_app.flows) {
        snapshot.flows.push_back(ToFlow(text, app.naming, key, seen));
      }
      if (of_app.left_out > 0) {
        snapshot.left_out.push_back({text, app.naming, of_app.left_out});
      }
    }
    if (left_out_ > 0) {
      snapshot.left_out.push_back({"", AppNaming::kByPath, left_out_});
    }
    snapshot.saved = saved_;
    snapshot.notice = notice_;
  }
  std::sort(snapshot.flows.begin(), snapshot.flows.end(),
            [](const LearnedFlow& a, const LearnedFlow& b) {
              const auto key = [](const LearnedFlow& f) {
                return std::tie(f.app, f.naming, f.name, f.address, f.protocol,
                                f.port, f.uid);
              };
              return key(a) < key(b);
            });
  std::sort(snapshot.left_out.begin(), snapshot.left_out.end(),
            [](const LeftOut& a, const LeftOut& b) {
              return std::tie(a.app, a.naming) < std::tie(b.app, b.naming);
            });
  return snapshot;
}

// --- The disk. ---------------------------------------------------------------

absl::Status LearnLog::ConnectLocked() {
  absl::Status status = ConnectOnceLocked();
  if (absl::IsDataLoss(status) && db_ == nullptr) status = ConnectOnceLocked();
  return status;
}

absl::Status LearnLog::ConnectOnceLocked() {
  if (db_ == nullptr) {
    auto db = LearnDb::Open(path_);
    if (!db.ok()) {
      DisconnectLocked(db.status());
      return db.status();
    }
    db_ = *std::move(db);
  }
  if (loaded_) return absl::OkStatus();
  const absl::StatusOr<LearnRows> rows = db_->Load(limits_.flows);
  if (!rows.ok()) {
    DisconnectLocked(rows.status());
    return rows.status();
  }
  loaded_ = true;
  std::lock_guard lock(mutex_);
  MergeLocked(*rows);
  return absl::OkStatus();
}

void LearnLog::DisconnectLocked(const absl::Status& why) {
  db_.reset();
  if (!absl::IsDataLoss(why) || moved_aside_ == kMaxMovedAside) return;
  ++moved_aside_;
  const absl::StatusOr<std::string> aside = MoveDatabaseAside(path_);
  if (!aside.ok()) return;
  std::string notice =
      Concat(path_, " was damaged (", MessageOf(why), "); it was moved to ",
             *aside, " and a new one begun");
  LogWarning(notice);
  std::lock_guard lock(mutex_);
  notice_ = std::move(notice);
}

// To what was seen while the file could not be read.
void LearnLog::MergeLocked(const LearnRows& rows) {
  const bool unsaved = unsaved_;
  for (const LearnedFlow& flow : rows.flows) {
    FlowKey key;
    key.name = flow.name;
    if (flow.name.empty()) key.address = flow.address;
    key.protocol = flow.protocol;
    key.port = flow.port;
    key.uid = flow.uid;
    Seen seen;
    seen.address = flow.address;
    seen.count = flow.count;
    seen.shared = flow.shared;
    seen.first_ns = flow.first_ns;
    seen.last_ns = flow.last_ns;
    seen.is_new = false;
    AddLocked({flow.app, flow.naming}, key, seen);
  }
  for (const LeftOut& left_out : rows.left_out) {
    const bool of_no_app =
        left_out.app.empty() && left_out.naming == AppNaming::kByPath;
    AppFlows* const of_app =
        of_no_app ? nullptr : AppOfLocked({left_out.app, left_out.naming});
    (of_app == nullptr ? left_out_ : of_app->left_out) += left_out.flows;
  }
  unsaved_ = unsaved;
}

LearnRows LearnLog::TakeNewLocked() {
  LearnRows rows;
  for (auto& [app, of_app] : apps_) {
    for (auto& [key, seen] : of_app.flows) {
      if (!std::exchange(seen.is_new, false)) continue;
      rows.flows.push_back(ToFlow(app.path, app.naming, key, seen));
    }
    if (std::exchange(of_app.left_out_is_new, false)) {
      rows.left_out.push_back({app.path, app.naming, of_app.left_out});
    }
  }
  if (std::exchange(left_out_is_new_, false)) {
    rows.left_out.push_back({"", AppNaming::kByPath, left_out_});
  }
  unsaved_ = false;
  return rows;
}

void LearnLog::MarkAllNewLocked() {
  for (auto& [app, of_app] : apps_) {
    for (auto& [key, seen] : of_app.flows) seen.is_new = true;
    of_app.left_out_is_new = of_app.left_out > 0;
  }
  left_out_is_new_ = left_out_ > 0;
  unsaved_ = true;
}

bool LearnLog::unsaved() const {
  std::lock_guard lock(mutex_);
  return unsaved_;
}

void LearnLog::SaveIfDue(Clock::time_point now) {
  if (now < next_save_ || !unsaved()) return;
  next_save_ = now + (Save().ok() ? kSaveInterval : kRetryInterval);
}

absl::Status LearnLog::Save() {
  std::lock_guard db_lock(db_mutex_);
  absl::Status status = ConnectLocked();
  if (status.ok()) {
    LearnRows rows;
    {
      std::lock_guard lock(mutex_);
      rows = TakeNewLocked();
    }
    status = db_->Save(rows);
    if (!status.ok()) {
      // A new connection is the surest way to begin again, maybe with a file
      // that holds nothing of what was there.
      DisconnectLocked(status);
      std::lock_guard lock(mutex_);
      MarkAllNewLocked();
    }
  }
  return Remember(std::move(status));
}

absl::Status LearnLog::Clear(std::string_view app) {
  std::lock_guard db_lock(db_mutex_);
  const absl::Status status = ClearLocked(app);
  if (status.ok()) return status;
  DisconnectLocked(status);
  return absl::UnavailableError(
      Concat("not forgotten: ", path_, ": ", MessageOf(status)));
}

absl::Status LearnLog::ClearLocked(std::string_view app) {
  if (absl::Status status = ConnectLocked(); !status.ok()) return status;
  const std::vector<std::string> paths =
      app.empty() ? std::vector<std::string>{""} : PathsOf(app);
  for (const std::string& path : paths) {
    if (absl::Status status = db_->Clear(path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    ForgetLocked(path);
  }
  return absl::OkStatus();
}

std::vector<std::string> LearnLog::PathsOf(std::string_view app) const {
  std::vector<std::string> paths;
  std::lock_guard lock(mutex_);
  for (const auto& [key, flows] : apps_) {
    if (key.path.empty()) continue;
    if (key.path == app || ExactAppText(key.path) == app) {
      paths.push_back(key.path);
    }
  }
  return paths;
}

void LearnLog::ForgetLocked(std::string_view path) {
  for (auto it = apps_.begin(); it != apps_.end();) {
    const auto here = it++;
    if (!path.empty() && here->first.path != path) continue;
    for (const auto& [flow, seen] : here->second.flows) {
      --flow_count_;
      bytes_ -= kFlowBytes + here->first.path.size() + flow.name.size();
    }
    apps_.erase(here);
  }
  if (path.empty()) left_out_ = 0;
}

// Said once when it begins and once when it is over.
absl::Status LearnLog::Remember(absl::Status status) {
  if (!status.ok()) {
    status = absl::Status(status.code(),
                          Concat("what is learned is not saved: ", path_, ": ",
                                 MessageOf(status)));
  }
  bool changed = false;
  {
    std::lock_guard lock(mutex_);
    changed = saved_.ok() != status.ok();
    saved_ = status;
  }
  if (changed && status.ok()) LogInfo("what is learned is saved again");
  if (changed && !status.ok()) LogWarning(MessageOf(status));
  return status;
}

}  // namespace sallyport
