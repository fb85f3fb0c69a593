#include "src/rechecker.h"

#include <pthread.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/netlink_conntrack.h"
#include "src/log.h"

namespace sallyport {

absl::StatusOr<std::unique_ptr<Rechecker>> Rechecker::Start(
    PolicyPublisher& policy, std::unique_ptr<Resolver> resolver,
    DecisionSink& sink, MarkBits marks) {
  auto conntrack = NetlinkConntrack::Open();
  if (!conntrack.ok()) return conntrack.status();
  auto destroyer = DiagSocketDestroyer::Open();
  if (!destroyer.ok()) return destroyer.status();
  return std::make_unique<Rechecker>(policy, std::move(resolver), sink, marks,
                                     *std::move(conntrack),
                                     *std::move(destroyer));
}

Rechecker::Rechecker(PolicyPublisher& policy,
                     std::unique_ptr<Resolver> resolver, DecisionSink& sink,
                     MarkBits marks, std::unique_ptr<Conntrack> conntrack,
                     std::unique_ptr<SocketDestroyer> destroyer)
    : policy_(policy),
      sink_(sink),
      marks_(marks),
      resolver_(std::move(resolver)),
      conntrack_(std::move(conntrack)),
      destroyer_(std::move(destroyer)),
      thread_([this](std::stop_token stop) { Run(stop); }) {}

Rechecker::~Rechecker() = default;

void Rechecker::Request() {
  std::lock_guard lock(mutex_);
  requested_ = true;
  changed_.notify_all();
}

void Rechecker::WaitUntilDone() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !requested_ && !working_; });
}

void Rechecker::Run(std::stop_token stop) {
  pthread_setname_np(pthread_self(), "sp-recheck");
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return requested_; })) return;
      requested_ = false;
      working_ = true;
    }
    RecheckOnce(stop);
    std::lock_guard lock(mutex_);
    working_ = false;
    changed_.notify_all();
  }
}

void Rechecker::RecheckOnce(std::stop_token stop) {
  const PolicySnapshot policy = policy_.Current();
  const Mode mode = policy.settings.mode;
  const bool learn_begins = mode == Mode::kLearn && last_mode_ != mode;
  last_mode_ = mode;
  const absl::StatusOr<CutReport> report =
      Recheck({*conntrack_, *destroyer_, *resolver_, sink_}, marks_, policy,
              stop, learn_begins);
  if (!report.ok()) {
    LogError(absl::StrCat("flows allowed before could not be looked at again: ",
                          report.status().message()));
    return;
  }
  if (report->cut > 0 || report->failed > 0 || report->truncated) {
    LogInfo(absl::StrCat(
        "flows allowed before were looked at again: ", report->cut, " of ",
        report->walked, " flows cut, ", report->failed, " could not be",
        report->truncated ? "; there are more" : ""));
  }
}

}  // namespace sallyport
