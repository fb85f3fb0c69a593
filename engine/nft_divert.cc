#include "engine/nft_divert.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <nftables/libnftables.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/divert_xt.h"

namespace sallyport {
namespace {

constexpr uint32_t kAcceptPolicy = NF_ACCEPT;

absl::StatusOr<QueueExpression> Choose(NftSocket& socket,
                                       QueueExpression wanted) {
  if (wanted == QueueExpression::kNone) return wanted;
  if (wanted != QueueExpression::kAuto) {
    absl::Status status = ProbeQueueExpression(socket, wanted);
    if (!status.ok()) return status;
    return wanted;
  }
  const absl::Status native =
      ProbeQueueExpression(socket, QueueExpression::kNative);
  if (native.ok()) return QueueExpression::kNative;
  if (!absl::IsUnimplemented(native)) return native;
  const absl::Status xt = ProbeQueueExpression(socket, QueueExpression::kXt);
  if (xt.ok()) return QueueExpression::kXt;
  if (native.message() == xt.message()) return native;  // not the expression's
  return absl::Status(xt.code(),
                      absl::StrCat("the kernel cannot queue packets "
                                   "from nftables. ",
                                   native.message(), ". ", xt.message()));
}

int DeleteTable(NftSocket& socket) {
  NftBatch batch(NFPROTO_INET);
  batch.Add(NFT_MSG_DELTABLE, 0, [](nlmsghdr* header) {
    mnl_attr_put_strz(header, NFTA_TABLE_NAME, kTableName);
  });
  const int error = socket.Run(std::move(batch), NftBatch::End::kCommit);
  return error == ENOENT ? 0 : error;
}

}  // namespace

void NftDivert::FreeContext::operator()(nft_ctx* context) const {
  nft_ctx_free(context);
}

absl::StatusOr<std::unique_ptr<NftDivert>> NftDivert::Create(
    const DivertOptions& options) {
  if (absl::Status status = ValidateDivertOptions(options); !status.ok()) {
    return status;
  }
  // libnftables ends the process if it gets no socket, so ours is made first.
  absl::StatusOr<NftSocket> socket = NftSocket::Open();
  if (!socket.ok()) return socket.status();
  absl::StatusOr<QueueExpression> how = Choose(*socket, options.expression);
  if (!how.ok()) return how.status();
  std::unique_ptr<NftDivert> divert(
      new NftDivert(options, *how, *std::move(socket)));
  std::lock_guard lock(divert->mutex_);
  if (divert->context_ == nullptr) {
    return absl::ResourceExhaustedError("no memory for libnftables");
  }
  return divert;
}

NftDivert::NftDivert(const DivertOptions& options, QueueExpression how,
                     NftSocket socket)
    : options_(options),
      how_(how),
      plan_(how == QueueExpression::kNone ? Ruleset{}
                                          : BuildRuleset(options, how)),
      socket_(std::move(socket)),
      context_(nft_ctx_new(NFT_CTX_DEFAULT)) {
  state_.expression = how;
  if (context_ == nullptr) return;
  nft_ctx_buffer_output(context_.get());
  nft_ctx_buffer_error(context_.get());
}

NftDivert::~NftDivert() = default;

absl::Status NftDivert::RunTextLocked(const std::string& text) {
  const int result = nft_run_cmd_from_buffer(context_.get(), text.c_str());
  // Reading a buffer empties it for the next run.
  const std::string error = nft_ctx_get_error_buffer(context_.get());
  nft_ctx_get_output_buffer(context_.get());
  if (result == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "nftables refuses the ruleset, though the queue expression works; it "
      "needs ct, meta, socket and reject expressions (CONFIG_NFT_CT, "
      "CONFIG_NFT_REJECT_INET): ",
      error));
}

absl::Status NftDivert::Install() {
  std::lock_guard lock(mutex_);
  if (how_ == QueueExpression::kNone) return absl::OkStatus();
  absl::StatusOr<TableState> before = ReadTable(socket_);
  if (!before.ok()) return before.status();
  const ReplaceBy replace =
      ChainsIntact(*before) ? ReplaceBy::kFlush : ReplaceBy::kDelete;
  absl::Status status = RunTextLocked(RulesetText(plan_, replace));
  if (!status.ok()) return status;
  if (how_ == QueueExpression::kXt) {
    status = AddXtQueueRules(socket_, options_);
    if (!status.ok()) return status;
  }
  absl::StatusOr<TableState> after = ReadTable(socket_);
  if (!after.ok()) return after.status();
  if (!ChainsIntact(*after) || !RulesComplete(*after)) {
    return absl::AbortedError(
        "table inet sallyport was changed while it was installed");
  }
  installed_ = *std::move(after);
  state_.installed = true;
  if (damaged_) ++state_.repairs;
  damaged_ = false;
  return absl::OkStatus();
}

absl::Status NftDivert::Remove() {
  std::lock_guard lock(mutex_);
  if (how_ == QueueExpression::kNone) return absl::OkStatus();
  const int error = DeleteTable(socket_);
  if (error != 0) {
    return NftErrorToStatus(error, "cannot remove table inet sallyport");
  }
  state_.installed = false;
  damaged_ = false;
  installed_ = TableState{};
  return absl::OkStatus();
}

absl::StatusOr<bool> NftDivert::Verify() {
  std::lock_guard lock(mutex_);
  if (how_ == QueueExpression::kNone) return true;
  absl::StatusOr<TableState> now = ReadTable(socket_);
  if (!now.ok()) return now.status();
  const bool intact = state_.installed && *now == installed_;
  if (state_.installed && !intact) damaged_ = true;
  return intact;
}

DivertState NftDivert::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

bool NftDivert::ChainsIntact(const TableState& table) const {
  if (!table.present || table.flags != 0) return false;
  if (table.chains.size() != plan_.chains.size()) return false;
  for (const RulesetChain& planned : plan_.chains) {
    const ChainState* found = table.Find(planned.name);
    if (found == nullptr || found->is_base != planned.is_base) return false;
    if (!planned.is_base) continue;
    // Not the policy: our text sets that of a chain that is there.
    if (found->hook != NF_INET_LOCAL_OUT || found->type != "filter" ||
        found->priority != planned.priority) {
      return false;
    }
  }
  return true;
}

bool NftDivert::RulesComplete(const TableState& table) const {
  for (const RulesetChain& planned : plan_.chains) {
    size_t expected = planned.rules.size();
    if (how_ == QueueExpression::kXt) {
      expected += XtRulesIn(options_, planned.name);
    }
    const ChainState* found = table.Find(planned.name);
    if (found == nullptr || found->rule_handles.size() != expected) {
      return false;
    }
    if (planned.is_base && found->policy != kAcceptPolicy) return false;
  }
  return true;
}

absl::Status RemoveDivert() {
  absl::StatusOr<NftSocket> socket = NftSocket::Open();
  if (!socket.ok()) return socket.status();
  return NftErrorToStatus(DeleteTable(*socket),
                          "cannot remove table inet sallyport");
}

absl::StatusOr<QueueExpression> ChooseQueueExpression(QueueExpression wanted) {
  absl::StatusOr<NftSocket> socket = NftSocket::Open();
  if (!socket.ok()) return socket.status();
  return Choose(*socket, wanted);
}

}  // namespace sallyport
