#ifndef SALLYPORT_ENGINE_DUTY_H_
#define SALLYPORT_ENGINE_DUTY_H_

// Duty: the obligation to answer one packet exactly once. Move-only. Whoever
// holds it answers it, into a batch that its thread sends later or at once;
// one that is destroyed unanswered is answered with the fail policy and
// counted, so a packet can't be forgotten on any path.

#include <cstdint>
#include <utility>

#include "engine/answer_batch.h"
#include "engine/fail_policy.h"
#include "engine/packet_queue.h"

namespace sallyport {

class Duty {
 public:
  // Neither pointer is owned; both outlive every Duty.
  Duty(PacketQueue* queue, FailPolicy* fail_policy, uint32_t id, uint32_t mark)
      : queue_(queue), fail_policy_(fail_policy), id_(id), mark_(mark) {}
  Duty(Duty&& other) noexcept
      : queue_(std::exchange(other.queue_, nullptr)),
        fail_policy_(other.fail_policy_),
        id_(other.id_),
        mark_(other.mark_) {}
  Duty& operator=(Duty&& other) noexcept {
    if (this != &other) {
      Fail();
      queue_ = std::exchange(other.queue_, nullptr);
      fail_policy_ = other.fail_policy_;
      id_ = other.id_;
      mark_ = other.mark_;
    }
    return *this;
  }
  ~Duty() { Fail(); }

  // Worker thread only. The batch belongs to the same queue.
  void AnswerInto(AnswerBatch& batch, Verdict verdict) && {
    batch.Add({id_, mark_, verdict});
    queue_ = nullptr;
  }
  // Any thread.
  void AnswerNow(Verdict verdict) && {
    const PacketAnswer answer{id_, mark_, verdict};
    std::exchange(queue_, nullptr)->Answer({&answer, 1});
  }

 private:
  void Fail() {
    if (queue_ != nullptr) std::move(*this).AnswerNow(fail_policy_->Apply());
  }

  PacketQueue* queue_;  // null: answered, or moved from
  FailPolicy* fail_policy_;
  uint32_t id_;
  uint32_t mark_;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_DUTY_H_
