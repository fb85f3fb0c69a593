#include "engine/divert_xt.h"

#include <arpa/inet.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/canary.h"
#include "engine/divert_ruleset.h"

namespace sallyport {
namespace {

constexpr uint32_t kXtRevision = 3;

// Never made: the transaction that names it is only checked.
constexpr char kScratchTable[] = "sallyport-probe";

struct RuleFree {
  void operator()(nftnl_rule* r) const { nftnl_rule_free(r); }
};
using RulePtr = std::unique_ptr<nftnl_rule, RuleFree>;

RulePtr NewRule(const char* table, const char* chain) {
  RulePtr rule(nftnl_rule_alloc());
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, table);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, chain);
  return rule;
}

void AddCompare(nftnl_rule* rule, const void* value, uint32_t length) {
  nftnl_expr* compare = nftnl_expr_alloc("cmp");
  nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
  nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
  nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, value, length);
  nftnl_rule_add_expr(rule, compare);
}

// udp dport PORT
void AddUdpDestinationPort(nftnl_rule* rule, uint16_t port) {
  nftnl_expr* meta = nftnl_expr_alloc("meta");
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
  nftnl_rule_add_expr(rule, meta);
  const uint8_t udp = IPPROTO_UDP;
  AddCompare(rule, &udp, sizeof(udp));

  nftnl_expr* payload = nftnl_expr_alloc("payload");
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE,
                     NFT_PAYLOAD_TRANSPORT_HEADER);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, 2);
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, sizeof(port));
  nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
  nftnl_rule_add_expr(rule, payload);
  const uint16_t wire_port = htons(port);
  AddCompare(rule, &wire_port, sizeof(wire_port));
}

void AddXtQueue(nftnl_rule* rule, const xt_NFQ_info_v3& info) {
  nftnl_expr* target = nftnl_expr_alloc("target");
  nftnl_expr_set_str(target, NFTNL_EXPR_TG_NAME, "NFQUEUE");
  nftnl_expr_set_u32(target, NFTNL_EXPR_TG_REV, kXtRevision);
  // libnftnl frees it with the expression. xtables wants it padded to 8.
  void* data = calloc(1, 8);
  static_assert(sizeof(info) <= 8);
  memcpy(data, &info, sizeof(info));
  nftnl_expr_set(target, NFTNL_EXPR_TG_INFO, data, sizeof(info));
  nftnl_rule_add_expr(rule, target);
}

void AddNativeQueue(nftnl_rule* rule, uint16_t number) {
  nftnl_expr* queue = nftnl_expr_alloc("queue");
  nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_NUM, number);
  nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_TOTAL, 1);
  nftnl_rule_add_expr(rule, queue);
}

// Without NLM_F_APPEND a rule goes to the front of its chain.
void AddRule(NftBatch* batch, nftnl_rule* rule) {
  batch->Add(NFT_MSG_NEWRULE, NLM_F_CREATE, [rule](nlmsghdr* header) {
    nftnl_rule_nlmsg_build_payload(header, rule);
  });
}

void AddScratchChain(NftBatch* batch) {
  batch->Add(NFT_MSG_NEWTABLE, NLM_F_CREATE, [](nlmsghdr* header) {
    std::unique_ptr<nftnl_table, void (*)(nftnl_table*)> table(
        nftnl_table_alloc(), [](nftnl_table* t) { nftnl_table_free(t); });
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, kScratchTable);
    nftnl_table_nlmsg_build_payload(header, table.get());
  });
  batch->Add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [](nlmsghdr* header) {
    std::unique_ptr<nftnl_chain, void (*)(nftnl_chain*)> chain(
        nftnl_chain_alloc(), [](nftnl_chain* c) { nftnl_chain_free(c); });
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kScratchTable);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, kAskChain);
    nftnl_chain_nlmsg_build_payload(header, chain.get());
  });
}

// Returns errno.
int TryInScratch(NftSocket& socket, QueueExpression how, uint16_t family) {
  NftBatch batch(family);
  AddScratchChain(&batch);
  RulePtr rule = NewRule(kScratchTable, kAskChain);
  if (how == QueueExpression::kNative) {
    AddNativeQueue(rule.get(), 0);
  } else {
    AddXtQueue(rule.get(), {.queuenum = 0, .queues_total = 1, .flags = 0});
  }
  AddRule(&batch, rule.get());
  return socket.Run(std::move(batch), NftBatch::End::kCheck);
}

}  // namespace

absl::Status ProbeQueueExpression(NftSocket& socket, QueueExpression how) {
  assert(how == QueueExpression::kNative || how == QueueExpression::kXt);
  const bool native = how == QueueExpression::kNative;
  // The empty table first, so that an error of the second run can only be the
  // expression's.
  NftBatch scratch(NFPROTO_INET);
  AddScratchChain(&scratch);
  if (int error = socket.Run(std::move(scratch), NftBatch::End::kCheck)) {
    return NftErrorToStatus(error, "cannot make an nftables table");
  }
  int error = TryInScratch(socket, how, NFPROTO_INET);
  if (error != 0 && !native) {
    // For family inet the kernel cannot name the module of an xtables target,
    // for IPv4 it can; once loaded, the target is there for both.
    TryInScratch(socket, how, NFPROTO_IPV4);
    error = TryInScratch(socket, how, NFPROTO_INET);
  }
  if (error == 0) return absl::OkStatus();
  if (error == EPERM) {
    return NftErrorToStatus(error, "cannot add a queue rule");
  }
  return absl::UnimplementedError(absl::StrCat(
      native ? "no native queue expression: load module nft_queue "
               "(CONFIG_NFT_QUEUE)"
             : "no NFQUEUE target: load modules nft_compat and xt_NFQUEUE "
               "(CONFIG_NFT_COMPAT, CONFIG_NETFILTER_XT_TARGET_NFQUEUE)",
      "; the kernel says: ", strerror(error)));
}

absl::Status AddXtQueueRules(NftSocket& socket, const DivertOptions& options) {
  NftBatch batch(NFPROTO_INET);
  uint16_t flags = 0;
  if (options.on_failure == FailPosture::kOpen) flags |= NFQ_FLAG_BYPASS;
  if (options.queue_count > 1) flags |= NFQ_FLAG_CPU_FANOUT;
  RulePtr ask = NewRule(kTableName, kAskChain);
  nftnl_rule_add_expr(ask.get(), nftnl_expr_alloc("counter"));
  AddXtQueue(ask.get(), {.queuenum = options.queue_base,
                         .queues_total = options.queue_count,
                         .flags = flags});
  AddRule(&batch, ask.get());
  for (int i = 0; i < options.queue_count; ++i) {
    RulePtr canary = NewRule(kTableName, kCanaryChain);
    AddUdpDestinationPort(canary.get(),
                          static_cast<uint16_t>(kCanaryPortBase + i));
    AddXtQueue(canary.get(),
               {.queuenum = static_cast<uint16_t>(options.queue_base + i),
                .queues_total = 1,
                .flags = 0});
    AddRule(&batch, canary.get());
  }
  const int error = socket.Run(std::move(batch), NftBatch::End::kCommit);
  return NftErrorToStatus(error, "cannot add the queue rules");
}

}  // namespace sallyport
