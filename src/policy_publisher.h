#ifndef SALLYPORT_SRC_POLICY_PUBLISHER_H_
#define SALLYPORT_SRC_POLICY_PUBLISHER_H_

// PolicyPublisher: the one place that changes what workers judge by. Rules
// come from the rule store, the mode from the API; whichever changes, both are
// published together. Any thread; calls are serialised. When one returns, no
// worker acts on the old policy any more; flows that were allowed by it are
// the business of `on_published` (see Rechecker).

#include <functional>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "rules/judge.h"
#include "rules/rule_table.h"

namespace sallyport {

class PolicyPublisher {
 public:
  PolicyPublisher(std::shared_ptr<const RuleSet> rules, JudgeSettings settings,
                  std::function<void()> on_published);

  void SetRules(std::shared_ptr<const RuleSet> rules);
  void SetMode(Mode mode);

  PolicySnapshot Current() const;
  RuleTable& table() { return table_; }

 private:
  void PublishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<void()> on_published_;
  mutable std::mutex mutex_;
  PolicySnapshot current_ ABSL_GUARDED_BY(mutex_);
  RuleTable table_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SRC_POLICY_PUBLISHER_H_
