#include "src/policy_publisher.h"

#include <utility>

namespace sallyport {

PolicyPublisher::PolicyPublisher(std::shared_ptr<const RuleSet> rules,
                                 JudgeSettings settings,
                                 std::function<void()> on_published)
    : on_published_(std::move(on_published)),
      current_{std::move(rules), settings, 1},
      table_(std::make_unique<PolicySnapshot>(current_)) {}

void PolicyPublisher::SetRules(std::shared_ptr<const RuleSet> rules) {
  std::lock_guard lock(mutex_);
  current_.rules = std::move(rules);
  PublishLocked();
}

void PolicyPublisher::SetMode(Mode mode) {
  std::lock_guard lock(mutex_);
  if (current_.settings.mode == mode) return;
  current_.settings.mode = mode;
  PublishLocked();
}

PolicySnapshot PolicyPublisher::Current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

void PolicyPublisher::PublishLocked() {
  ++current_.generation;
  table_.Publish(std::make_unique<PolicySnapshot>(current_));
  table_.Synchronize();
  on_published_();
}

}  // namespace sallyport
