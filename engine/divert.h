#ifndef SALLYPORT_ENGINE_DIVERT_H_
#define SALLYPORT_ENGINE_DIVERT_H_

// Divert: the kernel ruleset that sends undecided packets to our queues. One
// table, `inet sallyport`, in the network namespace of the caller. Called by
// the control thread and, for Repair, by the kernel-event thread; the
// implementation serialises. Kernel surface: the real one is NftDivert
// (engine/nft_divert.h), the fake is for tests.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

enum class QueueExpression : uint8_t { kAuto, kNative, kXt, kNone };
enum class FailPosture : uint8_t { kOpen, kClosed };

// How an allowed flow gets our bit into its ct mark.
enum class SettleBy : uint8_t {
  kSecondChain,  // what reaches chain `settle` was allowed: posture closed
  kConntrackAttribute,  // NFQA_CT in the verdict: posture open, needs the
                        // kernel's ctnetlink glue
  kPacketMark,          // our bit in the packet's mark, copied and cleared by
                        // `settle`: posture open without the glue
};

// Our bits, given a mask of at least four contiguous bits.
struct MarkBits {
  uint32_t mask = 0x00f00000;
  uint32_t allowed() const { return mask & (~mask + 1); }  // lowest bit
  uint32_t rejected() const { return allowed() << 1; }
  uint32_t canary() const { return allowed() << 2; }
};

struct DivertOptions {
  QueueExpression expression = QueueExpression::kAuto;
  uint16_t queue_base = 4180;
  uint16_t queue_count = 1;
  FailPosture on_failure = FailPosture::kClosed;
  SettleBy settle = SettleBy::kSecondChain;
  MarkBits marks;
  bool judge_loopback = true;
};

struct DivertState {
  bool installed = false;
  QueueExpression expression = QueueExpression::kNone;
  uint64_t repairs = 0;
};

class Divert {
 public:
  virtual ~Divert() = default;
  // Puts the table in, replacing one of ours that is there, in one
  // transaction. The status says which option, module or privilege is missing.
  virtual absl::Status Install() = 0;
  // Takes the table out. Not being there is no error.
  virtual absl::Status Remove() = 0;
  // True if the table is complete: chains, hooks, number of rules.
  virtual absl::StatusOr<bool> Verify() = 0;
  virtual DivertState state() const = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_DIVERT_H_
