#ifndef SALLYPORT_ENGINE_NFT_DIVERT_H_
#define SALLYPORT_ENGINE_NFT_DIVERT_H_

// NftDivert: the real Divert. Thread-safe; one mutex around everything, since
// libnftables contexts are not. Works in the network namespace of the thread
// that calls Create.
//
//   auto divert = NftDivert::Create(options);
//   if (!divert.ok()) return divert.status();   // says what is missing
//   absl::Status status = (*divert)->Install();
//
// Codes of Create and Install: InvalidArgument (options), PermissionDenied
// (CAP_NET_ADMIN), Unimplemented (kernel option or module), Internal (nftables
// refused our own text, which is then in the message).

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/divert.h"
#include "engine/divert_ruleset.h"
#include "engine/nft_socket.h"
#include "engine/table_state.h"

struct nft_ctx;

namespace sallyport {

class NftDivert final : public Divert {
 public:
  // Checks the options and finds out which queue expression the kernel has.
  // Changes nothing.
  static absl::StatusOr<std::unique_ptr<NftDivert>> Create(
      const DivertOptions& options);
  ~NftDivert() override;  // leaves the table as it is

  absl::Status Install() override;
  absl::Status Remove() override;
  // Compares with what Install left behind: exact for every change of ours by
  // others, also for a rule replaced by another.
  absl::StatusOr<bool> Verify() override;
  DivertState state() const override;

 private:
  struct FreeContext {
    void operator()(nft_ctx* context) const;
  };

  NftDivert(const DivertOptions& options, QueueExpression how,
            NftSocket socket);
  absl::Status RunTextLocked(const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The chains are there as planned, whatever rules they hold.
  bool ChainsIntact(const TableState& table) const;
  bool RulesComplete(const TableState& table) const;

  // Constant after construction.
  const DivertOptions options_;
  const QueueExpression how_;
  const Ruleset plan_;

  mutable std::mutex mutex_;
  NftSocket socket_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<nft_ctx, FreeContext> context_ ABSL_GUARDED_BY(mutex_);
  TableState installed_ ABSL_GUARDED_BY(mutex_);
  bool damaged_ ABSL_GUARDED_BY(mutex_) = false;
  DivertState state_ ABSL_GUARDED_BY(mutex_);
};

// Takes table `inet sallyport` out of the caller's network namespace, whoever
// put it in: for `sallyport off`. Not being there is no error.
absl::Status RemoveDivert();

// Which expression kAuto means on this kernel, or the Status that says what
// both ways miss. `wanted` kNative or kXt probes only that one; kNone is kNone.
absl::StatusOr<QueueExpression> ChooseQueueExpression(QueueExpression wanted);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_NFT_DIVERT_H_
