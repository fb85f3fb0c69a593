#ifndef SALLYPORT_ENGINE_ANSWER_BATCH_H_
#define SALLYPORT_ENGINE_ANSWER_BATCH_H_

// AnswerBatch: answers collected by a worker, sent as one. For one thread.

#include <array>
#include <cassert>

#include "engine/packet_queue.h"

namespace sallyport {

class AnswerBatch {
 public:
  // REQUIRES: fewer than kMaxBatch answers were added since the last Send.
  void Add(const PacketAnswer& answer) {
    assert(count_ < kMaxBatch);
    answers_[count_++] = answer;
  }
  void Send(PacketQueue& queue) {
    if (count_ > 0) queue.Answer({answers_.data(), count_});
    count_ = 0;
  }

 private:
  std::array<PacketAnswer, kMaxBatch> answers_;
  size_t count_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_ANSWER_BATCH_H_
